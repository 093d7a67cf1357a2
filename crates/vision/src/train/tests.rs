use super::*;
use crate::architecture::{Block, ResNetConfig, Stem};
use crate::weights::WeightsFormat;

/// Bars: class 0 stands, class 1 lies, at a random place.
fn bars(count: usize) -> Vec<(Image, usize)> {
    let mut random = Random::new(5);
    let bar = |number: usize| {
        let (class, place) = (number % 2, random.below(8));
        let lit = |at: usize| if class == 0 { at % 8 == place } else { at / 8 == place };
        let samples = (0..64).map(|at| if lit(at) { 200 } else { random.below(40) as u8 }).collect();
        (Image::new(8, 8, 1, samples).unwrap(), class)
    };
    (0..count).map(bar).collect()
}

fn manifest() -> ModelManifest {
    let config =
        ResNetConfig { block: Block::Basic, depths: [1, 1, 1, 1], stem: Stem::Cifar, base_width: 4, wide: 1 };
    ModelManifest {
        name: "bars".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: 8,
        width: 8,
        classes: vec!["standing".to_owned(), "lying".to_owned()],
        normalisation: None,
    }
}

#[test]
fn a_network_learns_to_tell_two_classes_apart_and_keeps_it_in_a_file() {
    let images = bars(192);
    let config = TrainConfig { epochs: 6, batch: 32, learning_rate: 0.05, ..TrainConfig::default() };
    let mut losses = Vec::new();
    let trained = train(&config, manifest(), &images, &mut |progress| losses.push(progress.loss)).unwrap();
    assert_eq!(losses.len(), 6);
    assert!(losses[5] < losses[0] / 2.0, "the loss went {losses:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bars.safetensors");
    trained.save(&path, WeightsFormat::F16).unwrap();
    let model = crate::Model::open(&path, ComputeConfig::default()).unwrap();
    let batch: Vec<Pixels> = images.iter().map(|(image, _)| model.prepare(image)).collect();
    let logits = model.logits(&batch).unwrap();
    let right =
        logits.rows().zip(&images).filter(|(row, (_, class))| (row[1] > row[0]) == (*class == 1)).count();
    assert!(right * 100 >= images.len() * 95, "{right} of {} are right", images.len());
}

#[test]
fn the_number_of_threads_does_not_change_the_weights() {
    let images = bars(96);
    let weights = |threads: usize| {
        let config = TrainConfig { epochs: 1, batch: 48, threads, ..TrainConfig::default() };
        let trained = train(&config, manifest(), &images, &mut |_| ()).unwrap();
        trained.to_safetensors(WeightsFormat::F32).unwrap()
    };
    assert_eq!(weights(1), weights(3));
}

#[test]
fn a_class_without_a_name_is_refused() {
    let mut images = bars(70);
    images[7].1 = 2;
    let error = train(&TrainConfig::default(), manifest(), &images, &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "image 7 has class 2, the manifest names 2 classes");
}

#[test]
fn too_few_images_are_refused() {
    let error = train(&TrainConfig::default(), manifest(), &bars(10), &mut |_| ()).unwrap_err();
    assert!(matches!(error, TrainError::TooFew { found: 10, expected: 64 }));
}
