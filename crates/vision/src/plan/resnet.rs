use super::{ConvolutionSpec, Plan, PlannedBlock, Shortcut, Window};
use crate::architecture::{Block, ResNetConfig, Stem};

/// The max-pooling after the `imagenet` stem.
const POOL: Window = Window::centred(3, 2);

impl Plan {
    /// The layers of `config` for an input of `channels`.
    pub(crate) fn of_resnet(config: &ResNetConfig, channels: usize) -> Self {
        let (pool, window) = match config.stem {
            Stem::Imagenet => (Some(POOL), Window::centred(7, 2)),
            Stem::Cifar => (None, Window::centred(3, 1)),
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
        Self { stem, pool, blocks }
    }
}

fn block(config: &ResNetConfig, name: &str, inputs: usize, width: usize, stride: usize) -> PlannedBlock {
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
    let shortcut = if stride == 1 && inputs == outputs {
        Shortcut::Identity
    } else {
        Shortcut::Fitted(ConvolutionSpec {
            name: format!("{name}.downsample.0"),
            norm: format!("{name}.downsample.1"),
            inputs,
            outputs,
            window: Window::centred(1, stride),
        })
    };
    PlannedBlock { path, shortcut, pool: None }
}
