//! A database opened with its own model and the reranker.

use std::path::Path;
use std::sync::Arc;

use lookalike::{Collection, Database, StoreConfig};
use tmm::{TmmConfig, TmmReranker};
use vision::{ComputeConfig, Model};

use crate::args::GlobalArgs;
use crate::model_folder;

/// What most commands work on.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) model: Arc<Model>,
}

impl Opened {
    /// Opens the database in this directory with the model that it carries.
    pub(crate) fn open(directory: &Path, global: &GlobalArgs) -> anyhow::Result<Self> {
        let model = Arc::new(model_folder::load(directory, compute(global))?);
        let database = Database::open(directory, Arc::<Model>::clone(&model), StoreConfig::default())?;
        Self::with(database, model)
    }

    /// Opens the database together with the collection that the command works on.
    pub(crate) fn collection(directory: &Path, global: &GlobalArgs) -> anyhow::Result<(Self, Collection)> {
        let opened = Self::open(directory, global)?;
        let collection = opened.database.collection(&global.collection)?;
        Ok((opened, collection))
    }

    /// The same with a database that was just made.
    pub(crate) fn with(database: Database, model: Arc<Model>) -> anyhow::Result<Self> {
        let reranker = TmmReranker::new(Arc::clone(&model), TmmConfig::default())?;
        Ok(Self { database: database.with_reranker(Arc::new(reranker)), model })
    }
}

/// How the network runs, by the global flags.
pub(crate) fn compute(global: &GlobalArgs) -> ComputeConfig {
    ComputeConfig { device: global.device, threads: global.threads, ..ComputeConfig::default() }
}
