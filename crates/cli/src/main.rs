//! The binary `lookalike`: collections of images, searches, the gRPC server and the demonstration.
//!
//! This crate puts the others together: it chooses model, device and reranker, and is the only place that reads
//! the command line and the environment (`RUST_LOG`, `LOOKALIKE_JUDGE_KEY`). What a command does is done by the
//! libraries.

mod answer;
mod args;
mod backup;
mod compact;
mod datasets;
mod delete;
mod demo;
mod duplicates;
mod ending;
mod eval;
mod export;
mod get;
mod html;
mod import;
mod ingest;
mod init;
mod judge;
mod migrate;
mod model;
mod model_files;
mod opened;
mod output;
mod place;
mod progress;
mod ranking;
mod rebuild;
mod remedy;
mod repair;
mod restore;
mod rollback;
mod search;
mod serve;
mod source;
mod stats;
mod train;
mod trigger;
mod typed;
mod verify;
mod view;
mod whole_file;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, GlobalArgs};
use crate::ending::Ending;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::NothingFound | Ending::SomethingWrong) => ExitCode::from(1),
        // Whoever read the output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            // Nothing can be done if standard error is gone too.
            let _written = writeln!(io::stderr(), "lookalike: {line}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Ending> {
    prepare(&cli.global)?;
    let (global, output) = (&cli.global, Output::new(cli.global.json));
    match &cli.command {
        Command::Init(args) => init::run(args, global, output),
        Command::Ingest(args) => ingest::run(args, global, output),
        Command::Search(args) => search::run(args, global, output),
        Command::Get(args) => get::run(args, global, output),
        Command::Delete(args) => delete::run(args, global, output),
        Command::Stats(args) => stats::run(args, global, output),
        Command::Duplicates(args) => duplicates::run(args, global, output),
        Command::Serve(args) => serve::run(args, global, output),
        Command::Verify(args) => verify::run(args, global, output),
        Command::Rebuild(args) => rebuild::run(args, global, output),
        Command::Rollback(args) => rollback::run(args, global, output),
        Command::Compact(args) => compact::run(args, global, output),
        Command::Backup(args) => backup::run(args, global, output),
        Command::Restore(args) => restore::run(args, global, output),
        Command::Migrate(args) => migrate::run(args, global, output),
        Command::Export(args) => export::run(args, global, output),
        Command::Import(args) => import::run(args, global, output),
        Command::View(args) => view::run(args, global, output),
        Command::Trigger(args) => trigger::run(args, global, output),
        Command::Datasets(args) => datasets::run(args, output),
        Command::Model(args) => model::run(args, global, output),
        Command::Train(args) => train::run(args, global, output),
        Command::Eval(args) => eval::run(args, global, output),
        Command::Demo(args) => demo::run(args, global, output),
    }
}

/// Logging and the thread pool of the whole process.
fn prepare(global: &GlobalArgs) -> anyhow::Result<()> {
    let level = match global.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    // The store's engine logs its own recovery in words that only its authors understand.
    let default = format!("{level},sled=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    rayon::ThreadPoolBuilder::new().num_threads(global.threads).build_global()?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
