//! `lookalike delete`: exemplars by key.

use std::fmt::Write;

use serde::Serialize;

use crate::args::{DeleteArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, grouped, visible};

pub(crate) fn run(args: &DeleteArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(&args.db, global)?;
    let deleted = collection.delete(&args.keys)?;
    let missing: Vec<String> =
        args.keys.iter().zip(&deleted).filter(|(_, id)| id.is_none()).map(|(key, _)| key.clone()).collect();
    let report =
        DeleteReport { deleted: (deleted.len() - missing.len()) as u64, missing, left: collection.len() };
    let ending = if report.deleted == 0 { Ending::NothingFound } else { Ending::Done };
    output.report(&report)?;
    Ok(ending)
}

#[derive(Debug, Serialize)]
struct DeleteReport {
    deleted: u64,
    missing: Vec<String>,
    left: u64,
}

impl Report for DeleteReport {
    fn text(&self) -> String {
        let mut text = format!("deleted {}, {} left\n", grouped(self.deleted), grouped(self.left));
        for key in &self.missing {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "there is no exemplar \"{}\"", visible(key));
        }
        text
    }
}
