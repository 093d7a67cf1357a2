//! `lookalike backup`: the whole database as one file or stream.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use lookalike::{ArchiveReport, Maintenance, StoreConfig};
use serde::Serialize;

use crate::args::{BackupArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::options;
use crate::place::ensure_outside;
use crate::remedy::with_remedy;
use crate::show::output::{Output, Report, bytes, things, visible};
use crate::show::progress::Progress;
use crate::whole_file;

/// What stands for standard input or output.
pub(crate) const STREAM: &str = "-";

pub(crate) fn run(args: &BackupArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    global.ensure_whole("backup")?;
    let database = options(global, StoreConfig::default())
        .maintain(&args.db)
        .map_err(|error| with_remedy(error, &args.db))?;
    if args.file.as_os_str() == STREAM {
        anyhow::ensure!(
            !io::stdout().is_terminal(),
            "a backup is nothing for a terminal; give a file, or redirect standard output"
        );
        let report = write(&database, &mut BufWriter::new(io::stdout().lock()))?;
        output.on_stderr().report(&BackupReport(Archived::new(&args.db, &args.file, report)))?;
        return Ok(Ending::Done);
    }
    ensure_outside(&args.db, &args.file)?;
    let mut file = whole_file::begin(&args.file)?;
    let report = write(&database, &mut BufWriter::new(&mut file))?;
    whole_file::commit(file, &args.file)?;
    output.report(&BackupReport(Archived::new(&args.db, &args.file, report)))?;
    Ok(Ending::Done)
}

fn write(database: &Maintenance, to: &mut impl Write) -> anyhow::Result<ArchiveReport> {
    let mut progress = Progress::bytes("backup", None);
    let report = database.backup(&mut *to, &mut |done| progress.at(done))?;
    to.flush()?;
    Ok(report)
}

/// What an archive holds, and between which places it went.
#[derive(Debug, Serialize)]
pub(crate) struct Archived {
    pub(crate) database: String,
    file: String,
    collections: Vec<String>,
    exemplars: u64,
    files: Vec<String>,
    pub(crate) bytes: u64,
}

impl Archived {
    pub(crate) fn new(database: &Path, file: &Path, report: ArchiveReport) -> Self {
        Self {
            database: database.display().to_string(),
            file: file.display().to_string(),
            collections: report.collections,
            exemplars: report.exemplars,
            files: report.files,
            bytes: report.bytes,
        }
    }

    /// Its contents in words.
    pub(crate) fn contents(&self) -> String {
        format!(
            "{} ({}) and {} of its models",
            things(self.exemplars, "exemplar"),
            self.collections.join(", "),
            things(self.files.len() as u64, "file"),
        )
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct BackupReport(Archived);

impl Report for BackupReport {
    fn text(&self) -> String {
        format!(
            "wrote {} into {}: {}\n",
            bytes(self.0.bytes),
            if self.0.file == STREAM { "standard output".to_owned() } else { visible(&self.0.file) },
            self.0.contents(),
        )
    }
}
