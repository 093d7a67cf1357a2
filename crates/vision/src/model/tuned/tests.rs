use super::*;
use crate::architecture::{Architecture, Block, CnnConfig, Pooling, ResNetConfig, Stem, VitConfig};
use crate::compute::{ComputeConfig, on_every_device};
use crate::manifest::{ModelManifest, Normalisation};
use crate::seeded::seeded_weights;
use crate::weights::WeightsFormat;
use lookalike_kernels::Random32;

const LAYERS: [Layer; 4] = [Layer::Layer1, Layer::Layer2, Layer::Layer3, Layer::Layer4];

fn manifest(stem: Stem, block: Block, side: usize) -> ModelManifest {
    let config = ResNetConfig { block, depths: [1, 2, 1, 2], stem, base_width: 4, wide: 1 };
    of_architecture(Architecture::ResNet(config), side)
}

/// A network of every architecture that has all four layers, and the side of its input. A side of 28 behind the large
/// stem gives planes that are lowered densely, with weights in several places.
fn every_architecture() -> Vec<(ModelManifest, usize)> {
    let cnn = Architecture::Cnn(CnnConfig { widths: vec![4, 5, 6], convolutions: 2 });
    let vit = VitConfig::new(4, 5, 12, 3);
    let mean = VitConfig { pooling: Pooling::Mean, depth: 4, ..vit.clone() };
    vec![
        (manifest(Stem::Imagenet, Block::Basic, 28), 28),
        (manifest(Stem::Cifar, Block::Bottleneck, 9), 9),
        (of_architecture(cnn, 9), 9),
        (of_architecture(Architecture::Vit(vit), 8), 8),
        (of_architecture(Architecture::Vit(mean), 8), 8),
    ]
}

fn of_architecture(architecture: Architecture, side: usize) -> ModelManifest {
    ModelManifest {
        name: "tiny".to_owned(),
        architecture,
        channels: 1,
        height: side,
        width: side,
        classes: ["a", "b"].map(str::to_owned).to_vec(),
        normalisation: Some(Normalisation { mean: vec![0.4], std: vec![0.5] }),
    }
}

fn images(side: usize, count: usize) -> Vec<Pixels> {
    let mut random = Random32::new(23);
    let mut image = || Pixels::new(1, side, side, (0..side * side).map(|_| random.unit()).collect());
    (0..count).map(|_| image().expect("the values fill the shape")).collect()
}

/// The gradient, with respect to the features, of their sum with unequal weights.
fn cotangent(features: &FeatureRows) -> Vec<f32> {
    (0..features.values().len()).map(|at| 0.5 - 0.3 * (at % 5) as f32).collect()
}

fn loss(tuned: &TunedModel<'_>, batch: &[Pixels]) -> f64 {
    let features = tuned.features(batch).expect("the images fit");
    let terms = features.values().iter().zip(cotangent(&features));
    terms.map(|(&value, slope)| f64::from(value) * f64::from(slope)).sum()
}

#[test]
fn gradients_of_every_layer_agree_with_finite_differences() {
    let everywhere = on_every_device()
        .into_iter()
        .flat_map(|compute| every_architecture().into_iter().map(move |known| (compute, known)));
    for (compute, (manifest, side)) in everywhere {
        let model = Model::build(manifest.clone(), &seeded_weights(&manifest, 3), &compute).unwrap();
        let batch = images(side, 3);
        for layer in LAYERS {
            let tuned = model.tunable(layer).unwrap();
            let entries = tuned.entries(&batch).unwrap();
            let (features, slopes) = tuned.gradient(&entries, &mut cotangent).unwrap();
            assert_eq!(features.len(), 3);
            let scale = slopes.iter().map(|&slope| f64::from(slope).powi(2)).sum::<f64>().sqrt();
            let mut random = Random32::new(8);
            for _ in 0..5 {
                // Half along the gradient, so that the derivative is large, and half anywhere.
                let spread = (slopes.len() as f32).sqrt();
                let direction: Vec<f32> =
                    slopes.iter().map(|slope| slope / scale as f32 + random.normal() / spread).collect();
                let along = |step: f32| {
                    let mut moved = model.tunable(layer).unwrap();
                    moved.update(|weights| {
                        weights.iter_mut().zip(&direction).for_each(|(weight, way)| *weight += step * way);
                    });
                    loss(&moved, &batch)
                };
                let given: f64 =
                    slopes.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
                // A step may cross the kink of a rectifier, and a short one drowns in rounding: one good step is proof.
                let errors = [3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5]
                    .map(|step| ((along(step) - along(-step)) / f64::from(2.0 * step) - given).abs() / scale);
                assert!(
                    errors.iter().any(|&error| error < 0.003),
                    "{} {:?} {layer}: errors {errors:?}",
                    compute.device,
                    model.manifest()
                );
            }
        }
    }
}

