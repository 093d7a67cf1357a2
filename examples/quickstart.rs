//! Lesson 1: embed the library. Images in, neighbours out, with and without the neural rerank.
//!
//! ```text
//! cargo run --release --example quickstart                                        # drawn glyphs, shipped network
//! cargo run --release --example quickstart -- MODEL.safetensors FOLDER QUERY.png  # your own
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lookalike_datasets::{Disturbance, GlyphSet, SampleImage, Samples};
use lookalike_engine::plugin_api::{Budget, Image};
use lookalike_engine::{
    Answer, Database, IngestItem, ItemImage, Query, Rerank, StoreConfig, TagValue, decode,
};
use lookalike_tmm::{TmmConfig, TmmReranker};
use lookalike_vision::{ComputeConfig, Model};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (weights, images, query) = match arguments.as_slice() {
        [weights, folder, query] => {
            let query = decode(&std::fs::read(query)?)?.image;
            (PathBuf::from(weights), lookalike_datasets::image_folder(Path::new(folder))?, query)
        }
        _ => shipped(),
    };

    // 1. The model is the user's own classifier: it makes the features, and its head explains the neighbours.
    let model = Arc::new(Model::open(&weights, ComputeConfig::default())?);

    // 2. A database is a directory, bound to the model. Rerankers are plugins; TMM is the one that comes along.
    let folder = tempfile::tempdir()?;
    let database = Database::create(&folder.path().join("photos.db"), model.clone(), StoreConfig::default())?
        .with_reranker(Arc::new(TmmReranker::new(model, TmmConfig::default())?));
    let photos = database.collection_or_create("photos")?;

    // 3. Ingest: decode, embed, store. A bad image is refused by itself and named in the report.
    let items = images.filter_map(Result::ok).map(|sample| IngestItem {
        key: sample.key,
        image: match sample.image {
            SampleImage::Decoded(image) => ItemImage::Decoded(image),
            SampleImage::Encoded(bytes) => ItemImage::Encoded(bytes),
            SampleImage::File(path) => ItemImage::File(path),
        },
        label: sample.label,
        tags: sample.tags.into_iter().map(|(name, text)| (name, TagValue::Text(text))).collect(),
    });
    let report = photos.ingest(items, &Budget::unlimited(), &mut |_| {})?;
    println!("stored {} images in {:.1?}, refused {}", report.stored(), report.elapsed, report.refused);

    // 4. Search: an exact shortlist by whitened cosine, milliseconds.
    let plain = Query { hits: 5, ..Query::decoded(query) };
    show("whitened", &photos.search(&plain)?);

    // 5. The same with the neural second stage over the best 200.
    let reranked = Query { rerank: Some(Rerank::new("tmm")), ..plain };
    show("tmm", &photos.search(&reranked)?);
    Ok(())
}

fn shipped() -> (PathBuf, Samples, Image) {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/assets/glyphs.safetensors");
    let query = Disturbance::Brightness(0.6).apply(&GlyphSet::new(1).glyph(42).image, 1);
    (weights, lookalike_datasets::glyphs(1, 1000), query)
}

fn show(ranking: &str, answer: &Answer) {
    println!("\n{ranking}: {:.1?}, {}", answer.elapsed(), answer.status);
    for hit in &answer.hits {
        let score = hit.stages.last().map_or(f32::NAN, |stage| stage.score);
        println!("  {score:8.3}  {}  {}", hit.key, hit.label.as_deref().unwrap_or("-"));
    }
}
