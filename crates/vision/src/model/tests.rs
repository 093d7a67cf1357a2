use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use safetensors::SafeTensors;

use super::*;
use crate::architecture::{Architecture, Block, CnnConfig, Pooling, ResNetConfig, Stem, VitConfig};
use crate::compute::{Device, on_every_device};
use crate::manifest::Normalisation;
use crate::weights::WeightsFormat;
use lookalike_kernels::Random32;

fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name)
}

/// Golden tensors, the model they belong to, and the images of the golden exemplars; `None`, with the reason
/// printed, where the data is absent.
struct Golden {
    file: Vec<u8>,
    model: Model,
    exemplars: Vec<Pixels>,
}

impl Golden {
    fn load(compute: ComputeConfig) -> Option<Self> {
        let golden = shared("golden/mnist-resnet18.safetensors");
        let weights = shared("models/mnist-resnet18.safetensors");
        let images = shared("data/mnist/train-images-idx3-ubyte.gz");
        for path in [&golden, &weights, &images] {
            if !path.exists() {
                eprintln!("skipped: \"{}\" is absent", path.display());
                return None;
            }
        }
        let manifest = ModelManifest::infer(&weights, 28, 28).unwrap();
        let model = Model::load(manifest, &fs::read(weights).unwrap(), compute).unwrap();
        let file = fs::read(golden).unwrap();
        let mut idx = Vec::new();
        GzDecoder::new(File::open(images).unwrap()).read_to_end(&mut idx).unwrap();
        let exemplars = indices(&file, "exemplar_index").into_iter().map(|index| {
            let samples = idx[16 + index * 784..][..784].to_vec();
            model.prepare(&Image::new(28, 28, 1, samples).unwrap())
        });
        let exemplars = exemplars.collect();
        Some(Self { file, model, exemplars })
    }

    fn values(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.file).unwrap();
        let bytes = file.tensor(name).unwrap().data().to_vec();
        bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }
}

fn indices(file: &[u8], name: &str) -> Vec<usize> {
    let file = SafeTensors::deserialize(file).unwrap();
    let view = file.tensor(name).unwrap();
    view.data()
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| usize::try_from(i64::from_le_bytes(bytes)).unwrap())
        .collect()
}

/// Largest difference over the largest value.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(expected).fold(0.0f32, |error, (a, b)| error.max((a - b).abs()));
    error / largest
}

/// Of any network that is at hand: the shipped one, others with several widths of layers, and every architecture.
#[test]
fn an_image_has_the_same_row_in_a_batch_of_any_length() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/assets/glyphs.safetensors");
    let mut models = vec![Model::open(&shipped, ComputeConfig::default()).unwrap()];
    for (name, side) in [("mnist", 28), ("gtsrb", 32), ("cifar10", 32)] {
        let weights = shared(&format!("models/{name}-resnet18.safetensors"));
        if weights.exists() {
            let manifest = ModelManifest::infer(&weights, side, side).unwrap();
            models
                .push(Model::load(manifest, &fs::read(weights).unwrap(), ComputeConfig::default()).unwrap());
        } else {
            eprintln!("skipped: \"{}\" is absent", weights.display());
        }
    }
    let wider = [
        Architecture::Cnn(CnnConfig::small()),
        Architecture::Vit(VitConfig { depth: 2, ..VitConfig::tiny(8) }),
        Architecture::Vit(VitConfig { depth: 2, pooling: Pooling::Mean, ..VitConfig::tiny(4) }),
    ];
    let wider = wider.into_iter().map(|architecture| of_architecture(architecture, 3, [32, 32]));
    models.extend(wider.chain(every_architecture()).map(|manifest| Model::seeded(manifest, 6).unwrap()));
    for model in models {
        let batch = random_pixels(model.manifest(), 35);
        let all = model.features(&batch).unwrap();
        for length in [1, 2, 3, 5, 8, 31, 32, 33, 34] {
            let rows = model.features(&batch[35 - length..]).unwrap();
            let same = rows.rows().zip(all.rows().skip(35 - length)).all(|(a, b)| a == b);
            assert!(same, "{:?}: a batch of {length}", model.manifest());
        }
    }
}

