use safetensors::SafeTensorError;

use crate::compute::DeviceError;
use crate::manifest::ManifestError;
use crate::model::ModelError;

/// Most bytes of pixels that a [`TrainSet`](crate::TrainSet) holds: 4 GiB, which is all of CIFAR-10 twenty times, or 28,000 images of
/// 224 x 224 colour pixels.
pub const MAX_SET_BYTES: u64 = 4 << 30;

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

/// Version of the layout of a checkpoint.
pub(super) const CHECKPOINT_FORMAT: u32 = 1;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// No safetensors file, or a damaged one.
    #[error("the checkpoint is cut short or no checkpoint at all; remove it to begin anew")]
    File(#[source] SafeTensorError),
    /// A safetensors file of something else.
    #[error("the file holds tensors, but is no checkpoint of a training")]
    Foreign,
    /// Its description cannot be read.
    #[error("the checkpoint's description is damaged; remove it to begin anew")]
    Header(#[source] serde_json::Error),
    /// Another version of the layout.
    #[error(
        "the checkpoint has format {found}, this version reads {CHECKPOINT_FORMAT}; finish it with the version that made it"
    )]
    Format {
        /// The file's.
        found: u32,
    },
    /// A part of it is missing or wrong.
    #[error("the checkpoint is damaged: {what} cannot be right; remove it to begin anew")]
    Damaged {
        /// Which part.
        what: String,
    },
    /// It is one of another training.
    #[error(
        "the checkpoint was made with {what} {found}, this training has {expected}; use the same, or begin anew in another folder"
    )]
    Differs {
        /// Which setting.
        what: String,
        /// Its value in the checkpoint.
        found: String,
        /// Its value now.
        expected: String,
    },
}
