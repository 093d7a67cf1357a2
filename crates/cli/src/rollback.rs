//! `lookalike rollback`: back to the model before the last rebuild, or no way back any more.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use lookalike_engine::plugin_api::Fingerprint;
use lookalike_engine::{MaintenanceError, ModelRole, StoreConfig};
use lookalike_store::{Collection, Store};
use serde::Serialize;

use crate::Ending;
use crate::args::{GlobalArgs, RollbackArgs};
use crate::models::Models;
use crate::opened::chosen;
use crate::output::{Output, Report, visible};

pub(crate) fn run(args: &RollbackArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let store = Store::open(&args.db, StoreConfig::default())?;
    let models = Models::of(&args.db, global);
    let mut pairs = Vec::new();
    let mut without = Vec::new();
    for name in chosen(&store, global)? {
        let Some(collection) = store.collection(&name)? else { continue };
        match Pair::of(collection) {
            Some(pair) => pairs.push(pair),
            None => without.push(name),
        }
    }
    anyhow::ensure!(
        !pairs.is_empty(),
        "no collection keeps rows of a previous model; \"lookalike rebuild\" makes rows of any model"
    );
    if args.drop {
        pairs.iter().try_for_each(|pair| pair.collection.drop_previous_model())?;
        models.keep_used(&store)?;
    } else {
        ensure_one_direction(&pairs)?;
        pairs.iter().try_for_each(|pair| pair.go_back(&args.db, &models))?;
    }
    output.report(&RollbackReport {
        database: args.db.display().to_string(),
        dropped: args.drop,
        collections: pairs.iter().map(|pair| Change::of(pair, args.drop)).collect(),
        without_previous: without,
    })?;
    Ok(Ending::Done)
}

/// A collection that can go back.
struct Pair {
    collection: Arc<Collection>,
    current: Fingerprint,
    previous: Fingerprint,
}

impl Pair {
    fn of(collection: Arc<Collection>) -> Option<Self> {
        let catalog = collection.catalog();
        let previous = catalog.models().into_iter().find(|model| model.role == ModelRole::Previous)?;
        let current = (**catalog.fingerprint()).clone();
        Some(Self { collection, current, previous: previous.fingerprint })
    }

    fn go_back(&self, database: &Path, models: &Models) -> anyhow::Result<()> {
        anyhow::ensure!(models.has(&self.previous), models.missing(&self.previous));
        let name = self.collection.name();
        match self.collection.rollback() {
            Err(error @ MaintenanceError::Incomplete { .. }) => Err(error).with_context(|| {
                format!(
                    "collection \"{name}\" was written since the rebuild; go back with \"lookalike rebuild {} --model {}\"",
                    database.display(),
                    models.weights(&self.previous).display()
                )
            }),
            outcome => Ok(outcome?),
        }
    }
}

/// A rollback that was interrupted must not take the first collections forth again while it takes the others back.
fn ensure_one_direction(pairs: &[Pair]) -> anyhow::Result<()> {
    for (place, first) in pairs.iter().enumerate() {
        let opposite = |other: &&Pair| other.current == first.previous && other.previous == first.current;
        if let Some(other) = pairs[place..].iter().find(opposite) {
            anyhow::bail!(
                "collection \"{}\" is served by {} and \"{}\" by {}; name the one to change with --collection",
                first.collection.name(),
                first.current,
                other.collection.name(),
                other.current
            );
        }
    }
    Ok(())
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
    fn of(pair: &Pair, dropped: bool) -> Self {
        let (served, other) =
            if dropped { (&pair.current, &pair.previous) } else { (&pair.previous, &pair.current) };
        Self { name: pair.collection.name().to_owned(), served: served.to_string(), other: other.to_string() }
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
