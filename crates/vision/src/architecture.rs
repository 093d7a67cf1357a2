mod cnn;
mod resnet;
mod telling;
mod vit;

use serde::{Deserialize, Serialize};

use self::telling::Telling;
use crate::plan::Plan;
use crate::vit::Layout;
use crate::weights::TensorSpec;

pub use cnn::{CnnConfig, MAX_CNN_CONVOLUTIONS, MAX_CNN_STAGES, MAX_CNN_WIDTH};
pub use resnet::{Block, MAX_BASE_WIDTH, MAX_DEPTH, MAX_WIDE, ResNetConfig, Stem};
pub use telling::ArchitectureError;
pub use vit::{MAX_PATCHES, MAX_VIT_DEPTH, MAX_VIT_MLP, MAX_VIT_WIDTH, Pooling, VitConfig};

/// The shape of a network, up to its input size. Its head is a single linear layer, whose input is the feature row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Architecture {
    /// A residual network.
    ResNet(ResNetConfig),
    /// A plain convolutional network.
    Cnn(CnnConfig),
    /// A Vision Transformer.
    Vit(VitConfig),
}

impl Architecture {
    /// Values in a feature row.
    pub fn features(&self) -> usize {
        match self {
            Self::ResNet(config) => config.features(),
            Self::Cnn(config) => config.features(),
            Self::Vit(config) => config.features(),
        }
    }

    /// Whether a network can be built from it.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        match self {
            Self::ResNet(config) => config.validate(),
            Self::Cnn(config) => config.validate(),
            Self::Vit(config) => config.validate(),
        }
    }

    /// Whether the network, itself valid, takes an input of `height` x `width` pixels. A residual network takes any.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError`] saying which sizes it takes.
    pub fn fits(&self, height: usize, width: usize) -> Result<(), ArchitectureError> {
        match self {
            Self::ResNet(_) => Ok(()),
            Self::Cnn(config) => config.fits(height, width),
            Self::Vit(config) => config.fits(height, width),
        }
    }

    /// The network, its input channels and its number of classes from the names and shapes of its tensors: in
    /// torchvision's naming for residual networks and Vision Transformers, as in [`CnnConfig`] for plain ones.
    ///
    /// Only the shapes that tell configurations apart are looked at; loading checks all of them.
    ///
    /// The number of a Vision Transformer's heads leaves no trace in any shape: it is that of the published network of
    /// the same width, 64 values a head or, where the width is 1,280, 16 heads. Weights of another width that 64 does not
    /// divide need a manifest, and so do those whose heads are unusual.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError`] when the tensors are those of no architecture, or do not tell its configuration.
    pub fn infer<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Result<(Self, usize, usize), ArchitectureError> {
        Self::infer_with_heads(tensors, None)
    }

    /// [`Architecture::infer`] where somebody knows the number of attention heads, which no shape tells.
    pub(crate) fn infer_with_heads<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
        heads: Option<usize>,
    ) -> Result<(Self, usize, usize), ArchitectureError> {
        let telling = Telling(tensors.into_iter().collect());
        if telling.has(telling::RESNET) {
            let (config, channels, classes) = ResNetConfig::told_by(&telling)?;
            Ok((Self::ResNet(config), channels, classes))
        } else if telling.has(telling::VIT) {
            let (config, channels, classes) = VitConfig::told_by(&telling, heads)?;
            Ok((Self::Vit(config), channels, classes))
        } else if telling.has(telling::CNN) {
            let (config, channels, classes) = CnnConfig::told_by(&telling)?;
            Ok((Self::Cnn(config), channels, classes))
        } else {
            Err(ArchitectureError::Unknown)
        }
    }

    /// The name of the last layer: its tensors are `NAME.weight` and `NAME.bias`.
    pub(crate) fn head_name(&self) -> &'static str {
        match self {
            Self::ResNet(_) | Self::Cnn(_) => "fc",
            Self::Vit(_) => "heads.head",
        }
    }

    /// The tensors of a weights file for an input of `channels` planes of `plane` (height, width), which
    /// [`Architecture::fits`], in the order of the network.
    pub(crate) fn tensors(&self, channels: usize, plane: [usize; 2], classes: usize) -> Vec<TensorSpec> {
        let mut tensors = match self {
            Self::ResNet(config) => Plan::of_resnet(config, channels).tensors(),
            Self::Cnn(config) => Plan::of_cnn(config, channels).tensors(),
            Self::Vit(config) => Layout::of(config, channels, plane).tensors(),
        };
        let head = self.head_name();
        let weight = vec![classes, self.features()];
        tensors.push(TensorSpec { name: format!("{head}.weight"), shape: weight });
        tensors.push(TensorSpec { name: format!("{head}.bias"), shape: vec![classes] });
        tensors
    }
}

#[cfg(test)]
mod tests;
