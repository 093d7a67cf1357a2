//! What `lookalike model` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DatasetName, ManifestArgs, SplitName};
use crate::args::typed::InputSize;

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Make weights and manifest of a file that PyTorch, torchvision or timm saved; nothing in it is run
    Import(ModelImportArgs),
    /// Classify a labelled set: accuracy, speed, memory
    Check(ModelCheckArgs),
    /// Show the models in a database, and the collections that they serve
    List(ModelListArgs),
    /// Show manifest, tensors and identity of a model
    Show(ModelShowArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lookalike model import resnet18.pth --out models --input 32x32 --classes-file names.txt\n  \
    lookalike model import checkpoint.pt --out models/birds.safetensors --key ema --mean 0.485,0.456,0.406 \
    --std 0.229,0.224,0.225 --half\n  \
    lookalike model import checkpoint.pt --out models --dry-run\n\n\
    Exit codes: 0 done, 1 by --dry-run something missing or unused, 2 error.")]
pub(crate) struct ModelImportArgs {
    /// A state dict in .pt or .pth, or a .safetensors file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The weights to write, or a folder for NAME.safetensors; the manifest stands beside. Neither may be there yet
    #[arg(long, value_name = "DIR|FILE.safetensors")]
    pub(crate) out: PathBuf,
    /// The model's name [default: the file's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Names of the classes in the head's order [default: 0,1,2,...]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', conflicts_with = "classes_file")]
    pub(crate) classes: Vec<String>,
    /// The same from a file with one name a line
    #[arg(long, value_name = "FILE")]
    pub(crate) classes_file: Option<PathBuf>,
    /// Height and width of the network's input [default: 224x224, with the small stem 32x32]
    #[arg(long, value_name = "HxW")]
    pub(crate) input: Option<InputSize>,
    /// Attention heads of a Vision Transformer, where it is not the published one of its width
    #[arg(long, value_name = "N")]
    pub(crate) heads: Option<usize>,
    /// What was subtracted from pixels of 0 to 1 in training, per channel or once for all
    #[arg(
        long,
        value_name = "M,...",
        value_delimiter = ',',
        requires = "std",
        allow_negative_numbers = true
    )]
    pub(crate) mean: Vec<f32>,
    /// What they were divided by then
    #[arg(long, value_name = "S,...", value_delimiter = ',', requires = "mean")]
    pub(crate) std: Vec<f32>,
    #[arg(
        long,
        value_name = "KEY",
        help = "Where in the file the tensors are [default: the top, state_dict, model_state_dict, model, net or ema]"
    )]
    pub(crate) key: Option<String>,
    /// Write half precision
    #[arg(long)]
    pub(crate) half: bool,
    /// Leave out tensors that the network has no place for, instead of refusing the file
    #[arg(long)]
    pub(crate) allow_unused: bool,
    /// Read everything and say what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelCheckArgs {
    /// Weights with torchvision's tensor names, or "builtin:glyphs"
    #[arg(value_name = "FILE.safetensors")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Folders whose sub-folders are labels, .tar(.gz) archives of such folders, and .parquet tables
    #[arg(value_name = "SOURCE", required_unless_present = "dataset", conflicts_with = "dataset")]
    pub(crate) sources: Vec<PathBuf>,
    /// A data set instead
    #[arg(long)]
    pub(crate) dataset: Option<DatasetName>,
    /// The folder that holds the data set's files
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub(crate) from: Option<PathBuf>,
    /// Which part of the data set
    #[arg(long, default_value = "test", requires = "dataset")]
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
}

#[derive(Debug, Args)]
pub(crate) struct ModelListArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ModelShowArgs {
    /// Weights, or a database's directory for the model of its collection
    #[arg(value_name = "FILE|DB")]
    pub(crate) model: PathBuf,
}
