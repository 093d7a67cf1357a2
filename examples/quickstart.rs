//! Lesson 1: embed the library. Images in, neighbours out, with and without the neural rerank.
//!
//! ```text
//! cargo run --release --example quickstart                                        # drawn glyphs, shipped network
//! cargo run --release --example quickstart -- MODEL.safetensors FOLDER QUERY.png  # your own
//! ```

use std::path::{Path, PathBuf};

use lookalike::{Answer, Budget, Database, Image, ModelFiles, Query, Rerank, decode, ingest_item};
use lookalike_datasets::{Disturbance, GlyphSet, Samples};

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
    let model = ModelFiles::open(&weights)?;

    // 2. A database is a directory that carries its model. Rerankers are plugins; TMM is the one that comes along.
    let folder = tempfile::tempdir()?;
    let database = Database::create(&folder.path().join("photos.db"), &model)?;
    let photos = database.collection("main")?;

    // 3. Ingest: decode, embed, store. A bad image is refused by itself and named in the report.
    let items = images.filter_map(Result::ok).map(ingest_item);
    let report = photos.ingest(items, &Budget::unlimited(), &mut |_| {})?;
    println!("stored {} images in {:.1?}, refused {}", report.stored(), report.elapsed, report.refused);

    // 4. Search: an exact shortlist by whitened cosine, milliseconds.
    let plain = Query { hits: 5, ..Query::decoded(query) };
    show("whitened", &photos.search(&plain)?);

    // 5. The same with the neural second stage over the best 200.
    let reranked = Query { rerank: Some(Rerank::new("multiview")), ..plain };
    show("multiview", &photos.search(&reranked)?);
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
