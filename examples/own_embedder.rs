// A collection without any neural network: pictures whose colours are alike.
use std::sync::Arc;

use lookalike::plugin_api::{Digest, EmbedError};
use lookalike::{Budget, Database, Embedder, FeatureRows, Fingerprint, Image, Metric, Query};

struct ColourHistogram(Fingerprint);

impl Embedder for ColourHistogram {
    fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let mut rows = vec![0.0; images.len() * 64];
        for (image, row) in images.iter().zip(rows.chunks_exact_mut(64)) {
            for pixel in image.samples().chunks_exact(image.channels()) {
                let level = |channel| usize::from(pixel[channel % pixel.len()] / 64);
                row[16 * level(0) + 4 * level(1) + level(2)] += 1.0;
            }
        }
        FeatureRows::new(64, rows).map_err(EmbedError::new)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // They say which embedder made the rows: a database refuses another one. Change them with the embedder.
    let (model, weights) = ("colours 4x4x4".to_owned(), Digest::of([b"histogram 1".as_slice()]));
    let preprocessing = Digest::of([b"as stored".as_slice()]);
    let embedder = ColourHistogram(Fingerprint { model, weights, preprocessing, dimension: 64 });
    let database = Database::create_with("colours.db".as_ref(), Arc::new(embedder))?;
    let pictures = database.collection("main")?;
    let (options, budget) = (lookalike::IngestOptions::default(), Budget::unlimited());
    lookalike::ingest_folder(&pictures, "pictures".as_ref(), &options, &budget, &mut |_| {})?;
    let query = Query { metric: Metric::Cosine, ..Query::encoded(std::fs::read("query.png")?) };
    for hit in pictures.search(&query)?.hits {
        println!("{} {:.3}", hit.key, hit.stages[0].score);
    }
    Ok(())
}
