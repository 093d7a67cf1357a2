//! The layers of a residual network, in the order of the forward pass, with torchvision's names.

use crate::architecture::{Block, ResNetConfig, Stem};

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

    /// Positions along a side of `length`; 0 when the window does not fit.
    pub(crate) fn positions(self, length: usize) -> usize {
        (length + 2 * self.padding).checked_sub(self.side).map_or(0, |room| room / self.stride + 1)
    }
}

/// The max-pooling after the `imagenet` stem.
pub(crate) const POOL: Window = Window::centred(3, 2);

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

/// A network cut into its stem and its residual blocks. `U` is what stands for one convolution: its description
/// here, its folded weights in a loaded model, its trained parameters during training.
#[derive(Debug, Clone)]
pub(crate) struct ResNet<U> {
    pub(crate) stem: U,
    /// Whether [`POOL`] follows the stem.
    pub(crate) pooled: bool,
    pub(crate) blocks: Vec<ResidualBlock<U>>,
}

/// Convolutions in a row, added to a shortcut.
#[derive(Debug, Clone)]
pub(crate) struct ResidualBlock<U> {
    pub(crate) path: Vec<U>,
    /// Fits the input to the output; `None` where they have the same shape.
    pub(crate) shortcut: Option<U>,
}

impl ResNet<ConvolutionSpec> {
    /// The layers of `config` for an input of `channels`.
    pub(crate) fn of(config: &ResNetConfig, channels: usize) -> Self {
        let (pooled, window) = match config.stem {
            Stem::Imagenet => (true, Window::centred(7, 2)),
            Stem::Cifar => (false, Window::centred(3, 1)),
        };
        let stem = ConvolutionSpec {
            name: "conv1".to_owned(),
            norm: "bn1".to_owned(),
            inputs: channels,
            outputs: config.base_width,
            window,
        };
        let mut inputs = config.base_width;
        let mut blocks = Vec::new();
        for (stage, &depth) in config.depths.iter().enumerate() {
            for place in 0..depth {
                let stride = if stage > 0 && place == 0 { 2 } else { 1 };
                let width = config.base_width << stage;
                let block = block(config, &format!("layer{}.{place}", stage + 1), inputs, width, stride);
                inputs = width * config.block.expansion();
                blocks.push(block);
            }
        }
        Self { stem, pooled, blocks }
    }
}

fn block(
    config: &ResNetConfig,
    name: &str,
    inputs: usize,
    width: usize,
    stride: usize,
) -> ResidualBlock<ConvolutionSpec> {
    let outputs = width * config.block.expansion();
    let convolution = |number: usize, inputs, outputs, window| ConvolutionSpec {
        name: format!("{name}.conv{number}"),
        norm: format!("{name}.bn{number}"),
        inputs,
        outputs,
        window,
    };
    let path = match config.block {
        Block::Basic => vec![
            convolution(1, inputs, outputs, Window::centred(3, stride)),
            convolution(2, outputs, outputs, Window::centred(3, 1)),
        ],
        Block::Bottleneck => {
            let inner = width * config.wide;
            vec![
                convolution(1, inputs, inner, Window::centred(1, 1)),
                convolution(2, inner, inner, Window::centred(3, stride)),
                convolution(3, inner, outputs, Window::centred(1, 1)),
            ]
        }
    };
    let shortcut = (stride != 1 || inputs != outputs).then(|| ConvolutionSpec {
        name: format!("{name}.downsample.0"),
        norm: format!("{name}.downsample.1"),
        inputs,
        outputs,
        window: Window::centred(1, stride),
    });
    ResidualBlock { path, shortcut }
}

impl<U> ResNet<U> {
    /// All convolutions in the order of torchvision's files: a block's shortcut after its path.
    pub(crate) fn units(&self) -> impl Iterator<Item = &U> {
        let in_blocks = self.blocks.iter().flat_map(|block| block.path.iter().chain(&block.shortcut));
        std::iter::once(&self.stem).chain(in_blocks)
    }

    /// The same network with each convolution replaced, in the order of the forward pass: a block's shortcut
    /// before its path. `convert` gets the side lengths `[height, width]` of the plane that the convolution sees
    /// and gives those of the plane it puts out.
    pub(crate) fn convert<V>(
        &self,
        input: [usize; 2],
        mut convert: impl FnMut(&U, [usize; 2]) -> (V, [usize; 2]),
    ) -> ResNet<V> {
        let (stem, mut plane) = convert(&self.stem, input);
        if self.pooled {
            plane = plane.map(|length| POOL.positions(length));
        }
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let shortcut = block.shortcut.as_ref().map(|unit| convert(unit, plane).0);
            let mut path = Vec::with_capacity(block.path.len());
            for unit in &block.path {
                let (converted, after) = convert(unit, plane);
                path.push(converted);
                plane = after;
            }
            blocks.push(ResidualBlock { path, shortcut });
        }
        ResNet { stem, pooled: self.pooled, blocks }
    }
}
