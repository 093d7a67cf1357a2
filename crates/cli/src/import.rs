//! `lookalike import`: the images of a Parquet file into a collection.

use std::fs::File;

use anyhow::Context;
use lookalike_engine::ImportError;
use lookalike_engine::plugin_api::Budget;

use crate::args::{GlobalArgs, ImportArgs};
use crate::ending::Ending;
use crate::ingest::Summary;
use crate::opened::Opened;
use crate::output::Output;
use crate::progress::Progress;

pub(crate) fn run(args: &ImportArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let name = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("{name} cannot be read"))?;
    let (_opened, collection) = Opened::collection_with(&args.db, global, args.storing.write_mode.config())?;
    let mut progress = Progress::new("import", "images", None);
    let outcome =
        collection.import_parquet(file, &args.storing.options(), &Budget::unlimited(), &mut |now| {
            progress.at(now.settled);
        });
    // In the modes that acknowledge first, nothing is durable before this.
    collection.flush()?;
    drop(progress);
    match outcome {
        Ok(report) => {
            let summary = Summary::of(&report);
            output.report(&summary)?;
            summary.ending()
        }
        Err(error) => {
            if let ImportError::Rows { report, .. } = &error {
                output.report(&Summary::of(report))?;
            }
            Err(error).with_context(|| name.to_string())
        }
    }
}
