//! Random weights.

use crate::architecture::Architecture;
use crate::manifest::ModelManifest;
use crate::random::Random;
use crate::resnet::ResNet;
use crate::weights::{TensorSpec, Weights, tensor_specs};

/// Weights that keep the activations' scale: kernels and head from a normal distribution of variance 2 over the
/// number of inputs, normalisations that do nothing.
pub(crate) fn seeded_weights(manifest: &ModelManifest, seed: u64) -> Weights {
    let Architecture::ResNet(config) = &manifest.architecture;
    let layers = ResNet::of(config, manifest.channels);
    let specs = tensor_specs(&layers, config.features(), manifest.classes.len());
    let mut random = Random::new(seed);
    Weights::from_fn(&specs, |TensorSpec { name, shape }| {
        let count: usize = shape.iter().product();
        if shape.len() > 1 {
            let deviation = (2.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
            (0..count).map(|_| deviation * random.normal()).collect()
        } else if name.ends_with("running_var") || (name.ends_with(".weight") && name != "fc.weight") {
            vec![1.0; count]
        } else {
            vec![0.0; count]
        }
    })
}
