//! The binary `lookalike`: collections of images, searches, the gRPC server and the demonstration.
//!
//! This crate puts the others together: it chooses model, device and reranker, and is the only place that reads
//! the command line and the environment (`RUST_LOG`, `LOOKALIKE_JUDGE_KEY`). What a command does is done by the
//! libraries.

mod args;
mod commands;
mod ending;
mod model_files;
mod opened;
mod place;
mod remedy;
mod show;
mod source;
mod whole_file;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, GlobalArgs};
use crate::ending::Ending;
use crate::show::output::Output;

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
        Command::Init(args) => commands::init::run(args, global, output),
        Command::Ingest(args) => commands::ingest::run(args, global, output),
        Command::Search(args) => commands::search::run(args, global, output),
        Command::Get(args) => commands::get::run(args, global, output),
        Command::Delete(args) => commands::delete::run(args, global, output),
        Command::Stats(args) => commands::stats::run(args, global, output),
        Command::Duplicates(args) => commands::duplicates::run(args, global, output),
        Command::Serve(args) => commands::serve::run(args, global, output),
        Command::Verify(args) => commands::verify::run(args, global, output),
        Command::Rebuild(args) => commands::rebuild::run(args, global, output),
        Command::Rollback(args) => commands::rollback::run(args, global, output),
        Command::Compact(args) => commands::compact::run(args, global, output),
        Command::Backup(args) => commands::backup::run(args, global, output),
        Command::Restore(args) => commands::restore::run(args, global, output),
        Command::Migrate(args) => commands::migrate::run(args, global, output),
        Command::Export(args) => commands::export::run(args, global, output),
        Command::Import(args) => commands::import::run(args, global, output),
        Command::View(args) => commands::view::run(args, global, output),
        Command::Trigger(args) => commands::trigger::run(args, global, output),
        Command::Datasets(args) => commands::datasets::run(args, output),
        Command::Model(args) => commands::model::run(args, global, output),
        Command::Train(args) => commands::train::run(args, global, output),
        Command::Eval(args) => commands::eval::run(args, global, output),
        Command::Demo(args) => commands::demo::run(args, global, output),
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