#[test]
fn features_and_logits_agree_with_the_reference_on_every_device() {
    for compute in on_every_device() {
        let Some(golden) = Golden::load(compute) else { return };
        let device = compute.device;
        let features = golden.model.features(&golden.exemplars).unwrap();
        let logits = golden.model.logits(&golden.exemplars).unwrap();
        let (of_features, of_logits) = (
            relative_error(features.values(), &golden.values("features")),
            relative_error(logits.values(), &golden.values("logits")),
        );
        assert!(of_features < 1e-4, "{device}: features differ by {of_features}");
        assert!(of_logits < 1e-4, "{device}: logits differ by {of_logits}");
        for query in ["self", "dim", "noisy", "test"] {
            let image = Pixels::new(1, 28, 28, golden.values(&format!("{query}.image"))).unwrap();
            let features = golden.model.features(&[image]).unwrap();
            let error = relative_error(features.values(), &golden.values(&format!("{query}.features")));
            assert!(error < 1e-4, "{device}: features of query {query} differ by {error}");
        }
    }
}

/// The rows with the largest cosines to a row, without itself.
fn nearest(rows: &FeatureRows, of: usize, count: usize) -> Vec<usize> {
    let length = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
    let cosine = |at: usize| {
        let (a, b) = (rows.row(of), rows.row(at));
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / length(a) / length(b)
    };
    let mut others: Vec<(f32, usize)> =
        (0..rows.len()).filter(|&at| at != of).map(|at| (cosine(at), at)).collect();
    others.sort_by(|a, b| b.0.total_cmp(&a.0));
    others.into_iter().take(count).map(|(_, at)| at).collect()
}

#[test]
fn half_precision_finds_nearly_the_same_neighbours() {
    for compute in on_every_device().into_iter().filter(|compute| compute.device != Device::Cpu) {
        let Some(full) = Golden::load(compute) else { return };
        let Some(half) = Golden::load(ComputeConfig { precision: Precision::Bf16, ..compute }) else {
            return;
        };
        let (exact, found) =
            (full.model.features(&full.exemplars).unwrap(), half.model.features(&half.exemplars).unwrap());
        let error = relative_error(found.values(), exact.values());
        let shared = (0..exact.len()).map(|of| {
            let expected = nearest(&exact, of, 10);
            nearest(&found, of, 10).iter().filter(|at| expected.contains(at)).count()
        });
        let overlap = shared.sum::<usize>() as f32 / (10 * exact.len()) as f32;
        eprintln!("{}: {} rows, largest error {error}, overlap@10 {overlap}", compute.device, exact.len());
        assert!(error > 0.0 && error < 0.05, "{}: features differ by {error}", compute.device);
        assert!(overlap > 0.9, "{}: overlap {overlap}", compute.device);
        let gradient = |golden: &Golden| golden.model.pullback(&golden.exemplars[..2], &mut slopes).unwrap();
        assert_eq!(gradient(&half), gradient(&full), "gradients are in f32");
    }
}

fn tiny(stem: Stem, block: Block, channels: usize, side: usize) -> ModelManifest {
    let config = ResNetConfig { block, depths: [1, 1, 1, 1], stem, base_width: 4, wide: 1 };
    of_architecture(Architecture::ResNet(config), channels, [side, side + 2])
}