#[test]
fn an_untouched_copy_gives_exactly_the_features_of_the_model() {
    for (manifest, side) in every_architecture() {
        let model = Model::seeded(manifest, 5).unwrap();
        let batch = images(side, 40);
        let expected = model.features(&batch).unwrap();
        for layer in LAYERS {
            let mut tuned = model.tunable(layer).unwrap();
            assert_eq!(tuned.features(&batch).unwrap(), expected, "{layer}");
            tuned.update(|_| ());
            assert_eq!(tuned.features(&batch).unwrap(), expected, "{layer}, written back");
        }
    }
}

#[test]
fn a_changed_copy_leaves_the_model_and_other_copies_as_they_are() {
    for (manifest, side) in every_architecture() {
        let model = Model::seeded(manifest, 5).unwrap();
        let batch = images(side, 2);
        let (digest, expected) = (model.weights_digest().unwrap(), model.features(&batch).unwrap());
        for layer in LAYERS {
            let other = model.tunable(layer).unwrap();
            let mut tuned = model.tunable(layer).unwrap();
            tuned.update(|weights| weights.iter_mut().for_each(|weight| *weight *= 1.5));
            assert_ne!(tuned.features(&batch).unwrap(), expected);
            assert_eq!(other.features(&batch).unwrap(), expected);
        }
        assert_eq!(model.weights_digest().unwrap(), digest);
        assert_eq!(model.features(&batch).unwrap(), expected);
    }
}

#[test]
fn what_a_layer_sees_does_not_depend_on_its_weights() {
    for (manifest, side) in every_architecture() {
        let model = Model::seeded(manifest, 5).unwrap();
        let batch = images(side, 3);
        let mut tuned = model.tunable(Layer::Layer3).unwrap();
        let entries = tuned.entries(&batch).unwrap();
        tuned.update(|weights| weights.fill(0.25));
        assert_eq!(tuned.entries(&batch).unwrap(), entries);
        let (features, _) = tuned.gradient(&entries, &mut cotangent).unwrap();
        let expected = tuned.features(&batch).unwrap();
        for (found, expected) in features.values().iter().zip(expected.values()) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit_of_a_gradient() {
    for (manifest, side) in every_architecture() {
        let file = seeded_weights(&manifest, 1).to_file(WeightsFormat::F32).unwrap();
        let gradient = |threads| {
            let compute = ComputeConfig { threads, chunk: 4, ..ComputeConfig::default() };
            let model = Model::load(manifest.clone(), &file, compute).unwrap();
            let tuned = model.tunable(Layer::Layer2).unwrap();
            tuned.gradient(&tuned.entries(&images(side, 13)).unwrap(), &mut cotangent).unwrap()
        };
        assert_eq!(gradient(1), gradient(3));
    }
}

#[test]
fn no_images_give_a_gradient_of_zero() {
    let model = Model::seeded(manifest(Stem::Cifar, Block::Basic, 9), 0).unwrap();
    let tuned = model.tunable(Layer::Layer1).unwrap();
    let (features, slopes) = tuned.gradient(&tuned.entries(&[]).unwrap(), &mut cotangent).unwrap();
    assert!(features.is_empty());
    assert_eq!(slopes, vec![0.0; tuned.weights().len()]);
}

#[test]
fn rows_of_another_layer_and_ragged_cotangents_are_refused() {
    let model = Model::seeded(manifest(Stem::Cifar, Block::Basic, 9), 0).unwrap();
    let [first, last] = [Layer::Layer1, Layer::Layer4].map(|layer| model.tunable(layer).unwrap());
    let entries = first.entries(&images(9, 1)).unwrap();
    assert_eq!(
        last.gradient(&entries, &mut cotangent).unwrap_err().to_string(),
        "rows have 324 values, \"layer4\" sees 144 of an image; make them with `TunedModel::entries`"
    );
    let ragged = first.gradient(&entries, &mut |_| vec![0.0; 3]);
    assert!(matches!(ragged, Err(ModelError::Cotangent { found: 3, expected: 32 })));
}

#[test]
fn a_layer_that_a_short_network_lacks_is_refused() {
    let vit = Architecture::Vit(VitConfig::new(4, 3, 12, 3));
    let model = Model::seeded(of_architecture(vit, 8), 0).unwrap();
    assert_eq!(
        model.tunable(Layer::Layer1).unwrap_err().to_string(),
        "the network has 3 blocks, none of which is \"layer1\"; fine-tune \"layer4\", or the head alone"
    );
    let one = Architecture::Cnn(CnnConfig { widths: vec![4], convolutions: 1 });
    let model = Model::seeded(of_architecture(one, 8), 0).unwrap();
    for layer in LAYERS {
        assert!(matches!(model.tunable(layer), Err(ModelError::NoLayer { blocks: 0, .. })));
    }
}

#[test]
fn weights_that_overflow_are_an_error_and_no_row() {
    let model = Model::seeded(manifest(Stem::Cifar, Block::Basic, 9), 0).unwrap();
    let mut tuned = model.tunable(Layer::Layer4).unwrap();
    tuned.update(|weights| weights.fill(f32::MAX));
    assert!(matches!(tuned.features(&images(9, 1)), Err(ModelError::Output(_))));
}
