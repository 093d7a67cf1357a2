//! What was typed. What it means is decided by each command.

mod datasets;
mod eval;
mod judge;
mod model;
pub(crate) mod ranking;
mod suite;
mod train;
mod trigger;
pub(crate) mod typed;
pub(crate) mod validation;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use lookalike_engine::{DuplicatePolicy, StoreConfig, WriteMode};
use lookalike_vision::{Device, Precision};
use serde::Deserialize;

use crate::args::ranking::Rankings;
use crate::args::typed::{Disturb, InputSize, Setting, Tag};

pub(crate) use datasets::{DatasetsArgs, DatasetsCommand, DatasetsFetchArgs, DatasetsVerifyArgs};
pub(crate) use eval::{
    EvalArgs, EvalCommand, EvalCompareArgs, EvalImageArgs, EvalNumberArgs, EvalReportArgs, EvalRunArgs,
    EvalTuneArgs,
};
pub(crate) use judge::{EndpointArgs, JudgeArgs, JudgeLimitArgs, MatchupArgs};
pub(crate) use model::{
    ModelArgs, ModelCheckArgs, ModelCommand, ModelImportArgs, ModelListArgs, ModelShowArgs,
};
pub(crate) use train::{ArchitectureName, NetworkArgs, OptimiserName, ScheduleName, StemName, TrainArgs};
pub(crate) use trigger::{TriggerArgs, TriggerCommand, TriggerFitArgs, TriggerKindName, TriggerShowArgs};
pub(crate) use view::{ViewArgs, ViewCommand, ViewDropArgs, ViewKindArgs, ViewRecommendedArgs};

const EXIT_CODES: &str = "Exit codes: 0 done, 1 nothing found, or by verify something wrong, 2 error.";

/// The collection that a command works on when none is named.
pub(crate) const DEFAULT_COLLECTION: &str = "main";

/// An image database whose neighbours survive noise.
///
/// A database is a directory with its own copy of the model that sees the images. Begin with "lookalike demo",
/// which needs nothing but this program.
#[derive(Debug, Parser)]
#[command(name = "lookalike", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Print one JSON object on standard output instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The collection to work on [default: main; what keeps the database in order takes all]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Where the network runs: flex, and with such a build libtorch or cuda:N
    #[arg(long, global = true, default_value = "flex")]
    pub(crate) device: Device,
    /// How exactly features are computed; bf16 takes another device than flex
    #[arg(long, global = true, default_value = "f32")]
    pub(crate) precision: PrecisionName,
    /// Threads for network and search; 0 takes all cores
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Log what happens to standard error; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// [`Precision`] by the word that the command line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    F32,
    Bf16,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
        }
    }
}

impl GlobalArgs {
    /// The collection of a command that works on one.
    pub(crate) fn collection(&self) -> &str {
        self.collection.as_deref().unwrap_or(DEFAULT_COLLECTION)
    }

