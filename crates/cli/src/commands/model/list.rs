//! `lookalike model list`: the models in a database, and what each collection keeps them for.

use std::fs;

use lookalike::{StoreConfig, StoredModels};
use lookalike_engine::plugin_api::Fingerprint;
use serde::Serialize;

use crate::args::{GlobalArgs, ModelListArgs};
use crate::commands::stats::role_word;
use crate::ending::Ending;
use crate::opened::options;
use crate::show::output::{Output, Report, Table, bytes, visible};

pub(super) fn run(args: &ModelListArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let database = options(global, StoreConfig::default()).maintain(&args.db)?;
    let (store, models) = (database.store(), database.models());
    let mut kept: Vec<(Fingerprint, Vec<Use>)> = Vec::new();
    for name in database.collection_names()? {
        let Some(collection) = store.collection(&name)? else { continue };
        for model in collection.catalog().models() {
            let of_collection = Use { collection: name.clone(), role: role_word(model.role) };
            match kept.iter_mut().find(|(fingerprint, _)| *fingerprint == model.fingerprint) {
                Some((_, uses)) => uses.push(of_collection),
                None => kept.push((model.fingerprint, vec![of_collection])),
            }
        }
    }
    let report = ListReport {
        database: args.db.display().to_string(),
        models: kept.into_iter().map(|(fingerprint, uses)| Listed::of(models, &fingerprint, uses)).collect(),
    };
    output.report(&report)?;
    Ok(if report.models.is_empty() { Ending::NothingFound } else { Ending::Done })
}

#[derive(Debug, Serialize)]
struct ListReport {
    database: String,
    models: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    dimension: u32,
    weights: String,
    preprocessing: String,
    fingerprint: String,
    /// Size of the weights in the database; `None` where it does not carry them.
    weights_bytes: Option<u64>,
    collections: Vec<Use>,
}

/// What a collection keeps a model for.
#[derive(Debug, Serialize)]
struct Use {
    collection: String,
    role: &'static str,
}

impl Listed {
    fn of(models: &StoredModels, fingerprint: &Fingerprint, collections: Vec<Use>) -> Self {
        Self {
            name: fingerprint.model.clone(),
            dimension: fingerprint.dimension,
            weights: fingerprint.weights.to_string(),
            preprocessing: fingerprint.preprocessing.to_string(),
            fingerprint: fingerprint.to_string(),
            weights_bytes: fs::metadata(models.weights(fingerprint)).ok().map(|file| file.len()),
            collections,
        }
    }
}

impl Report for ListReport {
    fn text(&self) -> String {
        if self.models.is_empty() {
            return format!("database {} has no model yet\n", visible(&self.database));
        }
        let mut table = Table::new(&["model", ">features", "weights", ">size", "collections"]);
        for model in &self.models {
            let uses = model.collections.iter().map(|usage| format!("{} ({})", usage.collection, usage.role));
            table.row([
                model.name.clone(),
                model.dimension.to_string(),
                model.weights[..12].to_owned(),
                model.weights_bytes.map_or_else(|| "not here".to_owned(), bytes),
                uses.collect::<Vec<_>>().join(", "),
            ]);
        }
        table.text()
    }
}
