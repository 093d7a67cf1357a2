//! What `lookalike datasets` takes.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use lookalike_datasets::SOURCES;

#[derive(Debug, Args)]
pub(crate) struct DatasetsArgs {
    #[command(subcommand)]
    pub(crate) command: DatasetsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DatasetsCommand {
    /// Show where the official files are; this asks no network
    List,
    /// Fetch the official files of a data set over the network
    Fetch(DatasetsFetchArgs),
    /// Hold the files in a folder against the official sizes and digests
    Verify(DatasetsVerifyArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Interrupted at any point, the same command goes on where it was. A file gets its name only when its \
    digest is right. A proxy is taken from HTTPS_PROXY or ALL_PROXY."
)]
pub(crate) struct DatasetsFetchArgs {
    /// The data set
    #[arg(value_parser = names())]
    pub(crate) name: String,
    /// The folder for its files [default: data/NAME]
    pub(crate) folder: Option<PathBuf>,
    /// Fetch from URL/FILE instead of the official addresses; sizes and digests stay the official ones
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetsVerifyArgs {
    /// The data set
    #[arg(value_parser = names())]
    pub(crate) name: String,
    /// The folder with its files [default: data/NAME]
    pub(crate) folder: Option<PathBuf>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(SOURCES.iter().map(|source| source.name))
}
