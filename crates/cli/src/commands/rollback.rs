//! `lookalike rollback`: back to the model before the last rebuild, or no way back any more.

use std::fmt::Write;

use lookalike::{ModelChange, StoreConfig};
use serde::Serialize;

use crate::args::{GlobalArgs, RollbackArgs};
use crate::ending::Ending;
use crate::opened::options;
use crate::remedy::with_remedy;
use crate::show::output::{Output, Report, visible};

pub(crate) fn run(args: &RollbackArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let changes = options(global, StoreConfig::default())
        .maintain(&args.db)
        .and_then(|database| if args.drop { database.drop_previous_models() } else { database.roll_back() })
        .map_err(|error| with_remedy(error, &args.db))?;
    output.report(&RollbackReport {
        database: args.db.display().to_string(),
        dropped: args.drop,
        collections: changes.changed.into_iter().map(Change::of).collect(),
        without_previous: changes.without_previous,
    })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct RollbackReport {
    database: String,
    dropped: bool,
    collections: Vec<Change>,
    /// Collections that keep no rows of a previous model.
    without_previous: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Change {
    name: String,
    served: String,
    /// The other model, whose rows are kept or were removed.
    other: String,
}

impl Change {
    fn of(change: ModelChange) -> Self {
        let ModelChange { collection, served, other } = change;
        Self { name: collection, served: served.to_string(), other: other.to_string() }
    }
}

impl Report for RollbackReport {
    fn text(&self) -> String {
        let line = |Change { name, served, other }: &Change| {
            let (served, other) = (visible(served), visible(other));
            if self.dropped {
                format!("{name}: removed the rows of {other}; served by {served}\n")
            } else {
                format!("{name}: now served by {served}, before by {other}\n")
            }
        };
        let mut text: String = self.collections.iter().map(line).collect();
        for name in &self.without_previous {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{name}: keeps no rows of a previous model");
        }
        text
    }
}
