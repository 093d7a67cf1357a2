//! Random32 weights.

use crate::architecture::Architecture;
use crate::manifest::ModelManifest;
use crate::vit::POSITIONS;
use crate::weights::{TensorSpec, VARIANCE, Weights};
use lookalike_kernels::Random32;

/// Deviation of the position table and the class token in a new Vision Transformer, as in timm.
const TOKEN_DEVIATION: f32 = 0.02;

/// Weights that keep the activations' scale: kernels and linear layers from a normal distribution, whose variance is 2
/// over the number of inputs where rectifiers follow and 1 over it in a Vision Transformer; normalisations that do
/// nothing.
pub(crate) fn seeded_weights(manifest: &ModelManifest, seed: u64) -> Weights {
    let gain = match manifest.architecture {
        Architecture::ResNet(_) | Architecture::Cnn(_) => 2.0,
        Architecture::Vit(_) => 1.0,
    };
    let mut random = Random32::new(seed);
    Weights::from_fn(&manifest.tensors(), |TensorSpec { name, shape }| {
        let count: usize = shape.iter().product();
        let mut normal = |deviation: f32| (0..count).map(|_| deviation * normal(&mut random)).collect();
        if name == "class_token" || name == POSITIONS {
            normal(TOKEN_DEVIATION)
        } else if shape.len() > 1 {
            normal((gain / shape[1..].iter().product::<usize>() as f32).sqrt())
        } else if name.ends_with(VARIANCE) || name.ends_with(".weight") {
            vec![1.0; count]
        } else {
            vec![0.0; count]
        }
    })
}

/// Mean 0, standard deviation 1 (Box and Muller), with the logarithm and cosine of the platform's library, whose last bits
/// may differ elsewhere: the shipped glyph network began with these.
fn normal(random: &mut Random32) -> f32 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f32::consts::TAU * random.unit()).cos()
}
