use serde::{Deserialize, Serialize};

use super::telling::{ArchitectureError, RESNET, Telling, in_range};

/// Largest [`ResNetConfig::base_width`].
pub const MAX_BASE_WIDTH: usize = 512;

/// Largest number of blocks in a stage.
pub const MAX_DEPTH: usize = 64;

/// Largest [`ResNetConfig::wide`].
pub const MAX_WIDE: usize = 8;

/// One residual network of the family, with torchvision's tensor names.
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
        for depth in self.depths {
            in_range("depth", depth, MAX_DEPTH)?;
        }
        in_range("base width", self.base_width, MAX_BASE_WIDTH)?;
        in_range("width factor", self.wide, MAX_WIDE)
    }

    /// The network, its input channels and its number of classes.
    pub(super) fn told_by(telling: &Telling<'_>) -> Result<(Self, usize, usize), ArchitectureError> {
        let (stem, base_width, channels) = match telling.shape(RESNET)? {
            [outputs, inputs, 7, 7] => (Stem::Imagenet, outputs, inputs),
            [outputs, inputs, 3, 3] => (Stem::Cifar, outputs, inputs),
            _ => return Err(ArchitectureError::NotTold { name: RESNET }),
        };
        let (block, wide) = if telling.has("layer1.0.conv3.weight") {
            let [inner, ..] = telling.shape::<4>("layer1.0.conv1.weight")?;
            (Block::Bottleneck, inner / base_width)
        } else {
            (Block::Basic, 1)
        };
        let depth = |stage| telling.count(MAX_DEPTH, |place| format!("layer{stage}.{place}.conv1.weight"));
        let config = Self { block, depths: [depth(1), depth(2), depth(3), depth(4)], stem, base_width, wide };
        config.validate()?;
        let [classes, _] = telling.shape("fc.weight")?;
        Ok((config, channels, classes))
    }
}
