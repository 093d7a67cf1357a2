mod cnn;
mod resnet;
mod vit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::vit::Layout;
use crate::weights::TensorSpec;

pub use cnn::{CnnConfig, MAX_CNN_CONVOLUTIONS, MAX_CNN_STAGES, MAX_CNN_WIDTH};
pub use resnet::{Block, MAX_BASE_WIDTH, MAX_DEPTH, MAX_WIDE, ResNetConfig, Stem};
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
        if telling.has(resnet::TELLING) {
            let (config, channels, classes) = ResNetConfig::told_by(&telling)?;
            Ok((Self::ResNet(config), channels, classes))
        } else if telling.has(vit::TELLING) {
            let (config, channels, classes) = VitConfig::told_by(&telling, heads)?;
            Ok((Self::Vit(config), channels, classes))
        } else if telling.has(cnn::TELLING) {
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

/// Checks that a number of the configuration is 1 to `most`.
fn in_range(field: &'static str, found: usize, most: usize) -> Result<(), ArchitectureError> {
    if (1..=most).contains(&found) { Ok(()) } else { Err(ArchitectureError::Range { field, found, most }) }
}

/// The shapes of a file's tensors, asked for what tells a configuration.
struct Telling<'a>(BTreeMap<&'a str, &'a [usize]>);

impl Telling<'_> {
    /// The shape of a tensor, which must have `D` sides, none of them 0.
    fn shape<const D: usize>(&self, name: &'static str) -> Result<[usize; D], ArchitectureError> {
        let shape = self.0.get(name).and_then(|&shape| <[usize; D]>::try_from(shape).ok());
        shape.filter(|shape| !shape.contains(&0)).ok_or(ArchitectureError::NotTold { name })
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first side of a tensor's shape.
    fn first_side(&self, name: &str) -> Option<usize> {
        self.0.get(name)?.first().copied()
    }

    /// How many of the names that `name` gives for 0, 1 and so on are there in a row, `most` + 1 at most.
    fn count(&self, most: usize, name: impl Fn(usize) -> String) -> usize {
        (0..=most).take_while(|&number| self.has(&name(number))).count()
    }
}

/// Why a network cannot be built, or not be told from its tensors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A number is out of range.
    #[error("the architecture has {field} {found}, 1 to {most} are accepted")]
    Range {
        /// Which number.
        field: &'static str,
        /// Its value.
        found: usize,
        /// The largest accepted value.
        most: usize,
    },
    /// The attention heads do not share the width evenly.
    #[error("{heads} attention heads do not share a width of {width} evenly; use a number that divides it")]
    Heads {
        /// Attention heads of a block.
        heads: usize,
        /// Values of a token.
        width: usize,
    },
    /// The input does not divide into patches.
    #[error(
        "an input of {width} x {height} pixels does not divide into patches of {patch} x {patch}; use sides that \
         are multiples of {patch}"
    )]
    Patch {
        /// Side of a patch.
        patch: usize,
        /// Rows of the input.
        height: usize,
        /// Columns of the input.
        width: usize,
    },
    /// Nothing of the input is left behind the pooling.
    #[error(
        "an input of {width} x {height} pixels is too small for {stages} stages; use sides of {least} or more"
    )]
    Small {
        /// Stages, each of which halves the sides of the one before.
        stages: usize,
        /// Rows of the input.
        height: usize,
        /// Columns of the input.
        width: usize,
        /// The smallest side that is taken.
        least: usize,
    },
    /// The tensors are those of no architecture.
    #[error(
        "the weights are those of no known architecture: they have none of the tensors \"{}\" (residual network), \
         \"{}\" (Vision Transformer) and \"{}\" (plain convolutional network)",
        resnet::TELLING,
        vit::TELLING,
        cnn::TELLING
    )]
    Unknown,
    /// A telling tensor is missing or has an unknown shape.
    #[error("tensor \"{name}\" is missing or of no known shape, so the architecture cannot be told")]
    NotTold {
        /// The tensor.
        name: &'static str,
    },
    /// The number of attention heads is no rule's for this width.
    #[error(
        "the attention heads of a network {width} wide cannot be told from its tensors; write a manifest"
    )]
    HeadsNotTold {
        /// Values of a token.
        width: usize,
    },
}

#[cfg(test)]
mod tests;
