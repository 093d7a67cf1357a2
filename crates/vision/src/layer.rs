use std::fmt;
use std::ops::Range;

use crate::architecture::ResNetConfig;

/// One of the four stages of residual blocks, by torchvision's names. Every architecture that can be loaded has all
/// four: [`ResNetConfig::validate`] refuses a stage without a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The blocks right after the stem.
    Layer1,
    /// The second stage.
    Layer2,
    /// The third stage.
    Layer3,
    /// The blocks right before the features.
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

    /// Its blocks, counted through all stages of a network.
    pub(crate) fn blocks(self, config: &ResNetConfig) -> Range<usize> {
        let [first, second, third, fourth] = config.depths;
        let (before, depth) = match self {
            Self::Layer1 => (0, first),
            Self::Layer2 => (first, second),
            Self::Layer3 => (first + second, third),
            Self::Layer4 => (first + second + third, fourth),
        };
        before..before + depth
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
        let blocks = layers.map(|layer| layer.blocks(&ResNetConfig::resnet34()));
        assert_eq!(blocks, [0..3, 3..7, 7..13, 13..16]);
    }
}
