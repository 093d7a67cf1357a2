//! What `lookalike trigger` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lookalike_tmm::MOST_GLOBAL_IMAGES;

#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    #[command(subcommand)]
    pub(crate) command: TriggerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TriggerCommand {
    /// Fit a trigger to images of a collection, and keep it in a file
    Fit(TriggerFitArgs),
    /// Show what is in a trigger's file
    Show(TriggerShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TriggerFitArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Which trigger to make
    #[arg(long)]
    pub(crate) kind: TriggerKindName,
    /// Images of the collection to fit it to, a sample by the seed [default: 1024, or all if there are fewer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_GLOBAL_IMAGES as u64))]
    pub(crate) images: Option<u64>,
    /// Updates at most [default: 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) steps: Option<u32>,
    /// Learning rate, 1e-6 to 1 [default: 0.015]
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Seed of sample, first values and batches
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The file to write, which must not be there yet
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
}

/// Triggers that belong to no single query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TriggerKindName {
    /// Fitted to leave the model's answers for all images as they are
    Global,
    /// A checkerboard in the top left corner; nothing is fitted
    FixedPatch,
    /// The top left corner, fitted like global
    VariablePatch,
    /// Random values from the seed; nothing is fitted
    Random,
}

#[derive(Debug, Args)]
pub(crate) struct TriggerShowArgs {
    /// The trigger's file
    #[arg(value_name = "FILE.safetensors")]
    pub(crate) file: PathBuf,
    /// Write the trigger as an image to this file, which must not be there yet
    #[arg(long, value_name = "OUT.png")]
    pub(crate) png: Option<PathBuf>,
}