/// Small networks of every architecture.
fn every_architecture() -> impl Iterator<Item = ModelManifest> {
    let vit = VitConfig::new(4, 2, 12, 3);
    let others = [
        of_architecture(Architecture::Cnn(CnnConfig { widths: vec![4, 6, 8], convolutions: 1 }), 1, [9, 12]),
        of_architecture(Architecture::Cnn(CnnConfig { widths: vec![5], convolutions: 1 }), 3, [6, 5]),
        of_architecture(Architecture::Vit(vit.clone()), 1, [8, 12]),
        of_architecture(Architecture::Vit(VitConfig { pooling: Pooling::Mean, ..vit.clone() }), 3, [12, 8]),
        of_architecture(Architecture::Vit(VitConfig { patch: 1, mlp: 7, ..vit }), 1, [2, 3]),
    ];
    let resnets = [
        tiny(Stem::Imagenet, Block::Basic, 1, 10),
        tiny(Stem::Cifar, Block::Basic, 3, 10),
        tiny(Stem::Cifar, Block::Bottleneck, 1, 10),
    ];
    resnets.into_iter().chain(others)
}

fn of_architecture(
    architecture: Architecture,
    channels: usize,
    [height, width]: [usize; 2],
) -> ModelManifest {
    ModelManifest {
        name: "tiny".to_owned(),
        architecture,
        channels,
        height,
        width,
        classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        normalisation: None,
    }
}

fn seeded(manifest: &ModelManifest, seed: u64, compute: &ComputeConfig) -> Model {
    Model::build(manifest.clone(), &seeded_weights(manifest, seed), compute).unwrap()
}

fn random_pixels(manifest: &ModelManifest, count: usize) -> Vec<Pixels> {
    let mut random = Random32::new(11);
    let ModelManifest { channels, height, width, .. } = *manifest;
    let pixels = |_| {
        let values = (0..channels * height * width).map(|_| random.unit()).collect();
        Pixels::new(channels, height, width, values).unwrap()
    };
    (0..count).map(pixels).collect()
}

/// A loss whose gradient with respect to the logits is the same everywhere.
fn slopes(logits: &FeatureRows) -> Vec<f32> {
    (0..logits.values().len()).map(|at| 0.5 - 0.3 * (at % 5) as f32).collect()
}

fn loss(model: &Model, batch: &[Pixels]) -> f64 {
    let logits = model.logits(batch).unwrap();
    logits
        .values()
        .iter()
        .zip(slopes(&logits))
        .map(|(&logit, slope)| f64::from(logit) * f64::from(slope))
        .sum()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let everywhere = on_every_device()
        .into_iter()
        .flat_map(|compute| every_architecture().map(move |manifest| (compute, manifest)));
    for (compute, mut manifest) in everywhere {
        let channels = manifest.channels;
        manifest.normalisation = Some(Normalisation { mean: vec![0.4; channels], std: vec![0.5; channels] });
        let model = seeded(&manifest, 3, &compute);
        let batch = random_pixels(model.manifest(), 2);
        let (logits, gradients) = model.pullback(&batch, &mut slopes).unwrap();
        assert!(relative_error(logits.values(), model.logits(&batch).unwrap().values()) < 1e-5);
        let mut random = Random32::new(8);
        for _ in 0..5 {
            let mut direction: Vec<f32> = (0..batch[1].values().len()).map(|_| random.normal()).collect();
            let length = direction.iter().map(|way| way * way).sum::<f32>().sqrt();
            direction.iter_mut().for_each(|way| *way /= length);
            let along = |step: f32| {
                let mut moved = batch.clone();
                for (value, way) in moved[1].values_mut().iter_mut().zip(&direction) {
                    *value += step * way;
                }
                loss(&model, &moved)
            };
            let given: f64 = gradients[1]
                .values()
                .iter()
                .zip(&direction)
                .map(|(&g, &d)| f64::from(g) * f64::from(d))
                .sum();
            let scale: f64 = gradients[1].values().iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            // A step may cross the kink of a rectifier, and a short one drowns in rounding: one good step is proof.
            let errors = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4]
                .map(|step| ((along(step) - along(-step)) / f64::from(2.0 * step) - given).abs() / scale);
            assert!(
                errors.iter().any(|&error| error < 0.003),
                "{} {:?}: errors {errors:?}",
                compute.device,
                model.manifest()
            );
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for manifest in every_architecture() {
        let file = seeded_weights(&manifest, 1).to_file(WeightsFormat::F32).unwrap();
        let model = |threads| {
            let compute = ComputeConfig { threads, chunk: 4, ..ComputeConfig::default() };
            Model::load(manifest.clone(), &file, compute).unwrap()
        };
        let batch = random_pixels(&manifest, 21);
        let (one, three) = (model(1), model(3));
        assert_eq!(one.features(&batch).unwrap(), three.features(&batch).unwrap());
        assert_eq!(one.pullback(&batch, &mut slopes).unwrap(), three.pullback(&batch, &mut slopes).unwrap());
    }
}

#[test]
fn gradients_of_several_callers_at_once_are_those_of_one_alone() {
    for compute in on_every_device() {
        every_architecture().for_each(|manifest| callers_do_not_disturb_each_other(&manifest, &compute));
    }
}

fn callers_do_not_disturb_each_other(manifest: &ModelManifest, compute: &ComputeConfig) {
    let model = seeded(manifest, 2, compute);
    let images = random_pixels(model.manifest(), 4);
    let alone: Vec<_> = images.chunks(1).map(|image| model.pullback(image, &mut slopes).unwrap()).collect();
    let before = model.weights_digest().unwrap();
    std::thread::scope(|scope| {
        for (image, expected) in images.chunks(1).zip(&alone) {
            let model = &model;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(&model.pullback(image, &mut slopes).unwrap(), expected);
                }
            });
        }
    });
    assert_eq!(model.weights_digest().unwrap(), before);
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for compute in on_every_device() {
        let model = seeded(&tiny(Stem::Imagenet, Block::Bottleneck, 3, 16), 4, &compute);
        let images = random_pixels(model.manifest(), 40);
        let together = model.features(&images).unwrap();
        for at in [0, 31, 39] {
            let alone = model.features(&images[at..=at]).unwrap();
            assert!(relative_error(alone.row(0), together.row(at)) < 1e-5, "{}", compute.device);
        }
    }
}

