//! Making the weights of a network from labelled images.
//!
//! A [`Training`] goes on step by step, so that its owner decides when to look at it, when to keep a checkpoint and when
//! to stop; [`train`] runs one from its first step to its last.

mod augment;
mod checkpoint;
mod config;
mod evaluation;
mod gradient;
mod optimiser;
mod set;
mod trained;
mod training;

use lookalike_plugin_api::Image;

use crate::compute::DeviceError;
use crate::manifest::{ManifestError, ModelManifest};
use crate::model::ModelError;

pub use checkpoint::ResumeError;
pub use config::{
    Augmentation, MAX_BATCH, MAX_CLIP, MAX_CROP_PADDING, MAX_EPOCHS, MAX_LEARNING_RATE, MAX_WEIGHT_DECAY,
    Optimiser, Schedule, TrainConfig,
};
pub use evaluation::{Evaluation, evaluate};
pub use set::{MAX_SET_BYTES, TrainImage, TrainSet};
pub use trained::{SaveError, TrainedModel};
pub use training::{EpochRecord, TrainData, TrainStep, Training};

/// Trains a network of the manifest's architecture on `images`, each with its class.
///
/// Calls `progress` after each epoch.
///
/// *Determinism:* as [`Training`].
///
/// # Errors
///
/// As [`Training::new`] and [`Training::step`].
pub fn train(
    config: &TrainConfig,
    manifest: ModelManifest,
    images: &[(Image, usize)],
    progress: &mut dyn FnMut(&EpochRecord),
) -> Result<TrainedModel, TrainError> {
    let data = TrainData { images: TrainSet::of(&manifest, images)?, validation: None };
    let mut training = Training::new(config.clone(), manifest, data)?;
    while let Some(step) = training.step()? {
        step.ended.iter().for_each(&mut *progress);
    }
    Ok(training.into_trained())
}

/// Why a network cannot be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A number of the configuration is out of range.
    #[error("the training's {field} is {found}, expected {range}")]
    Config {
        /// Which number.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is accepted.
        range: String,
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
    /// The images of a set are not of the size that is needed.
    #[error(
        "an image was prepared for {} x {} pixels of {} channels, the set has {} x {} of {}",
        found[2], found[1], found[0], expected[2], expected[1], expected[0]
    )]
    Shape {
        /// Channels, height and width of what was given.
        found: [usize; 3],
        /// Channels, height and width that are needed.
        expected: [usize; 3],
    },
    /// The images take too much memory.
    #[error(
        "{images} images of this size take more than the {} MiB that a set may hold; take fewer images or a smaller input",
        MAX_SET_BYTES >> 20
    )]
    Memory {
        /// Images in the set.
        images: u64,
    },
    /// The loss became infinite or NaN.
    #[error("the training's loss stopped being finite in epoch {epoch}; lower the learning rate")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
    },
    /// The trained network cannot be tried on the validation images.
    #[error("the network cannot be tried on the validation images")]
    Validation(#[source] Box<ModelError>),
    /// A checkpoint cannot be used or made.
    #[error(transparent)]
    Checkpoint(#[from] ResumeError),
    /// The backend did not give a tensor back.
    #[error("the device failed: {what}")]
    Backend {
        /// The backend's own words.
        what: String,
    },
}

#[cfg(test)]
mod tests;
