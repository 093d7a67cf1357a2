//! The network: architectures, weights, preprocessing, devices, training.
//!
//! A [`Model`] is a classifier, backbone and [`Head`], loaded from a safetensors file with torchvision's tensor
//! names and the [`ModelManifest`] beside it. It turns [`Image`](lookalike_plugin_api::Image)s into [`Pixels`], pixels into
//! feature rows or logits, and carries gradients of the logits back to the pixels. Its weights never change: who
//! fine-tunes one [`Layer`] gets a copy of that layer, a [`TunedModel`]. [`Training`] makes such a file from images.
//!
//! This is the only crate that names the tensor library and its backends. What it gives out is plain `f32`.
//!
//! What it does not do: it knows no trigger, no collection and no ranking, and chooses no device on its own.

mod architecture;
mod backbone;
mod checkpoint;
mod compute;
mod folding;
mod head;
mod layer;
mod limits;
mod lowering;
mod manifest;
mod model;
mod network;
mod number;
mod pixels;
mod plan;
mod resample;
mod seeded;
mod tables;
mod train;
mod vit;
mod weights;

pub use architecture::{
    Architecture, ArchitectureError, Block, CnnConfig, MAX_BASE_WIDTH, MAX_CNN_CONVOLUTIONS, MAX_CNN_STAGES,
    MAX_CNN_WIDTH, MAX_DEPTH, MAX_PATCHES, MAX_VIT_DEPTH, MAX_VIT_MLP, MAX_VIT_WIDTH, MAX_WIDE, Pooling,
    ResNetConfig, Stem, VitConfig,
};
pub use checkpoint::{
    Checkpoint, CheckpointError, CheckpointFault, CheckpointTensor, ImportOptions, ImportPlan, Imported,
};
pub use compute::{ComputeConfig, DEFAULT_CHUNK, Device, DeviceError, Precision};
pub use head::{Head, HeadError};
pub use layer::Layer;
pub use limits::MAX_INPUT_SIDE;
pub use manifest::{MAX_CLASSES, ManifestError, ModelManifest, Normalisation};
pub use model::{Model, ModelError, TunedModel};
pub use number::NumberType;
pub use pixels::{Pixels, PixelsError};
pub use train::{
    Augmentation, EpochRecord, Evaluation, MAX_BATCH, MAX_CLIP, MAX_CROP_PADDING, MAX_EPOCHS,
    MAX_LEARNING_RATE, MAX_SET_BYTES, MAX_WEIGHT_DECAY, Optimiser, ResumeError, SaveError, Schedule,
    TrainConfig, TrainData, TrainError, TrainImage, TrainSet, TrainStep, TrainedModel, Training, evaluate,
    train,
};
pub use weights::{WeightsError, WeightsFormat};
