//! The layers of a convolutional network, in the order of the forward pass, with the names of their tensors.

mod cnn;
mod resnet;

use crate::weights::TensorSpec;

/// A square window that slides over a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) side: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Window {
    /// A window whose padding keeps a plane's size at stride 1.
    const fn centred(side: usize, stride: usize) -> Self {
        Self { side, stride, padding: side / 2 }
    }

    /// A window that covers a plane without overlap and without padding.
    pub(crate) const fn tile(side: usize) -> Self {
        Self { side, stride: side, padding: 0 }
    }

    /// Positions along a side of `length`; 0 when the window does not fit.
    pub(crate) fn positions(self, length: usize) -> usize {
        (length + 2 * self.padding).checked_sub(self.side).map_or(0, |room| room / self.stride + 1)
    }
}

/// A convolution without bias and the batch normalisation after it.
#[derive(Debug, Clone)]
pub(crate) struct ConvolutionSpec {
    /// The convolution's name: its tensor is `NAME.weight`.
    pub(crate) name: String,
    /// The normalisation's name: its tensors are `NAME.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub(crate) norm: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) window: Window,
}

/// A network cut into its stem and its blocks.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) stem: ConvolutionSpec,
    /// The max-pooling after the stem.
    pub(crate) pool: Option<Window>,
    pub(crate) blocks: Vec<PlannedBlock>,
}

/// Convolutions in a row, with a rectifier after each.
#[derive(Debug, Clone)]
pub(crate) struct PlannedBlock {
    pub(crate) path: Vec<ConvolutionSpec>,
    /// Added before the last rectifier.
    pub(crate) shortcut: Shortcut<ConvolutionSpec>,
    /// The max-pooling after the block.
    pub(crate) pool: Option<Window>,
}

/// What a block adds to the end of its path. `U` is what stands for one convolution.
#[derive(Debug, Clone)]
pub(crate) enum Shortcut<U> {
    /// Nothing.
    Absent,
    /// The block's input as it is.
    Identity,
    /// The block's input, fitted to the shape of the output.
    Fitted(U),
}

impl<U> Shortcut<U> {
    /// The convolution on the way.
    pub(crate) fn unit(&self) -> Option<&U> {
        match self {
            Self::Absent | Self::Identity => None,
            Self::Fitted(unit) => Some(unit),
        }
    }
}

impl Plan {
    /// The tensors of all convolutions and normalisations in the order of torchvision's files: a block's shortcut
    /// after its path.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let in_blocks = self.blocks.iter().flat_map(|block| block.path.iter().chain(block.shortcut.unit()));
        let mut tensors = Vec::new();
        for unit in std::iter::once(&self.stem).chain(in_blocks) {
            let shape = vec![unit.outputs, unit.inputs, unit.window.side, unit.window.side];
            tensors.push(TensorSpec { name: format!("{}.weight", unit.name), shape });
            for part in ["weight", "bias", "running_mean", "running_var"] {
                tensors.push(TensorSpec { name: format!("{}.{part}", unit.norm), shape: vec![unit.outputs] });
            }
        }
        tensors
    }
}
