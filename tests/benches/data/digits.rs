//! The digits and the network of the benchmarks, beside the project.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lookalike_datasets::{SampleImage, Split, mnist};
use lookalike_plugin_api::Image;
use lookalike_vision::{ComputeConfig, Model, ModelManifest};

pub(crate) struct Digits {
    pub(crate) model: Arc<Model>,
    /// With their keys.
    pub(crate) images: Vec<(String, Image)>,
}

/// The model, and the first training images: as many as the command line says, else all. `None`, with
/// the reason printed, where they are absent.
#[expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
pub(crate) fn load() -> Option<Digits> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let (data, weights) = (shared.join("data/mnist"), shared.join("models/mnist-resnet18.safetensors"));
    if !data.exists() || !weights.exists() {
        println!("skipped: {} or {} is absent", data.display(), weights.display());
        return None;
    }
    let limit = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(60_000);
    let manifest = ModelManifest::infer(&weights, 28, 28).expect("weights of a ResNet");
    let bytes = fs::read(&weights).expect("readable weights");
    let model = Arc::new(Model::load(manifest, &bytes, ComputeConfig::default()).expect("a model"));
    let images = mnist(&data, Split::Train)
        .expect("MNIST")
        .take(limit)
        .map(|sample| sample.expect("a digit"))
        .map(|sample| match sample.image {
            SampleImage::Decoded(image) => (sample.key, image),
            SampleImage::Encoded(_) | SampleImage::File(_) => unreachable!("IDX holds pixels"),
        })
        .collect();
    Some(Digits { model, images })
}
