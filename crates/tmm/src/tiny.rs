//! A network of a few thousand random weights, and images for it.

use lookalike_plugin_api::Image;
use lookalike_vision::{Architecture, Block, Model, ModelManifest, Pixels, ResNetConfig, Stem};

use crate::random::{Stream, seeded};

/// Three classes "a", "b", "c"; 8 x 8 grey pixels; 32 features.
pub(crate) fn model() -> Model {
    let block = Block::Basic;
    let config = ResNetConfig { block, depths: [1, 1, 1, 1], stem: Stem::Cifar, base_width: 4, wide: 1 };
    let manifest = ModelManifest {
        name: "tiny".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: 8,
        width: 8,
        classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        normalisation: None,
    };
    Model::seeded(manifest, 5).unwrap()
}

/// An image of random pixels.
pub(crate) fn image(seed: u64) -> Image {
    let mut random = seeded(seed, Stream::Positives);
    Image::new(8, 8, 1, (0..64).map(|_| random.below(256) as u8).collect()).unwrap()
}

/// Random values in 0..1.
pub(crate) fn pixels(seed: u64) -> Pixels {
    let mut random = seeded(seed, Stream::Trigger);
    Pixels::new(1, 8, 8, (0..64).map(|_| random.unit()).collect()).unwrap()
}
