//! A database: a directory with collections, bound to the model that the application brings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use plugin_api::{Embedder, Fingerprint, Reranker};
use store::{ReadError, Store, StoreConfig, WriteError};
use thiserror::Error;

use crate::collection::{Collection, Rerankers};

/// Why a database or one of its collections could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The collection's rows were made by another model.
    #[error(
        "collection \"{collection}\" was made with {stored}, the model given is {given}; \
         open it with its own model, or ingest the images into a new collection"
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
    embedder: Arc<dyn Embedder>,
    rerankers: Arc<Rerankers>,
    /// Opened collections: loading rows twice would take twice the memory and give two in-memory truths.
    open: Mutex<BTreeMap<String, Collection>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("root", &self.store.root())
            .field("model", &self.embedder.fingerprint().model)
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
        Ok(Self::with(Store::create(root, config)?, embedder))
    }

    /// Opens the database in `root`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Store`] when the directory is no database, is damaged, is of a newer format, or is open in
    /// another process.
    pub fn open(root: &Path, embedder: Arc<dyn Embedder>, config: StoreConfig) -> Result<Self, OpenError> {
        Ok(Self::with(Store::open(root, config)?, embedder))
    }

    fn with(store: Store, embedder: Arc<dyn Embedder>) -> Self {
        Self { store, embedder, rerankers: Arc::default(), open: Mutex::default() }
    }

    /// The same database with a reranker that searches may name. Register rerankers before opening collections:
    /// a collection knows those that were there when it was opened.
    #[must_use]
    pub fn with_reranker(mut self, reranker: Arc<dyn Reranker>) -> Self {
        Arc::make_mut(&mut self.rerankers).insert(reranker.describe().name, reranker);
        self
    }

    /// The database's directory.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Identity of the model that the database was opened with.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.embedder.fingerprint()
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
            None => self.store.create_collection(name, self.embedder.fingerprint())?,
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
        let known = self.store.collection_names().unwrap_or_default();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(OpenError::Missing { name: name.to_owned(), known })
    }

    /// Deletes a collection with everything in it; false when there was none.
    ///
    /// # Errors
    ///
    /// [`WriteError`], also while someone still holds the collection.
    pub fn drop_collection(&self, name: &str) -> Result<bool, WriteError> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.store.drop_collection(name)
    }

    fn load(
        &self,
        stored: Arc<store::Collection>,
        open: &mut BTreeMap<String, Collection>,
    ) -> Result<Collection, OpenError> {
        if stored.fingerprint() != self.embedder.fingerprint() {
            return Err(OpenError::Fingerprint {
                collection: stored.name().to_owned(),
                stored: Box::new(stored.fingerprint().clone()),
                given: Box::new(self.embedder.fingerprint().clone()),
            });
        }
        let name = stored.name().to_owned();
        let collection = Collection::load(stored, Arc::clone(&self.embedder), Arc::clone(&self.rerankers))
            .map_err(|source| OpenError::Load { collection: name.clone(), source })?;
        open.insert(name, collection.clone());
        Ok(collection)
    }
}
