//! What a training came to, for people and for `training.json`.

use std::fmt::Write;
use std::time::Duration;

use lookalike_vision::{EpochRecord, Evaluation, TrainConfig};
use serde::Serialize;

use crate::commands::stats::ModelReport;
use crate::show::output::{Report, bytes, grouped, span, visible};

/// All numbers of a training. While it is under way there is no [`Outcome`] yet.
#[derive(Debug, Serialize)]
pub(super) struct TrainReport {
    pub(super) name: String,
    /// Images that are learnt, and their digest: pixels, classes and order.
    pub(super) images: u64,
    pub(super) data_digest: String,
    pub(super) classes: usize,
    pub(super) config: TrainConfig,
    pub(super) device: String,
    pub(super) epochs: Vec<EpochRecord>,
    #[serde(flatten)]
    pub(super) outcome: Option<Outcome>,
}

/// What is known at the end.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Of the weights as they were written, with their precision.
    pub(super) validation: Option<Evaluation>,
    /// Since the command began; of a training that was resumed, since then.
    pub(super) seconds: f64,
    pub(super) weights: String,
    pub(super) weights_bytes: u64,
    pub(super) model: ModelReport,
}

impl Report for TrainReport {
    fn text(&self) -> String {
        let Some(outcome) = &self.outcome else { return String::new() };
        let mut text = outcome.validation.map_or_else(String::new, |validation| {
            format!(
                "{:.2} % of {} validation images are classified rightly\n",
                validation.accuracy * 100.0,
                grouped(validation.images as u64)
            )
        });
        // Writing to a string cannot fail.
        let _written = write!(
            text,
            "wrote {} ({}), and beside it the manifest, training.json and curves.svg, in {}\nmodel {}\n",
            visible(&outcome.weights),
            bytes(outcome.weights_bytes),
            span(outcome.seconds),
            outcome.model.line()
        );
        text
    }
}

/// How an epoch went, in one line.
pub(super) fn epoch_line(record: &EpochRecord, epochs: usize, rate: f64, left: Duration) -> String {
    let mut line = format!(
        "epoch {} of {epochs}: loss {:.4}, accuracy {:.2} %",
        record.epoch,
        record.loss,
        record.accuracy * 100.0
    );
    if let Some(validation) = &record.validation {
        let _written = write!(
            line,
            "; validation loss {:.4}, accuracy {:.2} %",
            validation.loss,
            validation.accuracy * 100.0
        );
    }
    let _written = write!(line, "; {rate:.0} images/s");
    if !left.is_zero() {
        let _written = write!(line, ", {} left", span(left.as_secs_f64()));
    }
    line
}
