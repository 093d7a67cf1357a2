use std::fmt;
use std::ops::Range;

use crate::architecture::Architecture;

/// A quarter of a network's blocks, by torchvision's names for those of residual networks.
///
/// Of a residual network it is one of the four stages. The blocks of any other network are cut into four parts whose
/// lengths differ by one at most, the shorter ones first: of 12 blocks of a Vision Transformer three each. In a plain
/// convolutional network every convolution but the first is a block. A network of less than four blocks lacks the
/// first layers; asking for one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The first part, right after the stem.
    Layer1,
    /// The second part.
    Layer2,
    /// The third part.
    Layer3,
    /// The last part, right before the features.
    Layer4,
}

impl Layer {
    /// The names that requests use, in the order of the network.
    pub const NAMES: &'static [&'static str] = &["layer1", "layer2", "layer3", "layer4"];

    /// The layer of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Layer1, Self::Layer2, Self::Layer3, Self::Layer4]
            .into_iter()
            .find(|layer| layer.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layer1 => "layer1",
            Self::Layer2 => "layer2",
            Self::Layer3 => "layer3",
            Self::Layer4 => "layer4",
        }
    }

    /// Its blocks, counted through a whole network of `blocks`.
    pub(crate) fn blocks(self, architecture: &Architecture, blocks: usize) -> Range<usize> {
        let number = match self {
            Self::Layer1 => 0,
            Self::Layer2 => 1,
            Self::Layer3 => 2,
            Self::Layer4 => 3,
        };
        match architecture {
            Architecture::ResNet(config) => {
                let start = config.depths[..number].iter().sum();
                start..start + config.depths[number]
            }
            Architecture::Cnn(_) | Architecture::Vit(_) => blocks * number / 4..blocks * (number + 1) / 4,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{ResNetConfig, VitConfig};

    #[test]
    fn every_layer_is_found_by_its_name() {
        for name in Layer::NAMES {
            assert_eq!(Layer::from_name(name).map(Layer::name), Some(*name));
        }
        assert_eq!(Layer::from_name("layer5"), None);
    }

    #[test]
    fn layers_cut_the_blocks_of_a_network_without_gap() {
        let layers = [Layer::Layer1, Layer::Layer2, Layer::Layer3, Layer::Layer4];
        let blocks =
            |architecture: &Architecture, blocks| layers.map(|layer| layer.blocks(architecture, blocks));
        let resnet = Architecture::ResNet(ResNetConfig::resnet34());
        assert_eq!(blocks(&resnet, 16), [0..3, 3..7, 7..13, 13..16]);
        let vit = Architecture::Vit(VitConfig::tiny(16));
        assert_eq!(blocks(&vit, 12), [0..3, 3..6, 6..9, 9..12]);
        assert_eq!(blocks(&vit, 5), [0..1, 1..2, 2..3, 3..5]);
        assert_eq!(blocks(&vit, 2), [0..0, 0..1, 1..1, 1..2]);
    }
}
