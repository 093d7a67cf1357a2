//! A database opened as the command line says, and the model that it carries.

use std::path::Path;
use std::sync::Arc;

use lookalike::{Collection, Database, OpenOptions, StoreConfig};
use lookalike_vision::{ComputeConfig, Model};

use crate::args::GlobalArgs;
use crate::remedy::with_remedy;

/// What most commands work on.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) model: Arc<Model>,
}

impl Opened {
    /// Opens the database in this directory with the model of the collection that the command works on.
    pub(crate) fn open(directory: &Path, global: &GlobalArgs, config: StoreConfig) -> anyhow::Result<Self> {
        let opened = options(global, config).open(directory).and_then(|database| {
            let model = database.model().cloned().ok_or(lookalike::Error::NoNetwork)?;
            Ok(Self { database, model })
        });
        opened.map_err(|error| with_remedy(error, directory))
    }

    /// Opens the database together with the collection that the command works on.
    pub(crate) fn collection(directory: &Path, global: &GlobalArgs) -> anyhow::Result<(Self, Collection)> {
        Self::collection_with(directory, global, StoreConfig::default())
    }

    /// The same with settings for the store.
    pub(crate) fn collection_with(
        directory: &Path,
        global: &GlobalArgs,
        config: StoreConfig,
    ) -> anyhow::Result<(Self, Collection)> {
        let opened = Self::open(directory, global, config)?;
        let collection = opened.database.collection(global.collection())?;
        Ok((opened, collection))
    }
}

/// How a database is opened, by the global flags.
pub(crate) fn options(global: &GlobalArgs, store: StoreConfig) -> OpenOptions {
    OpenOptions { collection: global.collection.clone(), compute: compute(global), store }
}

/// How the network runs, by the global flags.
pub(crate) fn compute(global: &GlobalArgs) -> ComputeConfig {
    let (device, threads, precision) = (global.device, global.threads, global.precision.into());
    ComputeConfig { device, threads, precision, ..ComputeConfig::default() }
}
