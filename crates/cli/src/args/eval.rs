//! What `lookalike eval` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::suite::SuiteName;
use super::{DatasetName, JudgeArgs, ManifestArgs};

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) command: EvalCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Ask queries under disturbances of many rankings, and write what they found; goes on where it was cut off
    Run(EvalRunArgs),
    /// Write the report of a finished run once more
    Report(EvalReportArgs),
    /// Show what changed between two runs
    Compare(EvalCompareArgs),
    /// Have the neighbours that two rankings found judged, by a model that sees or by what glyphs were drawn from
    Judge(JudgeArgs),
    /// Search the method's settings on queries that no test uses, and write the best as a preset
    Tune(EvalTuneArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lookalike eval run --dataset mnist --from data/mnist --model mnist-resnet18.safetensors --input 28x28 --out eval-mnist\n  \
    lookalike eval run --dataset glyphs --model builtin:glyphs --suite eleven --exemplars 2000 --out eval-glyphs\n  \
    lookalike eval run --train birds/train --test birds/test --model birds.safetensors --experiment mine.json --out eval-birds\n\n\
    The folder holds experiment.json, which --experiment takes as well: change a copy of it to ask something else.")]
pub(crate) struct EvalRunArgs {
    #[command(flatten)]
    pub(crate) subject: EvalSubjectArgs,
    /// Folder for the run: new, or one that was cut off
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The questions: paper, eleven, corruptions, ablations or attacks
    #[arg(long, default_value = "paper", conflicts_with = "experiment")]
    pub(crate) suite: SuiteName,
    /// Questions of your own, as JSON
    #[arg(long, value_name = "FILE.json")]
    pub(crate) experiment: Option<PathBuf>,
    /// A preset that `eval tune` wrote, which takes part as "tuned"
    #[arg(long, value_name = "FILE.json")]
    pub(crate) preset: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) numbers: EvalNumberArgs,
}

/// The images and the model.
#[derive(Debug, Args)]
pub(crate) struct EvalSubjectArgs {
    #[command(flatten)]
    pub(crate) images: EvalImageArgs,
    /// Weights with torchvision's tensor names, or "builtin:glyphs"
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

/// The images.
#[derive(Debug, Args)]
#[command(next_help_heading = "Images")]
pub(crate) struct EvalImageArgs {
    /// A data set
    #[arg(long, conflicts_with = "train")]
    pub(crate) dataset: Option<DatasetName>,
    /// The folder that holds the data set's files
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub(crate) from: Option<PathBuf>,
    /// Instead, folders whose sub-folders are labels, archives of such folders or .parquet tables: the exemplars
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    pub(crate) train: Vec<PathBuf>,
    /// The same for the queries of the protocol non-self
    #[arg(long, value_name = "SOURCE", num_args = 1.., requires = "train")]
    pub(crate) test: Vec<PathBuf>,
    /// Images of something else that are mixed in with the exemplars
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    pub(crate) ood: Vec<PathBuf>,
}

/// Numbers that stand for those of the suite.
#[derive(Debug, Args)]
#[command(next_help_heading = "Numbers in place of the suite's")]
pub(crate) struct EvalNumberArgs {
    /// Exemplars
    #[arg(long, value_name = "N")]
    pub(crate) exemplars: Option<usize>,
    /// Queries of each protocol
    #[arg(long, value_name = "N")]
    pub(crate) queries: Option<usize>,
    /// Seed of exemplars, queries and disturbances
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// How many seeds of triggers and fine-tuning the method runs with
    #[arg(long, value_name = "N")]
    pub(crate) trigger_seeds: Option<usize>,
    /// Neighbours that precision and overlap look at
    #[arg(long, value_name = "K")]
    pub(crate) neighbours: Option<usize>,
    /// Ask test images for images of their class too
    #[arg(long)]
    pub(crate) non_self: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "With the images of the run the report shows queries with their neighbours; without them it leaves those out."
)]
pub(crate) struct EvalReportArgs {
    /// The run's folder
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) images: EvalImageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EvalCompareArgs {
    /// The run to begin with
    pub(crate) before: PathBuf,
    /// The run to compare with it
    pub(crate) after: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lookalike eval tune --dataset mnist --from data/mnist --model mnist-resnet18.safetensors --input 28x28 --out tuned\n  \
    lookalike eval tune --sets sets.json --out tuned\n\n\
    Several data sets are a JSON list of objects with model and dataset or train, and where they are needed name, from,\n\
    manifest, input and classes, as on the command line; paths are relative to the working directory:\n  \
    [{\"dataset\": \"mnist\", \"from\": \"data/mnist\", \"model\": \"mnist-resnet18.safetensors\", \"input\": \"28x28\"},\n   \
    {\"dataset\": \"glyphs\", \"model\": \"builtin:glyphs\"}]")]
pub(crate) struct EvalTuneArgs {
    #[command(flatten)]
    pub(crate) images: EvalImageArgs,
    /// Weights with torchvision's tensor names, or "builtin:glyphs"
    #[arg(long, value_name = "FILE.safetensors", required_unless_present = "sets")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Instead, several data sets with their models, whose mean decides
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["dataset", "from", "train", "test", "ood", "model", "manifest", "input", "classes"])]
    pub(crate) sets: Option<PathBuf>,
    /// Folder for the search: new, or one that was cut off
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Settings that are tried, at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) trials: usize,
    /// Longest time of a query on any data set, in milliseconds; slower settings are not taken
    #[arg(long, value_name = "MS", default_value_t = 150.0)]
    pub(crate) most_milliseconds: f64,
    /// Exemplars of each data set
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) exemplars: usize,
    /// Queries of each data set, none of which an evaluation with the same seed asks while there are images for both
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) queries: usize,
    /// Seed of the search and of its images
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}
