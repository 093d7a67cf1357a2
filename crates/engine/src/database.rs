//! A database: a directory with collections, bound to the model that the application brings.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lookalike_plugin_api::{Budget, Embedder, Fingerprint, Reranker};
use lookalike_store::{ArchiveError, ArchiveReport, Model, ReadError, Store, StoreConfig, WriteError};
use thiserror::Error;

use crate::collection::Collection;
use crate::rebuild::{self, RebuildError, RebuildEstimate, RebuildProgress, RebuildReport};
use crate::state::Serving;
use crate::views::{Served, ViewsError, ViewsReport};

/// Why a database or one of its collections could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] lookalike_store::OpenError),
    /// The collection's rows were made by another model.
    #[error(
        "collection \"{collection}\" was made with {stored}, the model given is {given}; \
         open it with its own model, or embed its images again with `lookalike rebuild`"
    )]
    Fingerprint {
        /// The collection.
        collection: String,
        /// Fingerprint it was made with.
        stored: Box<Fingerprint>,
        /// Fingerprint of the model given.
        given: Box<Fingerprint>,
    },
    /// There is no such collection.
    #[error("there is no collection \"{name}\"; there are: {known}")]
    Missing {
        /// The name asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// Somebody still holds the collection.
    #[error("collection \"{name}\" is still held; drop it before the database is closed")]
    Held {
        /// The collection.
        name: String,
    },
    /// The registered rerankers cannot serve one collection together.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// Rows could not be made, or returned to.
    #[error("the rows of collection \"{collection}\" stay as they are")]
    Rebuild {
        /// The collection.
        collection: String,
        /// Why.
        #[source]
        source: RebuildError,
    },
    /// The rows could not be loaded.
    #[error("the feature rows of collection \"{collection}\" cannot be loaded")]
    Load {
        /// The collection.
        collection: String,
        /// What went wrong.
        #[source]
        source: ReadError,
    },
}

/// An open database, bound to one model.
///
/// One process at a time owns a database directory; within it, clones of [`Collection`] may be used from any
/// number of threads. Dropping the database and its collections closes it.
pub struct Database {
    store: Store,
    serving: Arc<Serving>,
    /// Opened collections: loading rows twice would take twice the memory and give two in-memory truths.
    open: Mutex<BTreeMap<String, Collection>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("root", &self.store.root())
            .field("model", &self.serving.embedder.fingerprint().model)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Makes a new database in `root`, which must be absent or an empty directory.
    ///
    /// # Errors
    ///
    /// [`OpenError::Store`]; the directory is left as it was found.
    pub fn create(root: &Path, embedder: Arc<dyn Embedder>, config: StoreConfig) -> Result<Self, OpenError> {
        Ok(Self::of_store(Store::create(root, config)?, embedder))
    }

    /// Opens the database in `root`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Store`] when the directory is no database, is damaged, is of a newer format, or is open in
    /// another process.
    pub fn open(root: &Path, embedder: Arc<dyn Embedder>, config: StoreConfig) -> Result<Self, OpenError> {
        Ok(Self::of_store(Store::open(root, config)?, embedder))
    }

    /// The database in an open store: for whoever asks the store first which model its collections want.
    pub fn of_store(store: Store, embedder: Arc<dyn Embedder>) -> Self {
        let serving = Arc::new(Serving { embedder, rerankers: Vec::new() });
        Self { store, serving, open: Mutex::default() }
    }

    /// Closes the database and gives its store back, for another model or for what needs none.
    ///
    /// # Errors
    ///
    /// [`OpenError::Held`] when somebody still holds a collection: it would go on beside another state of itself.
    pub fn close(self) -> Result<Store, OpenError> {
        let open = self.open.into_inner().unwrap_or_else(PoisonError::into_inner);
        match open.into_iter().find(|(_, collection)| collection.is_shared()) {
            Some((name, _)) => Err(OpenError::Held { name }),
            None => Ok(self.store),
        }
    }

    /// The same database with a reranker that searches may name. Register rerankers before opening collections:
    /// a collection knows those that were there when it was opened. The views that they declare are kept with it; where
    /// two of them contradict each other, no collection opens ([`OpenError::Views`]).
    #[must_use]
    pub fn with_reranker(mut self, reranker: Arc<dyn Reranker>) -> Self {
        Arc::make_mut(&mut self.serving).rerankers.push(reranker);
        self
    }

