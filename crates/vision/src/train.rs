//! Making the weights of a small network from images.

mod gradient;
mod momentum;
mod trained;

use plugin_api::Image;

use crate::architecture::Architecture;
use crate::compute::{Chunks, ComputeConfig, Device, DeviceError};
use crate::manifest::{ManifestError, ModelManifest};
use crate::pixels::Pixels;
use crate::random::Random;
use crate::resnet::ResNet;
use crate::seeded::seeded_weights;
use gradient::{Labelled, Trainee};
use momentum::Momentum;

pub use trained::{SaveError, TrainedModel};

/// How a network is trained: stochastic gradient descent with momentum, a learning rate that rises over the first
/// tenth of the steps and falls to zero along a cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Times that every image is seen, at least 1.
    pub epochs: usize,
    /// Images in one update, at least 2.
    pub batch: usize,
    /// Highest learning rate, positive.
    pub learning_rate: f32,
    /// Share of the last update that is kept, in 0..1.
    pub momentum: f32,
    /// Pull of the kernels towards zero, not negative.
    pub weight_decay: f32,
    /// Decides the initial weights and the order of the images.
    pub seed: u64,
    /// Threads that share a batch; 0 takes all cores. The result does not depend on it.
    pub threads: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 6,
            batch: 64,
            learning_rate: 0.1,
            momentum: 0.9,
            weight_decay: 5e-4,
            seed: 0,
            threads: 0,
        }
    }
}

/// How an epoch went.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainProgress {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Mean cross entropy over the epoch, in nats.
    pub loss: f32,
    /// Share of the epoch's images that were classified as they are labelled, in 0..=1, by the weights of the
    /// moment that they were seen.
    pub accuracy: f32,
}

/// Images that one thread works on at a time, and over which normalisations take their statistics.
const SHARD: usize = 32;

/// Share of the steps in which the learning rate rises.
const WARM_UP: f32 = 0.1;

/// Trains a network of the manifest's architecture on `images`, each with its class, on the processor.
///
/// Calls `progress` after each epoch.
///
/// *Determinism:* the same configuration, manifest and images give the same weights, for any number of threads.
///
/// # Errors
///
/// [`TrainError`] when the configuration, the manifest or a class is out of range, when there are fewer images than
/// a batch takes, or when the loss stops being finite.
pub fn train(
    config: &TrainConfig,
    manifest: ModelManifest,
    images: &[(Image, usize)],
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<TrainedModel, TrainError> {
    config.validate()?;
    manifest.validate()?;
    let classes = manifest.classes.len();
    if images.len() < config.batch {
        return Err(TrainError::TooFew { found: images.len(), expected: config.batch });
    }
    if let Some(position) = images.iter().position(|(_, class)| *class >= classes) {
        return Err(TrainError::Class { position, found: images[position].1, classes });
    }
    let ModelManifest { channels, height, width, .. } = manifest;
    let examples: Vec<Labelled> = images
        .iter()
        .map(|(image, class)| Labelled {
            pixels: Pixels::from_image(image, channels, height, width),
            class: *class,
        })
        .collect();

    let Architecture::ResNet(architecture) = &manifest.architecture;
    let layers = ResNet::of(architecture, channels);
    let compute = ComputeConfig { device: Device::Cpu, threads: config.threads, chunk: SHARD };
    let chunks = Chunks::new(&compute, SHARD);
    let mut trainee = Trainee::new(&manifest, &layers, seeded_weights(&manifest, config.seed))?;
    let mut momentum = Momentum::new(config.momentum, config.weight_decay);
    let mut random = Random::new(config.seed ^ 0x0BAD_5EED);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    // The rest of an epoch that fills no batch is left out; the next epoch's order is another one.
    let batches = examples.len() / config.batch;
    for epoch in 0..config.epochs {
        random.shuffle(&mut order);
        let (mut loss, mut correct) = (0.0, 0);
        for (number, batch) in order.chunks_exact(config.batch).enumerate() {
            let batch: Vec<&Labelled> = batch.iter().map(|&at| &examples[at]).collect();
            let shards = chunks.map(balanced(&batch), |shard| trainee.gradient(shard))?;
            let merged = trainee.merge(shards);
            if !merged.loss.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1 });
            }
            loss += merged.loss;
            correct += merged.correct;
            let done = (epoch * batches + number) as f32 / (config.epochs * batches) as f32;
            momentum.update(&mut trainee, &merged, config.learning_rate * schedule(done));
        }
        let seen = (batches * config.batch) as f32;
        progress(TrainProgress {
            epoch: epoch + 1,
            epochs: config.epochs,
            loss: loss / batches as f32,
            accuracy: correct as f32 / seen,
        });
    }
    Ok(TrainedModel::new(manifest, trainee.into_weights()))
}

/// A batch cut into shards of about [`SHARD`] images whose lengths differ by at most one.
fn balanced<'a, 'b>(batch: &'a [&'b Labelled]) -> Vec<&'a [&'b Labelled]> {
    let shards = batch.len().div_ceil(SHARD);
    let (length, longer) = (batch.len() / shards, batch.len() % shards);
    let (long, short) = batch.split_at(longer * (length + 1));
    long.chunks(length + 1).chain(short.chunks(length)).collect()
}

/// The learning rate's factor at `done` of all steps, in 0..=1.
fn schedule(done: f32) -> f32 {
    if done < WARM_UP {
        (done / WARM_UP).max(0.01)
    } else {
        let fallen = (done - WARM_UP) / (1.0 - WARM_UP);
        0.5 * (1.0 + (std::f32::consts::PI * fallen).cos())
    }
}

impl TrainConfig {
    /// Whether it can be used.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |field: &'static str, right: bool| {
            if right { Ok(()) } else { Err(TrainError::Config { field }) }
        };
        check("epochs", self.epochs > 0)?;
        check("batch", self.batch > 1)?;
        check("learning rate", self.learning_rate.is_finite() && self.learning_rate > 0.0)?;
        check("momentum", (0.0..1.0).contains(&self.momentum))?;
        check("weight decay", self.weight_decay.is_finite() && self.weight_decay >= 0.0)
    }
}

/// Why a network cannot be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A number of the configuration is out of range.
    #[error("the training's {field} is out of range")]
    Config {
        /// Which number.
        field: &'static str,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The images do not fill a batch.
    #[error("{found} images do not fill a batch of {expected}; give more images or a smaller batch")]
    TooFew {
        /// Images given.
        found: usize,
        /// Images in a batch.
        expected: usize,
    },
    /// An image has a class that the manifest does not name.
    #[error("image {position} has class {found}, the manifest names {classes} classes")]
    Class {
        /// The image's place.
        position: usize,
        /// Its class.
        found: usize,
        /// Classes in the manifest.
        classes: usize,
    },
    /// The loss became infinite or NaN.
    #[error("the training's loss stopped being finite in epoch {epoch}; lower the learning rate")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
    },
    /// The backend did not give a tensor back.
    #[error("the device failed: {what}")]
    Backend {
        /// The backend's own words.
        what: String,
    },
}

#[cfg(test)]
mod tests;
