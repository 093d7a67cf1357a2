//! A database opened with its own model and the reranker.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use lookalike_engine::plugin_api::Fingerprint;
use lookalike_engine::{Collection, Database, OpenError, StoreConfig};
use lookalike_store::Store;
use lookalike_tmm::{TmmConfig, TmmReranker, TmmView};
use lookalike_vision::{ComputeConfig, Model};

use crate::args::{DEFAULT_COLLECTION, GlobalArgs};
use crate::models::Models;

/// What most commands work on.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) model: Arc<Model>,
    /// The views that it keeps beside the clean one.
    pub(crate) views: Vec<TmmView>,
    models: Models,
}

impl Opened {
    /// Opens the database in this directory with the model of the collection that the command works on.
    pub(crate) fn open(directory: &Path, global: &GlobalArgs, config: StoreConfig) -> anyhow::Result<Self> {
        let store = Store::open(directory, config)?;
        let models = Models::of(directory, global);
        let model = match wanted(&store, global)? {
            Some(fingerprint) => models.load(&fingerprint)?.ok_or_else(|| models.missing(&fingerprint))?,
            None => models.newest()?.with_context(|| {
                format!("database {} has no model; make one with \"lookalike init\"", directory.display())
            })?,
        };
        let model = Arc::new(model);
        let views = models.views(model.fingerprint())?;
        let database = Database::of_store(store, Arc::<Model>::clone(&model));
        Self { database, model, views: Vec::new(), models }.declare(views)
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

    /// The same with a database that was just made.
    pub(crate) fn with(database: Database, model: Arc<Model>, models: Models) -> anyhow::Result<Self> {
        Self { database, model, views: Vec::new(), models }.declare(Vec::new())
    }

    /// The same database, keeping these views from now on. No collection of it is open yet.
    pub(crate) fn with_views(self, views: Vec<TmmView>) -> anyhow::Result<Self> {
        let opened = self.declare(views)?;
        opened.models.save_views(opened.model.fingerprint(), &opened.views)?;
        Ok(opened)
    }

    fn declare(self, views: Vec<TmmView>) -> anyhow::Result<Self> {
        let reranker = reranker(&self.model, views.clone())?;
        // Of two rerankers with one name the later counts.
        Ok(Self { database: self.database.with_reranker(reranker), views, ..self })
    }
}

/// The reranker of every database that this program opens.
pub(crate) fn reranker(model: &Arc<Model>, views: Vec<TmmView>) -> anyhow::Result<Arc<TmmReranker>> {
    let reranker = TmmReranker::new(Arc::clone(model), TmmConfig::default())?;
    Ok(Arc::new(reranker.with_views(views)?))
}

/// The model of the collection that is named, else of the usual one, else of the first; `None` if there is none.
fn wanted(store: &Store, global: &GlobalArgs) -> anyhow::Result<Option<Arc<Fingerprint>>> {
    let names = store.collection_names()?;
    let name = match &global.collection {
        Some(name) if names.contains(name) => Some(name),
        Some(name) => return Err(missing(name, &names).into()),
        None => names.iter().find(|name| *name == DEFAULT_COLLECTION).or(names.first()),
    };
    Ok(match name {
        Some(name) => store.collection(name)?.map(|collection| collection.fingerprint()),
        None => None,
    })
}

/// The collections that a command for all of them works on: the one that is named, else all.
pub(crate) fn chosen(store: &Store, global: &GlobalArgs) -> anyhow::Result<Vec<String>> {
    let names = store.collection_names()?;
    match &global.collection {
        None => Ok(names),
        Some(name) if names.contains(name) => Ok(vec![name.clone()]),
        Some(name) => Err(missing(name, &names).into()),
    }
}

fn missing(name: &str, known: &[String]) -> OpenError {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    OpenError::Missing { name: name.to_owned(), known }
}

/// How the network runs, by the global flags.
pub(crate) fn compute(global: &GlobalArgs) -> ComputeConfig {
    let (device, threads, precision) = (global.device, global.threads, global.precision.into());
    ComputeConfig { device, threads, precision, ..ComputeConfig::default() }
}