    /// The database's directory.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Identity of the model that the database was opened with.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.serving.embedder.fingerprint()
    }

    /// Names of the collections, in order.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the directory cannot be read.
    pub fn collection_names(&self) -> Result<Vec<String>, ReadError> {
        self.store.collection_names()
    }

    /// Opens the collection of this name, or makes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; a collection of another model is refused and left as it is.
    pub fn collection_or_create(&self, name: &str) -> Result<Collection, OpenError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(collection) = open.get(name) {
            return Ok(collection.clone());
        }
        let stored = match self.store.collection(name)? {
            Some(stored) => stored,
            None => self.store.create_collection(name, self.serving.embedder.fingerprint())?,
        };
        self.load(stored, &mut open)
    }

    /// Opens the collection of this name.
    ///
    /// # Errors
    ///
    /// [`OpenError::Missing`] when there is none; otherwise as [`Database::collection_or_create`].
    pub fn collection(&self, name: &str) -> Result<Collection, OpenError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(collection) = open.get(name) {
            return Ok(collection.clone());
        }
        if let Some(stored) = self.store.collection(name)? {
            return self.load(stored, &mut open);
        }
        Err(self.missing(name))
    }

    /// Deletes a collection with everything in it; false when there was none.
    ///
    /// # Errors
    ///
    /// [`WriteError`], also while someone still holds the collection.
    pub fn drop_collection(&self, name: &str) -> Result<bool, WriteError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(name).is_some_and(Collection::is_shared) {
            return Err(WriteError::InUse { name: name.to_owned() });
        }
        open.remove(name);
        self.store.drop_collection(name)
    }

    /// Embeds the images of a collection by the database's model, and has its rows served from then on. This is how a
    /// collection of another model is opened with this one.
    ///
    /// Interrupted by its budget or the end of the process, the same call goes on where it was; until it is done, the
    /// collection is that of the old model. With the collection's own model it completes missing rows.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the collection cannot be opened; [`RebuildError`] otherwise, as
    /// [`OpenError::Rebuild`].
    pub fn rebuild(
        &self,
        name: &str,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<RebuildReport, OpenError> {
        if let Some(open) = self.opened(name) {
            return open.rebuild(&self.serving, budget, progress).map_err(|e| failed(name, e));
        }
        let stored = self.stored(name)?;
        rebuild::rebuild_stored(&stored, &self.served()?, budget, progress).map_err(|e| failed(name, e))
    }

    /// What [`Database::rebuild`] would cost. A few images are embedded for it; nothing is changed.
    ///
    /// # Errors
    ///
    /// As for [`Database::rebuild`].
    pub fn estimate_rebuild(&self, name: &str) -> Result<RebuildEstimate, OpenError> {
        let stored = self.stored(name)?;
        rebuild::estimate(&stored, &self.served()?).map_err(|e| failed(name, e))
    }

    /// As [`Collection::complete_views`], by name.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the collection cannot be opened; [`RebuildError`] otherwise, as [`OpenError::Rebuild`].
    pub fn complete_views(
        &self,
        name: &str,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<ViewsReport, OpenError> {
        self.collection(name)?.complete_views(budget, progress).map_err(|e| failed(name, e))
    }

    /// Has the rows served that a collection had before its last rebuild, which must be those of the database's model.
    ///
    /// # Errors
    ///
    /// As for [`Collection::rollback`], as [`OpenError::Rebuild`].
    pub fn rollback(&self, name: &str) -> Result<(), OpenError> {
        if let Some(open) = self.opened(name) {
            return open.rollback(&self.serving).map_err(|e| failed(name, e));
        }
        let stored = self.stored(name)?;
        rebuild::roll_back(&stored, self.fingerprint()).map_err(|e| failed(name, e.into()))
    }

    /// Removes the rows that [`Database::rollback`] would return to.
    ///
    /// # Errors
    ///
    /// As for [`Collection::drop_previous_model`], as [`OpenError::Rebuild`].
    pub fn drop_previous_model(&self, name: &str) -> Result<(), OpenError> {
        self.stored(name)?.drop_previous_model().map_err(|e| failed(name, e.into()))
    }

    /// The models that a collection keeps rows of.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the collection cannot be opened.
    pub fn models(&self, name: &str) -> Result<Vec<Model>, OpenError> {
        Ok(self.stored(name)?.catalog().models())
    }

    /// Writes everything into an archive: all collections, and files under their names, for instance the model's
    /// weights. [`restore`](crate::restore) makes a database of it.
    ///
    /// Searches go on meanwhile; writers to a collection wait while it is copied. `progress` is called with the bytes
    /// written so far.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]. What was written is no archive then.
    pub fn backup(
        &self,
        to: impl Write,
        files: &[(String, PathBuf)],
        progress: &mut dyn FnMut(u64),
    ) -> Result<ArchiveReport, ArchiveError> {
        self.store.backup(to, files, progress)
    }

    fn served(&self) -> Result<Served, ViewsError> {
        Served::new((*self.serving).clone())
    }

    /// A collection of whatever model, without its rows in memory.
    fn stored(&self, name: &str) -> Result<Arc<lookalike_store::Collection>, OpenError> {
        match self.store.collection(name)? {
            Some(stored) => Ok(stored),
            None => Err(self.missing(name)),
        }
    }

    /// The collection if it is open already.
    fn opened(&self, name: &str) -> Option<Collection> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn missing(&self, name: &str) -> OpenError {
        let known = self.store.collection_names().unwrap_or_default();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        OpenError::Missing { name: name.to_owned(), known }
    }

    fn load(
        &self,
        stored: Arc<lookalike_store::Collection>,
        open: &mut BTreeMap<String, Collection>,
    ) -> Result<Collection, OpenError> {
        if *stored.fingerprint() != *self.serving.embedder.fingerprint() {
            return Err(OpenError::Fingerprint {
                collection: stored.name().to_owned(),
                stored: Box::new((*stored.fingerprint()).clone()),
                given: Box::new(self.serving.embedder.fingerprint().clone()),
            });
        }
        let name = stored.name().to_owned();
        let collection = Collection::load(stored, Arc::new(self.served()?))
            .map_err(|source| OpenError::Load { collection: name.clone(), source })?;
        open.insert(name, collection.clone());
        Ok(collection)
    }
}

fn failed(collection: &str, source: RebuildError) -> OpenError {
    OpenError::Rebuild { collection: collection.to_owned(), source }
}
