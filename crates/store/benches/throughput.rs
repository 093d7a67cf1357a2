//! How fast exemplars are stored, kept and opened again: `cargo bench -p lookalike-store`. With a number after `--` that many
//! exemplars are stored: `cargo bench -p lookalike-store -- 1000000` takes some minutes and 6 GB.
//!
//! Rows have 512 values; images are 800 bytes (as MNIST has) or 40 KiB; a batch has 256 exemplars. Where nothing else
//! is said, every batch is flushed before the next begins.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;
use std::vec::IntoIter;

use lookalike_plugin_api::{Digest, Fingerprint};
use lookalike_store::{Collection, NewExemplar, SegmentSaving, Store, StoreConfig, WriteBatch, WriteMode};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DIMENSION: u32 = 512;
const PER_BATCH: u32 = 256;
const MEGABYTE: f64 = 1e6;

/// What is stored, and how.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    count: u32,
    image_bytes: usize,
    writers: usize,
    write_mode: WriteMode,
}

fn main() -> Outcome<()> {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let small = Load {
        name: "small",
        count: count.unwrap_or(60_000),
        image_bytes: 800,
        writers: 1,
        write_mode: WriteMode::Immediate,
    };
    measure(small)?;
    if count.is_some() {
        return Ok(());
    }
    for load in [
        Load { name: "small, two writers", writers: 2, ..small },
        Load { name: "small, bulk", write_mode: WriteMode::Bulk, ..small },
        Load { name: "large", count: 4_096, image_bytes: 40 << 10, ..small },
    ] {
        let folder = tempfile::tempdir()?;
        ingest(load, &folder.path().join("database"))?;
    }
    Ok(())
}

fn measure(load: Load) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("database");
    ingest(load, &root)?;
    let saved = timed("save rows", load, || {
        let (_store, things) = open(&root)?;
        Ok(things.save_segments("clean", SegmentSaving::Everything)?)
    })?;
    println!("  {saved} files");
    timed("open with rows", load, || {
        let (_store, things) = open(&root)?;
        Ok(things.load_segments(&things.catalog(), "clean")?.len())
    })?;
    let (_store, things) = open(&root)?;
    let report = timed("verify", load, || Ok(things.verify(&mut |_| {})?))?;
    println!("  {} findings", report.found);
    let report = timed("compact", load, || Ok(things.compact(&mut |_| {})?))?;
    println!(
        "  {:.0} MB of files became {:.0} MB for {:.0} MB of data",
        report.before_bytes as f64 / MEGABYTE,
        report.after_bytes as f64 / MEGABYTE,
        report.live_bytes as f64 / MEGABYTE
    );
    let ids: Vec<u32> = (0..200).map(|n| n * 7919 % load.count).collect();
    timed("200 rows", load, || Ok(things.rows("clean", &ids)?))?;
    timed("200 images", load, || Ok(ids.iter().try_for_each(|&id| things.image(id).map(drop))?))
}

fn timed<T>(stage: &str, load: Load, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let begun = Instant::now();
    let outcome = work()?;
    println!("{stage}/{} x {}: {:.3} s", load.count, load.name, begun.elapsed().as_secs_f64());
    Ok(outcome)
}

fn open(root: &Path) -> Outcome<(Store, Arc<Collection>)> {
    let store = Store::open(root, StoreConfig::default())?;
    let things = store.collection("things")?.ok_or("no collection")?;
    Ok((store, things))
}

fn ingest(load: Load, root: &Path) -> Outcome<()> {
    let store = Store::create(root, StoreConfig { write_mode: load.write_mode, ..StoreConfig::default() })?;
    let fingerprint = Fingerprint {
        model: "bench".to_owned(),
        weights: Digest([1; 32]),
        preprocessing: Digest([2; 32]),
        dimension: DIMENSION,
    };
    let things = store.create_collection("things", &fingerprint)?;
    // Exemplars are made beforehand, some batches at a time, so that only the store is measured.
    let mut elapsed = 0.0;
    for first in (0..load.count).step_by(64 * PER_BATCH as usize) {
        let last = load.count.min(first + 64 * PER_BATCH);
        let batches: Vec<Vec<NewExemplar>> = (first..last)
            .step_by(PER_BATCH as usize)
            .map(|begin| {
                (begin..last.min(begin + PER_BATCH)).map(|n| exemplar(n, load.image_bytes)).collect()
            })
            .collect();
        let batches = Mutex::new(batches.into_iter());
        let begun = Instant::now();
        thread::scope(|scope| {
            let writers: Vec<_> =
                (0..load.writers).map(|_| scope.spawn(|| write_all(&things, &batches))).collect();
            writers.into_iter().try_for_each(|writer| writer.join().map_err(|_| "a writer panicked")?)
        })?;
        elapsed += begun.elapsed().as_secs_f64();
    }
    let begun = Instant::now();
    things.flush()?;
    elapsed += begun.elapsed().as_secs_f64();
    let written = f64::from(load.count) * (load.image_bytes as f64 + f64::from(DIMENSION) * 4.0) / MEGABYTE;
    let disk = things.stats()?.disk_bytes as f64 / MEGABYTE;
    println!(
        "write/{} x {}: {elapsed:.2} s, {:.0} MB/s, {written:.0} MB became {disk:.0} MB on disk",
        load.count,
        load.name,
        written / elapsed
    );
    Ok(())
}

fn write_all(things: &Collection, batches: &Mutex<IntoIter<Vec<NewExemplar>>>) -> Outcome<()> {
    loop {
        let batch = batches.lock().map_err(|_| "a writer panicked")?.next();
        let Some(upserts) = batch else { return Ok(()) };
        things.write(WriteBatch { upserts, deletes: Vec::new() })?;
    }
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
        key: format!("images/{number:07}.png"),
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
