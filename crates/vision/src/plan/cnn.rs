use super::{ConvolutionSpec, Plan, PlannedBlock, Shortcut, Window};
use crate::architecture::CnnConfig;

/// The max-pooling between two stages.
const POOL: Window = Window::tile(2);

impl Plan {
    /// The layers of `config` for an input of `channels`: the first convolution is the stem, each other one a block.
    pub(crate) fn of_cnn(config: &CnnConfig, channels: usize) -> Self {
        let CnnConfig { ref widths, convolutions } = *config;
        let last = widths.len() * convolutions - 1;
        let unit = |number: usize| {
            let (stage, place) = (number / convolutions, number % convolutions);
            let spec = ConvolutionSpec {
                name: format!("stages.{stage}.{place}.conv"),
                norm: format!("stages.{stage}.{place}.bn"),
                inputs: if number == 0 { channels } else { widths[(number - 1) / convolutions] },
                outputs: widths[stage],
                window: Window::centred(3, 1),
            };
            let ends_stage = place + 1 == convolutions && number < last;
            (spec, ends_stage.then_some(POOL))
        };
        let (stem, pool) = unit(0);
        let block = |number| {
            let (spec, pool) = unit(number);
            PlannedBlock { path: vec![spec], shortcut: Shortcut::Absent, pool }
        };
        Self { stem, pool, blocks: (1..=last).map(block).collect() }
    }
}
