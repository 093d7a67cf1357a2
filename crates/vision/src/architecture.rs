use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Largest [`ResNetConfig::base_width`].
pub const MAX_BASE_WIDTH: usize = 512;

/// Largest number of blocks in a stage.
pub const MAX_DEPTH: usize = 64;

/// Largest [`ResNetConfig::wide`].
pub const MAX_WIDE: usize = 8;

/// The shape of a network, up to its input size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Architecture {
    /// A residual network.
    ResNet(ResNetConfig),
}

/// One residual network of the family. The head is a single linear layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// What a residual block is made of.
    pub block: Block,
    /// Blocks in each of the four stages, at least 1 each.
    pub depths: [usize; 4],
    /// The layers before the first stage.
    pub stem: Stem,
    /// Channels of the first stage; each following stage doubles them.
    pub base_width: usize,
    /// Factor on the inner width of bottleneck blocks: 2 in the wide networks, else 1.
    pub wide: usize,
}

/// What a residual block is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Two 3 x 3 convolutions.
    Basic,
    /// 1 x 1, 3 x 3 and 1 x 1 convolutions; the last one has four times the channels.
    Bottleneck,
}

impl Block {
    /// Channels that a block puts out per channel of its stage.
    pub fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// The layers before the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7 x 7 convolution of stride 2, then 3 x 3 max-pooling of stride 2: the input shrinks four times.
    Imagenet,
    /// 3 x 3 convolution of stride 1: the input keeps its size.
    Cifar,
}

impl ResNetConfig {
    /// 18 layers, 512 features.
    pub fn resnet18() -> Self {
        Self { block: Block::Basic, depths: [2, 2, 2, 2], stem: Stem::Imagenet, base_width: 64, wide: 1 }
    }

    /// 34 layers, 512 features.
    pub fn resnet34() -> Self {
        Self { depths: [3, 4, 6, 3], ..Self::resnet18() }
    }

    /// 50 layers, 2,048 features.
    pub fn resnet50() -> Self {
        Self { block: Block::Bottleneck, ..Self::resnet34() }
    }

    /// 50 layers with inner widths doubled, 2,048 features.
    pub fn wide_resnet50_2() -> Self {
        Self { wide: 2, ..Self::resnet50() }
    }

    /// The small network of the embedded demonstration: 10 layers, 128 features, about 310,000 weights.
    pub fn glyph_net() -> Self {
        Self { depths: [1, 1, 1, 1], base_width: 16, ..Self::resnet18() }
    }

    /// Values in a feature row.
    pub fn features(&self) -> usize {
        self.base_width * 8 * self.block.expansion()
    }
}

impl ResNetConfig {
    /// Whether a network can be built from it.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError::Range`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        let check = |field: &'static str, found: usize, most: usize| {
            if (1..=most).contains(&found) {
                Ok(())
            } else {
                Err(ArchitectureError::Range { field, found, most })
            }
        };
        for depth in self.depths {
            check("depth", depth, MAX_DEPTH)?;
        }
        check("base width", self.base_width, MAX_BASE_WIDTH)?;
        check("width factor", self.wide, MAX_WIDE)
    }

    /// The network, its input channels and its number of classes from the names and shapes of its tensors, in
    /// torchvision's naming.
    ///
    /// Only the shapes that tell configurations apart are looked at; loading checks all of them.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError`] when a telling tensor is missing or has a shape that no network of the family has.
    pub fn infer<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Result<(Self, usize, usize), ArchitectureError> {
        let shapes: BTreeMap<&str, &[usize]> = tensors.into_iter().collect();
        let shape = |name: &'static str| shapes.get(name).copied().ok_or(ArchitectureError::NotTold { name });
        let (stem, base_width, channels) = match *shape("conv1.weight")? {
            [outputs, inputs, 7, 7] => (Stem::Imagenet, outputs, inputs),
            [outputs, inputs, 3, 3] => (Stem::Cifar, outputs, inputs),
            _ => return Err(ArchitectureError::NotTold { name: "conv1.weight" }),
        };
        let (block, wide) = if shapes.contains_key("layer1.0.conv3.weight") {
            match *shape("layer1.0.conv1.weight")? {
                [inner, ..] if base_width > 0 => (Block::Bottleneck, inner / base_width),
                _ => return Err(ArchitectureError::NotTold { name: "layer1.0.conv1.weight" }),
            }
        } else {
            (Block::Basic, 1)
        };
        let depth = |stage: usize| {
            (0..=MAX_DEPTH)
                .take_while(|place| {
                    shapes.contains_key(format!("layer{stage}.{place}.conv1.weight").as_str())
                })
                .count()
        };
        let config = Self { block, depths: [depth(1), depth(2), depth(3), depth(4)], stem, base_width, wide };
        config.validate()?;
        match *shape("fc.weight")? {
            [classes, _] => Ok((config, channels, classes)),
            _ => Err(ArchitectureError::NotTold { name: "fc.weight" }),
        }
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
    /// A telling tensor is missing or has an unknown shape.
    #[error(
        "tensor \"{name}\" is missing or of no known shape, so the weights are not those of a residual network"
    )]
    NotTold {
        /// The tensor.
        name: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resnet::ResNet;
    use crate::weights::tensor_specs;

    #[test]
    fn every_configuration_is_told_from_its_tensors() {
        let small = ResNetConfig {
            stem: Stem::Cifar,
            base_width: 4,
            depths: [1, 2, 3, 1],
            ..ResNetConfig::resnet18()
        };
        for config in [
            ResNetConfig::resnet18(),
            ResNetConfig::resnet34(),
            ResNetConfig::resnet50(),
            ResNetConfig::wide_resnet50_2(),
            ResNetConfig::glyph_net(),
            small,
        ] {
            let specs = tensor_specs(&ResNet::of(&config, 3), config.features(), 7);
            let shapes = specs.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice()));
            assert_eq!(ResNetConfig::infer(shapes), Ok((config, 3, 7)));
        }
    }

    #[test]
    fn networks_have_the_published_numbers_of_weights() {
        let weights = |config: &ResNetConfig| -> usize {
            let specs = tensor_specs(&ResNet::of(config, 3), config.features(), 1000);
            let learned = specs.iter().filter(|spec| !spec.name.contains("running"));
            learned.map(|spec| spec.shape.iter().product::<usize>()).sum()
        };
        assert_eq!(weights(&ResNetConfig::resnet18()), 11_689_512);
        assert_eq!(weights(&ResNetConfig::resnet34()), 21_797_672);
        assert_eq!(weights(&ResNetConfig::resnet50()), 25_557_032);
        assert_eq!(weights(&ResNetConfig::wide_resnet50_2()), 68_883_240);
    }

    #[test]
    fn tensors_of_something_else_are_refused() {
        let error = ResNetConfig::infer([("embed.weight", &[3usize, 4][..])]).unwrap_err();
        assert_eq!(error, ArchitectureError::NotTold { name: "conv1.weight" });
    }
}
