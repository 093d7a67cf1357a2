//! What tells architectures apart by their tensors.

use std::collections::BTreeMap;

/// A tensor that residual networks have, and Vision Transformers and plain networks have not.
pub(super) const RESNET: &str = "conv1.weight";
/// The one of Vision Transformers.
pub(super) const VIT: &str = "conv_proj.weight";
/// The one of plain convolutional networks.
pub(super) const CNN: &str = "stages.0.0.conv.weight";

/// Checks that a number of the configuration is 1 to `most`.
pub(super) fn in_range(field: &'static str, found: usize, most: usize) -> Result<(), ArchitectureError> {
    if (1..=most).contains(&found) { Ok(()) } else { Err(ArchitectureError::Range { field, found, most }) }
}

/// The shapes of a file's tensors, asked for what tells a configuration.
pub(super) struct Telling<'a>(pub(super) BTreeMap<&'a str, &'a [usize]>);

impl Telling<'_> {
    /// The shape of a tensor, which must have `D` sides, none of them 0.
    pub(super) fn shape<const D: usize>(&self, name: &'static str) -> Result<[usize; D], ArchitectureError> {
        let shape = self.0.get(name).and_then(|&shape| <[usize; D]>::try_from(shape).ok());
        shape.filter(|shape| !shape.contains(&0)).ok_or(ArchitectureError::NotTold { name })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first side of a tensor's shape.
    pub(super) fn first_side(&self, name: &str) -> Option<usize> {
        self.0.get(name)?.first().copied()
    }

    /// How many of the names that `name` gives for 0, 1 and so on are there in a row, `most` + 1 at most.
    pub(super) fn count(&self, most: usize, name: impl Fn(usize) -> String) -> usize {
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
        RESNET,
        VIT,
        CNN
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
