//! How fast exemplars are stored and a collection is opened again: `cargo bench -p store`.
//!
//! 60,000 exemplars with rows of 512 values and images of 800 bytes (as MNIST has), 256 a batch; then 4,096 with
//! images of 40 KiB. Every batch is flushed.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use plugin_api::{Digest, Fingerprint};
use store::{NewExemplar, Store, StoreConfig, WriteBatch};

const DIMENSION: u32 = 512;
const PER_BATCH: u32 = 256;
const MEGABYTE: f64 = 1e6;

fn main() -> Result<(), Box<dyn Error>> {
    measure("small images", 60_000, 800)?;
    measure("large images", 4_096, 40 << 10)
}

fn measure(name: &str, count: u32, image_bytes: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("database");
    let config = StoreConfig::default();
    ingest(name, &root, count, image_bytes)?;

    let begun = Instant::now();
    let store = Store::open(&root, config)?;
    let things = store.collection("things")?.ok_or("no collection")?;
    println!("open/{name}: {:.2} s, {}", begun.elapsed().as_secs_f64(), things.durability());

    let begun = Instant::now();
    let mut sum = 0.0;
    things.scan_rows("clean", 0.., &mut |_, row| {
        sum += row[0];
        ControlFlow::Continue(())
    })?;
    println!("scan/{name}: {:.2} s (sum {sum})", begun.elapsed().as_secs_f64());

    let ids: Vec<u32> = (0..200).map(|n| n * 7919 % count).collect();
    let begun = Instant::now();
    let rows = things.rows("clean", &ids)?;
    let row_time = begun.elapsed();
    let begun = Instant::now();
    for &id in &ids {
        things.image(id)?;
    }
    println!(
        "points/{name}: {} rows {:.1} ms, images {:.1} ms",
        rows.len(),
        row_time.as_secs_f64() * 1e3,
        begun.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn ingest(name: &str, root: &Path, count: u32, image_bytes: usize) -> Result<(), Box<dyn Error>> {
    let store = Store::create(root, StoreConfig::default())?;
    let fingerprint = Fingerprint {
        model: "bench".to_owned(),
        weights: Digest([1; 32]),
        preprocessing: Digest([2; 32]),
        dimension: DIMENSION,
    };
    let things = store.create_collection("things", &fingerprint)?;
    let mut written = 0;
    let mut elapsed = 0.0;
    for first in (0..count).step_by(PER_BATCH as usize) {
        let upserts: Vec<_> =
            (first..count.min(first + PER_BATCH)).map(|n| exemplar(n, image_bytes)).collect();
        written += upserts.len() * (image_bytes + DIMENSION as usize * size_of::<f32>());
        let begun = Instant::now();
        things.write(WriteBatch { upserts, deletes: Vec::new() })?;
        elapsed += begun.elapsed().as_secs_f64();
    }
    let megabytes = written as f64 / MEGABYTE;
    let disk = things.stats()?.disk_bytes as f64 / MEGABYTE;
    println!(
        "write/{name}: {megabytes:.0} MB in {elapsed:.2} s, {:.0} MB/s, {:.0} exemplars/s, {disk:.0} MB on disk",
        megabytes / elapsed,
        f64::from(count) / elapsed
    );
    Ok(())
}

fn exemplar(number: u32, image_bytes: usize) -> NewExemplar {
    let mut state = u64::from(number) << 20 | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    NewExemplar {
        key: format!("images/{number:06}.png"),
        label: Some(format!("{}", number % 10)),
        tags: [("split".to_owned(), "train".into())].into(),
        image: (0..image_bytes).map(|_| next() as u8).collect(),
        media_type: "image/png".to_owned(),
        height: 28,
        width: 28,
        channels: 1,
        rows: vec![("clean".to_owned(), (0..DIMENSION).map(|_| (next() >> 40) as f32 / 1e6).collect())],
    }
}
