//! The arguments of `lookalike train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lookalike_vision::TrainConfig;

use super::validation::Validation;
use super::{DatasetName, SplitName};
use crate::args::typed::InputSize;

/// Glyphs to train on.
const DEFAULT_COUNT: u64 = 12_000;

/// Seed of glyphs, first weights and order. It is not the demonstration's, so that the network never saw what the
/// demonstration stores.
const DEFAULT_SEED: u64 = 1_000;

#[derive(Debug, Args)]
#[command(
    after_help = "Ctrl-C loses nothing but a few minutes: after every epoch, and every five minutes, the whole \
    state is written to DIR/checkpoint.safetensors, and the same command with --resume goes on to the very weights that \
    it would have reached. With the defaults the glyph network that this program ships with is made again, byte for \
    byte.\n\nExamples:\n  \
    lookalike train --out glyphs\n  \
    lookalike train --dataset mnist --from data/mnist --limit 20000 --epochs 3 --out digits\n  \
    lookalike train photos --input 64x64 --crop 6 --flip --val 0.2 --out birds"
)]
pub(crate) struct TrainArgs {
    /// Folders whose sub-folders are labels, .tar(.gz) archives of such folders, and .parquet tables
    #[arg(value_name = "SOURCE", conflicts_with = "dataset", requires = "input")]
    pub(crate) sources: Vec<PathBuf>,
    /// A data set instead of sources
    #[arg(long, default_value = "glyphs")]
    pub(crate) dataset: DatasetName,
    /// The folder that holds the data set's files
    #[arg(long, value_name = "DIR", conflicts_with = "sources")]
    pub(crate) from: Option<PathBuf>,
    /// Which part of the data set to learn
    #[arg(long, default_value = "train", conflicts_with = "sources")]
    pub(crate) split: SplitName,
    /// Folder for weights, manifest, training.json, curves.svg and the checkpoint
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The model's name, and that of its files [default: the data set's, or "model"]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Glyphs to draw, with --dataset glyphs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_COUNT)]
    pub(crate) count: u64,
    /// Learn so many images, chosen among all by the seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// What the network is tried on after each epoch: a share of the images like 0.1, which is not learnt then; "test" of
    /// the data set; a path; or "none" [default: test, of sources 0.1]
    #[arg(long, value_name = "SHARE|test|PATH|none")]
    pub(crate) val: Option<Validation>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) steps: StepArgs,
    /// Seed of glyphs, first weights, order and augmentation
    #[arg(long, value_name = "S", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// Go on from the checkpoint in the folder
    #[arg(long)]
    pub(crate) resume: bool,
    /// Write the weights in half precision, as those of glyphs always are
    #[arg(long)]
    pub(crate) half: bool,
}

/// What is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// The architecture [default: the shipped network's for glyphs, else resnet18]
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<ArchitectureName>,
    /// The layers before the first stage: imagenet shrinks the input four times, cifar keeps its size and takes sixteen
    /// times as long; residual networks only [default: imagenet]
    #[arg(long)]
    pub(crate) stem: Option<StemName>,
    /// Side of a patch of a Vision Transformer, in pixels [default: 4, of inputs above 64 pixels 16]
    #[arg(long, value_name = "PIXELS")]
    pub(crate) patch: Option<usize>,
    /// Height and width of the input [default: the data set's own]
    #[arg(long, value_name = "HxW")]
    pub(crate) input: Option<InputSize>,
    /// Channels of the input, 1 (grey) or 3 (colour) [default: the data set's own, of sources 3]
    #[arg(long, value_name = "N")]
    pub(crate) channels: Option<usize>,
    /// Let the network shift and scale its input by mean and deviation of the images that it learns
    #[arg(long)]
    pub(crate) normalise: bool,
}

/// How it is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct StepArgs {
    /// Passes over the images [default: 3 for glyphs, else 6]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// Images in one update
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch)]
    pub(crate) batch: usize,
    /// Images, at most, that one thread takes of a batch, and over which normalisations take their statistics
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().shard)]
    pub(crate) shard: usize,
    /// Highest learning rate [default: 0.02 for sgd, of glyphs 0.1; 0.001 for adamw]
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f32>,
    /// What makes an update of a gradient
    #[arg(long, default_value = "sgd")]
    pub(crate) optimiser: OptimiserName,
    /// Share of the last update that is kept, 0 to below 1: momentum of sgd, beta1 of adamw
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    pub(crate) momentum: f32,
    /// What becomes of the learning rate: one-cycle rises for a tenth of the steps and falls to zero, cosine only falls
    #[arg(long, default_value = "one-cycle")]
    pub(crate) schedule: ScheduleName,
    /// Pull of kernels and head towards zero, 0 to 1 [default: 0.0005 for sgd, 0.05 for adamw]
    #[arg(long, value_name = "DECAY")]
    pub(crate) weight_decay: Option<f32>,
    /// Share of a target that is spread over all classes, 0 to below 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) smoothing: f32,
    /// Cut the image out of itself with so many black pixels around, at a random place
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    pub(crate) crop: usize,
    /// Mirror every second image left to right; wrong for digits and signs
    #[arg(long)]
    pub(crate) flip: bool,
    /// Shorten gradients that are longer than this
    #[arg(long, value_name = "LENGTH")]
    pub(crate) clip: Option<f32>,
}

/// Architectures by the word that the command line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchitectureName {
    #[value(name = "resnet18")]
    ResNet18,
    #[value(name = "resnet34")]
    ResNet34,
    #[value(name = "resnet50")]
    ResNet50,
    #[value(name = "wide_resnet50_2")]
    WideResNet50,
    #[value(name = "glyph_net")]
    GlyphNet,
    #[value(name = "small_cnn")]
    SmallCnn,
    #[value(name = "vit_tiny")]
    VitTiny,
    #[value(name = "vit_small")]
    VitSmall,
    #[value(name = "vit_base")]
    VitBase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StemName {
    Imagenet,
    Cifar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimiserName {
    Sgd,
    Adamw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScheduleName {
    OneCycle,
    Cosine,
    Constant,
}
