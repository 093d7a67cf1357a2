//! `lookalike export`: a collection as a Parquet file.

use std::io::BufWriter;

use lookalike_engine::ExportOptions;
use lookalike_engine::plugin_api::Budget;
use serde::Serialize;

use crate::args::{ExportArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::place::ensure_outside;
use crate::show::output::{Output, Report, bytes, things, visible};
use crate::show::progress::Progress;
use crate::whole_file;

pub(crate) fn run(args: &ExportArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(&args.db, global)?;
    ensure_outside(&args.db, &args.file)?;
    let mut file = whole_file::begin(&args.file)?;
    let mut progress = Progress::new("export", "images", Some(collection.len()));
    let options = ExportOptions { views: args.views.clone() };
    // Buffered, and flushed with the end of the file by the export itself.
    let report = collection.export_parquet(
        BufWriter::new(&mut file),
        &options,
        &Budget::unlimited(),
        &mut |done| {
            progress.at(done);
        },
    )?;
    drop(progress);
    whole_file::commit(file, &args.file)?;
    output.report(&ExportOutcome {
        collection: collection.name().to_owned(),
        file: args.file.display().to_string(),
        exemplars: report.exemplars,
        bytes: report.bytes,
    })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct ExportOutcome {
    collection: String,
    file: String,
    exemplars: u64,
    bytes: u64,
}

impl Report for ExportOutcome {
    fn text(&self) -> String {
        format!(
            "wrote {} of collection \"{}\" into {} ({})\n",
            things(self.exemplars, "exemplar"),
            self.collection,
            visible(&self.file),
            bytes(self.bytes)
        )
    }
}
