//! `lookalike restore`: a database from what `lookalike backup` wrote.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use lookalike_engine::{ArchiveReport, StoreConfig, restore};
use serde::Serialize;

use crate::args::{GlobalArgs, RestoreArgs};
use crate::commands::backup::{Archived, STREAM};
use crate::ending::Ending;
use crate::show::output::{Output, Report, bytes, visible};
use crate::show::progress::Progress;

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
    output.report(&RestoreOutcome(Archived::new(&args.db, &args.file, report)))?;
    Ok(Ending::Done)
}

fn read(from: impl Read, to: &Path, length: Option<u64>) -> anyhow::Result<ArchiveReport> {
    let mut progress = Progress::bytes("restore", length);
    Ok(restore(from, to, &StoreConfig::default(), &mut |done| progress.at(done))?)
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct RestoreOutcome(Archived);

impl Report for RestoreOutcome {
    fn text(&self) -> String {
        format!(
            "made database {} of {}: {}, all verified\n",
            visible(&self.0.database),
            bytes(self.0.bytes),
            self.0.contents(),
        )
    }
}
