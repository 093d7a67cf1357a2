//! The network: architectures, weights, preprocessing, devices, training.
//!
//! A [`Model`] is a classifier, backbone and [`Head`], loaded from a safetensors file with torchvision's tensor
//! names and the [`ModelManifest`] beside it. It turns [`Image`](plugin_api::Image)s into [`Pixels`], pixels into
//! feature rows or logits, and carries gradients of the logits back to the pixels. Its weights never change: who
//! fine-tunes one [`Layer`] gets a copy of that layer, a [`TunedModel`]. [`train()`] makes such a file from images.
//!
//! This is the only crate that names the tensor library and its backends. What it gives out is plain `f32`.
//!
//! What it does not do: it knows no trigger, no collection and no ranking, and chooses no device on its own.

mod architecture;
mod compute;
mod folding;
mod head;
mod layer;
mod lowering;
mod manifest;
mod model;
mod network;
mod pixels;
mod random;
mod resample;
mod resnet;
mod seeded;
mod train;
mod weights;

pub use architecture::{
    Architecture, ArchitectureError, Block, MAX_BASE_WIDTH, MAX_DEPTH, MAX_WIDE, ResNetConfig, Stem,
};
pub use compute::{ComputeConfig, DEFAULT_CHUNK, Device, DeviceError};
pub use head::{Head, HeadError};
pub use layer::Layer;
pub use manifest::{MAX_CLASSES, MAX_INPUT_SIDE, ManifestError, ModelManifest, Normalisation};
pub use model::{Model, ModelError, TunedModel};
pub use pixels::{Pixels, PixelsError};
pub use train::{SaveError, TrainConfig, TrainError, TrainProgress, TrainedModel, train};
pub use weights::{WeightsError, WeightsFormat};