    /// Refuses the name of a collection where a command can only take the whole database.
    pub(crate) fn ensure_whole(&self, command: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.collection.is_none(),
            "\"{command}\" takes the whole database; leave out --collection"
        );
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a database for a model
    Init(InitArgs),
    /// Store images: files, folders or a data set
    Ingest(IngestArgs),
    /// Find the neighbours of an image
    Search(SearchArgs),
    /// Show one exemplar, or write its image to a file
    Get(GetArgs),
    /// Delete exemplars
    Delete(DeleteArgs),
    /// Show sizes, labels and the model of a collection
    Stats(StatsArgs),
    /// List images that are nearly the same
    Duplicates(DuplicatesArgs),
    /// Offer the database over gRPC until interrupted
    Serve(ServeArgs),
    /// Check everything that is stored, and save what can be read of a damaged database
    Verify(VerifyArgs),
    /// Embed all images again by another model, or complete missing feature rows
    Rebuild(RebuildArgs),
    /// Go back to the model before the last rebuild
    Rollback(RollbackArgs),
    /// Give back the space of what was deleted and replaced
    Compact(CompactArgs),
    /// Write the whole database into one file
    Backup(BackupArgs),
    /// Make a database of a backup
    Restore(RestoreArgs),
    /// Bring a database of an older format to the present one
    Migrate(MigrateArgs),
    /// Write a collection as a Parquet file
    Export(ExportArgs),
    /// Store the images of a Parquet file
    Import(ImportArgs),
    /// Keep the images under further fixed transformations, for rankings that see more
    View(ViewArgs),
    /// Make triggers that many searches share, and look at them
    Trigger(TriggerArgs),
    /// Import models, measure them, and look at them
    Model(ModelArgs),
    /// Fetch the official files of data sets, or check those that are here
    Datasets(DatasetsArgs),
    /// Train a network on labelled images
    Train(TrainArgs),
    /// Measure rankings: which finds what under noise, and at what cost
    Eval(EvalArgs),
    /// Render glyphs, store them, search clean and disturbed ones, compare the rankings
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The database's directory: new or empty
    pub(crate) db: PathBuf,
    /// Weights with torchvision's tensor names, or "builtin:glyphs"
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

/// What weights do not say about their model.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// The model's manifest [default: the .json beside the weights, if there]
    #[arg(long, value_name = "FILE.json", requires = "model", conflicts_with_all = ["input", "classes"])]
    pub(crate) manifest: Option<PathBuf>,
    /// Height and width of the network's input when there is no manifest, for instance 28x28
    #[arg(long, value_name = "HxW", requires = "model")]
    pub(crate) input: Option<InputSize>,
    /// Names of the classes in the head's order, with --input [default: 0,1,2,...]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', requires = "input")]
    pub(crate) classes: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Image files, folders whose sub-folders are labels, .tar(.gz) archives of such folders, and .parquet tables
    #[arg(required_unless_present = "dataset", conflicts_with = "dataset")]
    pub(crate) paths: Vec<PathBuf>,
    /// A data set instead of paths
    #[arg(long)]
    pub(crate) dataset: Option<DatasetName>,
    /// The folder that holds the data set's files
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub(crate) from: Option<PathBuf>,
    /// Which part of the data set
    #[arg(long, default_value = "train", requires = "dataset")]
    pub(crate) split: SplitName,
    /// Stop after so many images
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Number of glyphs to draw, with --dataset glyphs
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) count: u64,
    /// Seed of the glyphs, with --dataset glyphs
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Text put in front of every key, for instance "holiday/"
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) prefix: String,
    /// One label for all images
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// A tag for all images; numbers become number tags. May be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    pub(crate) tags: Vec<Tag>,
    #[command(flatten)]
    pub(crate) storing: StoringArgs,
}

