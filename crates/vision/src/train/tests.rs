use super::gradient::{Labelled, Trainee};
use super::*;
use crate::architecture::{Architecture, Block, CnnConfig, Pooling, ResNetConfig, Stem, VitConfig};
use crate::compute::{ComputeConfig, Device};
use crate::pixels::Pixels;
use crate::seeded::seeded_weights;
use crate::weights::WeightsFormat;
use lookalike_kernels::Random32;

/// Bars: class 0 stands, class 1 lies, at a random place.
fn bars(count: usize) -> Vec<(Image, usize)> {
    let mut random = Random32::new(5);
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
    of_architecture(Architecture::ResNet(config))
}

/// Manifests of every architecture, and the epochs that each needs for the bars.
fn every_architecture() -> [(ModelManifest, usize); 4] {
    let vit = VitConfig::new(4, 2, 16, 2);
    let mean = VitConfig { pooling: Pooling::Mean, ..vit.clone() };
    [
        (manifest(), 6),
        (of_architecture(Architecture::Cnn(CnnConfig { widths: vec![4, 8], convolutions: 2 })), 6),
        (of_architecture(Architecture::Vit(vit)), 30),
        (of_architecture(Architecture::Vit(mean)), 30),
    ]
}

fn of_architecture(architecture: Architecture) -> ModelManifest {
    ModelManifest {
        name: "bars".to_owned(),
        architecture,
        channels: 1,
        height: 8,
        width: 8,
        classes: vec!["standing".to_owned(), "lying".to_owned()],
        normalisation: None,
    }
}

#[test]
fn every_architecture_learns_to_tell_two_classes_apart_and_keeps_it_in_a_file() {
    let images = bars(192);
    for (manifest, epochs) in every_architecture() {
        let config = TrainConfig { epochs, batch: 32, learning_rate: 0.05, ..TrainConfig::default() };
        let mut losses = Vec::new();
        let trained =
            train(&config, manifest.clone(), &images, &mut |progress| losses.push(progress.loss)).unwrap();
        assert_eq!(losses.len(), epochs);
        assert!(losses[epochs - 1] < losses[0] / 2.0, "{manifest:?}: the loss went {losses:?}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.safetensors");
        trained.save(&path, WeightsFormat::F16).unwrap();
        let model = crate::Model::open(&path, ComputeConfig::default()).unwrap();
        let batch: Vec<Pixels> = images.iter().map(|(image, _)| model.prepare(image)).collect();
        let logits = model.logits(&batch).unwrap();
        let right =
            logits.rows().zip(&images).filter(|(row, (_, class))| (row[1] > row[0]) == (*class == 1)).count();
        assert!(right * 100 >= images.len() * 95, "{manifest:?}: {right} of {} are right", images.len());
    }
}

/// A configuration with everything on that draws random numbers or remembers something.
fn busy(optimiser: Optimiser) -> TrainConfig {
    TrainConfig {
        epochs: 2,
        batch: 24,
        shard: 8,
        learning_rate: 0.01,
        optimiser,
        label_smoothing: 0.1,
        augmentation: Augmentation { crop_padding: 2, flip: true },
        clip: Some(1.0),
        ..TrainConfig::default()
    }
}

fn data(count: usize) -> TrainData {
    let images = TrainSet::of(&manifest(), &bars(count)).unwrap();
    TrainData { images: images.clone(), validation: Some(images.split(0.2, 1).1) }
}

#[test]
fn the_number_of_threads_does_not_change_the_weights() {
    let images = bars(96);
    let configs = [TrainConfig { epochs: 1, batch: 48, ..TrainConfig::default() }, busy(Optimiser::ADAMW)];
    for ((manifest, _), config) in
        every_architecture().into_iter().flat_map(|a| configs.clone().map(|c| (a.clone(), c)))
    {
        let weights = |threads: usize| {
            let config = TrainConfig { threads, ..config.clone() };
            let trained = train(&config, manifest.clone(), &images, &mut |_| ()).unwrap();
            trained.to_safetensors(WeightsFormat::F32).unwrap()
        };
        assert_eq!(weights(1), weights(3));
    }
}

/// Trains to the end, resuming from a checkpoint after each of the given numbers of steps.
fn interrupted(config: &TrainConfig, after: &[usize]) -> (Vec<u8>, Vec<EpochRecord>) {
    let mut training = Training::new(config.clone(), manifest(), data(60)).unwrap();
    for &steps in after {
        for _ in 0..steps {
            training.step().unwrap().unwrap();
        }
        let checkpoint = training.checkpoint().unwrap();
        training = Training::resume(config.clone(), manifest(), data(60), &checkpoint).unwrap();
    }
    while training.step().unwrap().is_some() {}
    let history = training.history().iter().map(|record| EpochRecord { seconds: 0.0, ..record.clone() });
    let history = history.collect();
    (training.into_trained().to_safetensors(WeightsFormat::F32).unwrap(), history)
}

#[test]
fn an_interrupted_training_ends_at_the_weights_of_an_uninterrupted_one() {
    for optimiser in [Optimiser::Sgd { momentum: 0.9, nesterov: true }, Optimiser::ADAMW] {
        let config = busy(optimiser);
        let whole = interrupted(&config, &[]);
        assert_eq!(whole.1.len(), 2);
        assert!(
            whole.1.iter().all(|epoch| epoch.validation.is_some_and(|v| v.images == 12)),
            "{:?}",
            whole.1
        );
        // In the middle of an epoch, at its end, and after the last step.
        assert_eq!(interrupted(&config, &[1]), whole);
        assert_eq!(interrupted(&config, &[0, 2, 1, 1]), whole);
    }
}

