//! `lookalike restore`: a database from what `lookalike backup` wrote.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use lookalike::{RestoreReport, StoreConfig, restore};
use serde::Serialize;

use crate::Ending;
use crate::args::{GlobalArgs, RestoreArgs};
use crate::backup::STREAM;
use crate::output::{Output, Report, bytes, things, visible};
use crate::progress::Progress;

pub(crate) fn run(args: &RestoreArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    global.ensure_whole("restore")?;
    anyhow::ensure!(
        args.db.file_name().is_some(),
        "{} has no name of its own; restore into a new directory",
        args.db.display()
    );
    let report = if args.file.as_os_str() == STREAM {
        anyhow::ensure!(!io::stdin().is_terminal(), "a backup is expected on standard input; give a file");
        read(io::stdin().lock(), &args.db, None)
    } else {
        let failed = || format!("backup {} cannot be read", args.file.display());
        let file = File::open(&args.file).with_context(failed)?;
        let length = file.metadata().with_context(failed)?.len();
        read(BufReader::new(file), &args.db, Some(length))
    };
    let report = report.with_context(|| format!("{} cannot be restored", args.file.display()))?;
    output.report(&RestoreOutcome {
        database: args.db.display().to_string(),
        file: args.file.display().to_string(),
        collections: report.collections,
        exemplars: report.exemplars,
        files: report.files,
        bytes: report.bytes,
    })?;
    Ok(Ending::Done)
}

fn read(from: impl Read, to: &Path, length: Option<u64>) -> anyhow::Result<RestoreReport> {
    let mut progress = Progress::bytes("restore", length);
    Ok(restore(from, to, &StoreConfig::default(), &mut |done| progress.at(done))?)
}

#[derive(Debug, Serialize)]
struct RestoreOutcome {
    database: String,
    file: String,
    collections: Vec<String>,
    exemplars: u64,
    files: Vec<String>,
    bytes: u64,
}

impl Report for RestoreOutcome {
    fn text(&self) -> String {
        format!(
            "made database {} of {}: {} ({}) and {} of its models, all verified\n",
            visible(&self.database),
            bytes(self.bytes),
            things(self.exemplars, "exemplar"),
            self.collections.join(", "),
            things(self.files.len() as u64, "file"),
        )
    }
}
