//! `lookalike import`: the images of a Parquet file into a collection, as `ingest` would.

use crate::args::{GlobalArgs, ImportArgs};
use crate::commands::ingest::{Change, Feed, store, table};
use crate::ending::Ending;
use crate::show::output::Output;

pub(crate) fn run(args: &ImportArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let feed = Feed::from(table(&args.file)?);
    store(feed, &Change::default(), None, (&args.db, &args.storing), global, output)
}
