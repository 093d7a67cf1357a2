//! `lookalike compact`: collections copied into new files without what was deleted and replaced.

use lookalike::StoreConfig;
use serde::Serialize;

use crate::args::{CompactArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::options;
use crate::show::output::{Output, Report, bytes};
use crate::show::progress::Progress;

pub(crate) fn run(args: &CompactArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let database = options(global, StoreConfig::default()).maintain(&args.db)?;
    let mut collections = Vec::new();
    for name in database.collection_names()? {
        let Some(collection) = database.store().collection(&name)? else { continue };
        let mut progress = Progress::bytes("compact", None);
        let report = collection.compact(&mut |done| progress.at(done))?;
        collections.push(Compacted {
            name,
            before_bytes: report.before_bytes,
            after_bytes: report.after_bytes,
            live_bytes: report.live_bytes,
        });
    }
    output.report(&CompactOutcome { database: args.db.display().to_string(), collections })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct CompactOutcome {
    database: String,
    collections: Vec<Compacted>,
}

#[derive(Debug, Serialize)]
struct Compacted {
    name: String,
    before_bytes: u64,
    after_bytes: u64,
    /// What is stored, without the store's own overhead.
    live_bytes: u64,
}

impl Report for CompactOutcome {
    fn text(&self) -> String {
        let line = |collection: &Compacted| {
            format!(
                "{}: {} before, {} after, for {} of data\n",
                collection.name,
                bytes(collection.before_bytes),
                bytes(collection.after_bytes),
                bytes(collection.live_bytes)
            )
        };
        self.collections.iter().map(line).collect()
    }
}
