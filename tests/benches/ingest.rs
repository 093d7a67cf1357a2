//! Is an ingest bound by the network? The bare forward pass, embedding (preparing the images too), and the whole
//! ingest (encoding and storing too) over the same images.
//!
//! `cargo bench -p lookalike-tests --bench ingest [-- IMAGES]`; needs the MNIST files and weights beside the project and says
//! so where they are absent. Prints one line per stage, `stage/images`, with its ratio to the forward pass. The three take
//! turns over
//! slices of the images, because a shared machine's speed drifts.

#[path = "data/digits.rs"]
mod digits;

use std::time::{Duration, Instant};

use digits::Digits;
use lookalike_engine::{Database, IngestItem, ItemImage, StoreConfig};
use lookalike_plugin_api::{Budget, Embedder, Image};
use lookalike_vision::Pixels;

/// Images that each of the three handles before it is the next one's turn.
const SLICE: usize = 12_000;

#[expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
fn main() {
    let Some(Digits { model, images }) = digits::load() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = Database::create(&folder.path().join("db"), model.clone(), StoreConfig::default());
    let collection = database.expect("a database").collection_or_create("main").expect("a collection");
    let [mut forward, mut embed, mut ingest] = [Duration::ZERO; 3];
    for slice in images.chunks(SLICE) {
        // As many images at a time as an ingest hands to the model, but prepared beforehand.
        let prepared: Vec<Pixels> = slice.iter().map(|(_, image)| model.prepare(image)).collect();
        let start = Instant::now();
        for batch in prepared.chunks(256) {
            model.features(batch).expect("features");
        }
        forward += start.elapsed();

        let alone: Vec<Image> = slice.iter().map(|(_, image)| image.clone()).collect();
        let start = Instant::now();
        for batch in alone.chunks(256) {
            model.embed(batch).expect("rows");
        }
        embed += start.elapsed();

        let items = slice.iter().map(|(key, image)| IngestItem {
            key: key.clone(),
            image: ItemImage::Decoded(image.clone()),
            label: None,
            tags: [].into(),
        });
        let start = Instant::now();
        let report = collection.ingest(items, &Budget::unlimited(), &mut |_| {}).expect("an ingest");
        ingest += start.elapsed();
        assert_eq!(report.inserted as usize, slice.len());
    }
    for (stage, elapsed) in [("forward", forward), ("embed", embed), ("ingest", ingest)] {
        let rate = images.len() as f64 / elapsed.as_secs_f64();
        let ratio = elapsed.as_secs_f64() / forward.as_secs_f64();
        println!("{stage}/{}  {elapsed:8.2?}  {rate:7.0} images/s  {ratio:.3}", images.len());
    }
}