#[test]
fn a_checkpoint_of_another_training_is_refused_with_what_differs() {
    let config = busy(Optimiser::ADAMW);
    let mut training = Training::new(config.clone(), manifest(), data(60)).unwrap();
    training.step().unwrap();
    let checkpoint = training.checkpoint().unwrap();
    let refused = |config: TrainConfig, manifest: ModelManifest, data: TrainData| {
        Training::resume(config, manifest, data, &checkpoint).unwrap_err().to_string()
    };
    let rest = "; use the same, or begin anew in another folder";
    assert_eq!(
        refused(TrainConfig { batch: 32, ..config.clone() }, manifest(), data(60)),
        format!("the checkpoint was made with batch 24, this training has 32{rest}")
    );
    let flipped = Augmentation { flip: false, ..config.augmentation };
    assert_eq!(
        refused(TrainConfig { augmentation: flipped, ..config.clone() }, manifest(), data(60)),
        format!("the checkpoint was made with augmentation flip true, this training has false{rest}")
    );
    let other = ModelManifest { name: "beams".to_owned(), ..manifest() };
    assert_eq!(
        refused(config.clone(), other, data(60)),
        format!("the checkpoint was made with name \"bars\", this training has \"beams\"{rest}")
    );
    let line = refused(config.clone(), manifest(), data(61));
    assert!(line.starts_with("the checkpoint was made with images of digest "), "{line}");
    let threads = TrainConfig { threads: 2, ..config };
    Training::resume(threads, manifest(), data(60), &checkpoint).unwrap();
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused() {
    let config = busy(Optimiser::ADAMW);
    let training = Training::new(config.clone(), manifest(), data(60)).unwrap();
    let checkpoint = training.checkpoint().unwrap();
    let refused =
        |bytes: &[u8]| Training::resume(config.clone(), manifest(), data(60), bytes).unwrap_err().to_string();
    let cut = "the checkpoint is cut short or no checkpoint at all; remove it to begin anew";
    for length in [0, 7, 100, checkpoint.len() / 2, checkpoint.len() - 1] {
        assert_eq!(refused(&checkpoint[..length]), cut);
    }
    let mut changed = checkpoint.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(
        refused(&changed),
        "the checkpoint is damaged: its numbers cannot be right; remove it to begin anew"
    );
    let foreign = training.into_trained().to_safetensors(WeightsFormat::F32).unwrap();
    assert_eq!(refused(&foreign), "the file holds tensors, but is no checkpoint of a training");
}

#[test]
fn the_gradient_of_a_smoothed_loss_is_that_of_finite_differences() {
    let manifest = manifest();
    let weights = seeded_weights(&manifest, 3);
    let mut trainee = Trainee::new(&manifest, weights, Device::Cpu).unwrap();
    let images: Vec<Labelled> = bars(6)
        .iter()
        .map(|(image, class)| Labelled { pixels: Pixels::from_image(image, 1, 8, 8), class: *class })
        .collect();
    let shard: Vec<&Labelled> = images.iter().collect();
    let gradient = trainee.gradient(&shard, 0.3).unwrap();
    let sharp = trainee.gradient(&shard, 0.0).unwrap();
    assert!((gradient.loss - sharp.loss).abs() > 1e-3);

    // The head's weight and bias, which come last: the loss is smooth in them.
    let last = trainee.parameters.len() - 1;
    for (parameter, place) in [(last, 0), (last, 1), (last - 1, 5)] {
        let mut loss_at = |shift: f32| {
            trainee.parameters[parameter].values[place] += shift;
            let loss = trainee.gradient(&shard, 0.3).unwrap().loss;
            trainee.parameters[parameter].values[place] -= shift;
            loss
        };
        let slope = (loss_at(0.05) - loss_at(-0.05)) / 0.1;
        let found = gradient.values[parameter][place];
        assert!((slope - found).abs() < 2e-3, "{found} instead of {slope} at {parameter}, {place}");
    }
}

#[test]
fn the_loss_of_a_validation_set_is_its_cross_entropy() {
    let images = bars(40);
    let trained = train(&busy(Optimiser::ADAMW), manifest(), &images, &mut |_| ()).unwrap();
    let model = trained.to_model(WeightsFormat::F32, ComputeConfig::default()).unwrap();
    let set = TrainSet::of(&manifest(), &images).unwrap();
    let found = evaluate(&model, &set).unwrap();
    let pixels: Vec<Pixels> = images.iter().map(|(image, _)| model.prepare(image)).collect();
    let (mut loss, mut right) = (0.0, 0);
    for (row, (_, class)) in model.logits(&pixels).unwrap().rows().zip(&images) {
        let [this, other] = [row[*class], row[1 - class]].map(f64::from);
        loss += (1.0 + (other - this).exp()).ln() / 40.0;
        right += usize::from(this >= other);
    }
    assert_eq!((found.images, found.accuracy), (40, right as f64 / 40.0));
    assert!((found.loss - loss).abs() < 1e-9, "{} instead of {loss}", found.loss);
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

#[test]
fn images_of_another_size_are_refused() {
    let other = ModelManifest { width: 9, ..manifest() };
    let error = Training::new(TrainConfig::default(), other, data(70)).unwrap_err();
    assert!(matches!(error, TrainError::Shape { found: [1, 8, 8], expected: [1, 8, 9] }), "{error}");
    let crop = Augmentation { crop_padding: 8, flip: false };
    let config = TrainConfig { augmentation: crop, ..TrainConfig::default() };
    let error = Training::new(config, manifest(), data(70)).unwrap_err();
    assert_eq!(error.to_string(), "the training's crop padding is 8, expected 0 to 7");
}
