//! Making the weights of a network from labelled images.
//!
//! A [`Training`] goes on step by step, so that its owner decides when to look at it, when to keep a checkpoint and when
//! to stop; [`train`] runs one from its first step to its last.

mod augment;
mod checkpoint;
mod config;
mod error;
mod evaluation;
mod gradient;
mod optimiser;
mod set;
mod trained;
mod training;

use lookalike_plugin_api::Image;

use crate::manifest::ModelManifest;

pub use config::{
    Augmentation, MAX_BATCH, MAX_CLIP, MAX_CROP_PADDING, MAX_EPOCHS, MAX_LEARNING_RATE, MAX_WEIGHT_DECAY,
    Optimiser, Schedule, TrainConfig,
};
pub use error::{MAX_SET_BYTES, ResumeError, TrainError};
pub use evaluation::{Evaluation, evaluate};
pub use set::{TrainImage, TrainSet};
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

#[cfg(test)]
mod tests;