/// How images are stored.
#[derive(Debug, Args)]
pub(crate) struct StoringArgs {
    /// What becomes of an image whose very bytes are stored under another key
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    pub(crate) duplicates: DuplicatePolicyName,
    #[command(flatten)]
    pub(crate) write_mode: WriteModeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WriteModeArgs {
    /// When what is stored survives a crash: at once, after half a second at most, or at the end
    #[arg(long, value_name = "MODE", default_value = "immediate")]
    write_mode: WriteModeName,
}

impl WriteModeArgs {
    /// Settings for the store.
    pub(crate) fn config(&self) -> StoreConfig {
        let write_mode = match self.write_mode {
            WriteModeName::Immediate => WriteMode::Immediate,
            WriteModeName::Interval => WriteMode::Interval(INTERVAL),
            WriteModeName::Bulk => WriteMode::Bulk,
        };
        StoreConfig { write_mode, ..StoreConfig::default() }
    }
}

/// Longest time that a write in the mode `interval` is not durable.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WriteModeName {
    Immediate,
    Interval,
    Bulk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuplicatePolicyName {
    /// Store it like any other
    Keep,
    /// Leave it out and count it
    Skip,
    /// Refuse it and name the other key
    Refuse,
}

impl From<DuplicatePolicyName> for DuplicatePolicy {
    fn from(name: DuplicatePolicyName) -> Self {
        match name {
            DuplicatePolicyName::Keep => Self::Keep,
            DuplicatePolicyName::Skip => Self::Skip,
            DuplicatePolicyName::Refuse => Self::Refuse,
        }
    }
}

/// Data sets by the word that the command line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DatasetName {
    Mnist,
    Cifar10,
    Cifar100,
    Gtsrb,
    Svhn,
    Glyphs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    Train,
    Test,
    All,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lookalike search db query.png --hits 5\n  \
    lookalike search db query.png --rank all --html page.html\n  \
    lookalike search db mnist:test:17 --from data/mnist --disturb rotate=10 --rank whitened,multiview\n  \
    lookalike search db glyphs:1:42 --filter 'label != spiral and stroke_width >= 2'")]
pub(crate) struct SearchArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// An image file; or DATASET:SPLIT:INDEX with --from; or glyphs:SEED:INDEX
    pub(crate) image: String,
    /// The folder that holds the query's data set
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Spoil the query first: brightness=0.6, noise=5, saltpepper=0.05, shift=1,0, blur=1 or rotate=10
    #[arg(long, value_name = "KIND=SIZE")]
    pub(crate) disturb: Vec<Disturb>,
    /// Neighbours per ranking
    #[arg(long, value_name = "K", default_value_t = lookalike_engine::DEFAULT_HITS)]
    pub(crate) hits: usize,
    /// Rankings: l2, cosine, whitened, multiview, tmm (with --set mode=...), or all but tmm [default: whitened; with --html
    /// all]
    #[arg(long, value_name = "NAME,...")]
    pub(crate) rank: Option<Rankings>,
    /// Views whose whitened cosines are summed, for instance clean,soft; see "lookalike view list" [default: clean]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) views: Vec<String>,
    /// Candidates that multiview and tmm score, the best by the whitened metric
    #[arg(long, value_name = "M", default_value_t = lookalike_engine::DEFAULT_CANDIDATES)]
    pub(crate) shortlist: usize,
    /// Let them score everything that passes the filter
    #[arg(long, conflicts_with = "shortlist")]
    pub(crate) full: bool,
    /// A setting of multiview or tmm; an unknown name lists them all. May be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<Setting>,
    /// Which exemplars may be found, for instance 'label = 7 and split != test'
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// The query's label, if you know it
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Time that all rankings together may take
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time_limit: Option<f64>,
    /// Write a self-contained page that shows the neighbours
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// The exemplar's key
    pub(crate) key: String,
    /// Write the image, as it was stored, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Keys of the exemplars
    #[arg(required = true)]
    pub(crate) keys: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    pub(crate) listen: std::net::SocketAddr,
    #[command(flatten)]
    pub(crate) write_mode: WriteModeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DuplicatesArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Smallest cosine similarity of two images that are listed, 0 to 1
    #[arg(long, value_name = "S", default_value_t = 0.99)]
    pub(crate) threshold: f32,
    /// Pairs to list, the most similar first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) most: usize,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Make a new database in this directory of all that can be read, and leave this one as it is
    #[arg(long, value_name = "TARGET")]
    pub(crate) repair: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Interrupted at any point, the same command goes on where it was; until it is done, the old \
    rows are served. \"lookalike rollback\" goes back afterwards."
)]
pub(crate) struct RebuildArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Weights of the new model, or "builtin:glyphs"; without a manifest, input size, normalisation and class names are
    /// those of the model that serves the database [default: the database's own]
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Say what it would cost, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Give up a rebuild that was interrupted, and remove its rows
    #[arg(long, conflicts_with_all = ["model", "dry_run"])]
    pub(crate) abandon: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Remove rows and weights of the model before instead: there is no way back then
    #[arg(long)]
    pub(crate) drop: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// The file to write, which must not be there yet; "-" for standard output
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup; "-" for standard input
    pub(crate) file: PathBuf,
    /// The new database's directory: absent or empty
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// The file to write, which must not be there yet
    #[arg(value_name = "FILE.parquet")]
    pub(crate) file: PathBuf,
    /// Feature views to write beside the images
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "clean")]
    pub(crate) views: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// A file with images in its column "image"
    #[arg(value_name = "FILE.parquet")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) storing: StoringArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "lookalike-demo.html")]
    pub(crate) out: PathBuf,
    /// Keep the database in this new or empty directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Glyphs to store, at least 24
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(24..=1_000_000))]
    pub(crate) count: u64,
    /// Clean queries, and as many disturbed ones
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) queries: u64,
}
