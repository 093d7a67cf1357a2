//! What `lookalike view` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lookalike_tmm::Blend;

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    #[command(subcommand)]
    pub(crate) command: ViewCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ViewCommand {
    /// Keep another view, and make its rows of the images stored already
    Add(ViewAddArgs),
    /// Keep the two views that the default ranking was searched with: a trigger fitted to 256 images of the collection,
    /// and a random one
    Recommended(ViewRecommendedArgs),
    /// Make the rows that views lack
    Complete(ViewDbArgs),
    /// Show the views, with their rows
    List(ViewDbArgs),
    /// Keep a view no longer, and remove the rows that no view needs
    Drop(ViewDropArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ViewDbArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ViewRecommendedArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// Seed of both triggers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ViewAddArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// The view's name: lower-case letters, digits, - and _
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) kind: ViewKindArgs,
}

/// What a view does to an image.
#[derive(Debug, Args)]
pub(crate) struct ViewKindArgs {
    #[command(flatten)]
    pub(crate) one: OneViewKind,
    /// How the trigger is laid over the image
    #[arg(long, default_value = "as-printed", requires = "trigger")]
    pub(crate) blend: BlendName,
    /// The trigger's intensity, 0 to 1
    #[arg(long, default_value_t = 0.3, requires = "trigger")]
    pub(crate) omega: f32,
    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct OneViewKind {
    /// Lay this trigger over; "lookalike trigger fit" makes one
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) trigger: Option<PathBuf>,
    /// Blur with this standard deviation, in pixels of the model's input
    #[arg(long, value_name = "PIXELS")]
    pub(crate) blur: Option<f32>,
    /// Exchange left and right
    #[arg(long)]
    pub(crate) mirror: bool,
    /// Add the same noise, of this Euclidean length over all pixels of 0 to 1, to every image
    #[arg(long, value_name = "LENGTH")]
    pub(crate) noise: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BlendName {
    Convex,
    AsPrinted,
    Additive,
}

impl From<BlendName> for Blend {
    fn from(name: BlendName) -> Self {
        match name {
            BlendName::Convex => Self::Convex,
            BlendName::AsPrinted => Self::AsPrinted,
            BlendName::Additive => Self::Additive,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ViewDropArgs {
    /// The database's directory
    pub(crate) db: PathBuf,
    /// The view; without one only rows are removed that no view needs
    pub(crate) name: Option<String>,
}