#[test]
fn no_images_give_no_rows() {
    for manifest in every_architecture() {
        let model = Model::seeded(manifest, 0).unwrap();
        assert!(model.features(&[]).unwrap().is_empty());
        assert!(model.pullback(&[], &mut slopes).unwrap().1.is_empty());
    }
}

#[test]
fn an_input_of_the_wrong_shape_is_refused() {
    let model = Model::seeded(tiny(Stem::Cifar, Block::Basic, 1, 8), 0).unwrap();
    let wrong = Pixels::new(1, 8, 8, vec![0.0; 64]).unwrap();
    let error = model.features(&[wrong]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input 0 has shape [1, 8, 8], the model takes [1, 8, 10] (channels, height, width)"
    );
}

#[test]
fn an_overflowing_network_is_an_error_and_no_row() {
    for (compute, manifest) in
        on_every_device().into_iter().flat_map(|compute| every_architecture().map(move |m| (compute, m)))
    {
        let model = seeded(&manifest, 0, &compute);
        let ModelManifest { channels, height, width, .. } = *model.manifest();
        let huge = Pixels::new(channels, height, width, vec![f32::MAX; channels * height * width]).unwrap();
        let broken = model.features(&[huge]);
        assert!(matches!(broken, Err(ModelError::Output(RowsError::NotFinite { row: 0, .. }))));
    }
}

#[test]
fn weights_and_preprocessing_have_separate_fingerprints() {
    let manifest = tiny(Stem::Cifar, Block::Basic, 1, 8);
    let mut wider = manifest.clone();
    wider.width += 1;
    let model =
        |manifest: &ModelManifest, seed| Model::seeded(manifest.clone(), seed).unwrap().fingerprint().clone();
    let (first, again, other, wide) =
        (model(&manifest, 1), model(&manifest, 1), model(&manifest, 2), model(&wider, 1));
    assert_eq!(first, again);
    assert_ne!(first.weights, other.weights);
    assert_eq!(first.preprocessing, other.preprocessing);
    assert_eq!(first.weights, wide.weights);
    assert_ne!(first.preprocessing, wide.preprocessing);
}
