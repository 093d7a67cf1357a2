//! What an import asks of an architecture. Everything else about networks stays with them.

use crate::architecture::{Architecture, ResNetConfig, Stem, VitConfig};
use crate::vit::POSITIONS;

/// Height and width of the input of a network that tensors of these names and shapes make: those of the position table,
/// or what the family is usually trained at.
pub(super) fn input<'a>(
    architecture: &Architecture,
    shapes: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> [usize; 2] {
    match architecture {
        Architecture::ResNet(ResNetConfig { stem: Stem::Imagenet, .. }) => [224; 2],
        Architecture::ResNet(ResNetConfig { stem: Stem::Cifar, .. }) | Architecture::Cnn(_) => [32; 2],
        Architecture::Vit(config) => square_input(config, shapes),
    }
}

/// The square input whose patches fill the position table; where none does, that of `ImageNet`.
fn square_input<'a>(
    config: &VitConfig,
    mut shapes: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> [usize; 2] {
    let positions = shapes.find(|(name, _)| *name == POSITIONS).and_then(|(_, shape)| shape.get(1).copied());
    let patches = positions.unwrap_or(0).saturating_sub(config.pooling.extra_tokens());
    let across = patches.isqrt();
    if across > 0 && across * across == patches { [across.saturating_mul(config.patch); 2] } else { [224; 2] }
}
