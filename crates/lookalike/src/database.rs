use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use lookalike_engine::{ArchiveReport, Collection, OpenError};
use lookalike_plugin_api::{Embedder, Fingerprint, Reranker};
use lookalike_store::{Model as KeptModel, ReadError, Store, WriteError};
use lookalike_tmm::{MultiViewConfig, MultiViewReranker, TmmConfig, TmmReranker, TmmView};
use lookalike_vision::Model;

use crate::error::Error;
use crate::model_files::ModelFiles;
use crate::models::StoredModels;
use crate::new_directory::{NewDirectory, is_free};
use crate::options::OpenOptions;

/// An open database: a directory with collections of images, the model that sees them, the views that it keeps of them,
/// and the rerankers that searches may name.
///
/// One process at a time owns the directory. Clones of a [`Collection`] may be used from any number of threads; dropping
/// the database and its collections closes it. All calls block.
pub struct Database {
    engine: lookalike_engine::Database,
    network: Option<Network>,
}

/// A model that the database carries.
struct Network {
    model: Arc<Model>,
    /// The views that are kept beside the clean one.
    views: Vec<TmmView>,
    stored: StoredModels,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("directory", &self.directory())
            .field("model", &self.fingerprint().model)
            .field("views", &self.views())
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Makes a database that carries this model, with one empty collection, and opens it. The directory must be absent or
    /// empty; it is made beside its place and takes it when it is complete, so that neither an error nor a kill leaves
    /// half a database.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] when the model is refused; [`Error::Open`] when the directory is in use.
    pub fn create(directory: &Path, model: &ModelFiles) -> Result<Self, Error> {
        OpenOptions::default().create(directory, model)
    }

    /// Opens the database in this directory with the model that made its rows, the views that it keeps and the rerankers
    /// that come with this library (`multiview`, `tmm`).
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the directory is no database, is damaged, or is open in another process;
    /// [`Error::NoModel`] and [`Error::MissingModel`] when it does not carry its model; [`Error::ViewList`] when the list
    /// of views is damaged.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        OpenOptions::default().open(directory)
    }

    /// Makes a database for an embedder of the program's own, with one empty collection. It carries no model: it is
    /// opened by [`Database::open_with`].
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the directory is in use.
    pub fn create_with(directory: &Path, embedder: Arc<dyn Embedder>) -> Result<Self, Error> {
        OpenOptions::default().create_with(directory, embedder)
    }

    /// Opens the database in this directory with an embedder of the program's own. Views and the rerankers that come with
    /// this library need a network and are not there; [`Database::with_reranker`] registers others.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the directory is no database, is damaged, or is open in another process. A collection whose
    /// rows another embedder made is refused when it is asked for.
    pub fn open_with(directory: &Path, embedder: Arc<dyn Embedder>) -> Result<Self, Error> {
        OpenOptions::default().open_with(directory, embedder)
    }

    pub(crate) fn make(directory: &Path, files: &ModelFiles, options: &OpenOptions) -> Result<Self, Error> {
        let model = Arc::new(files.load(options.compute)?);
        if !is_free(directory) {
            // The store knows best what is wrong with a directory that is in use.
            drop(Store::create(directory, options.store.clone())?);
            return Err(Error::Emptied { path: directory.to_owned() });
        }
        let beside = NewDirectory::beside(directory)?;
        let embedder = Arc::<Model>::clone(&model);
        let made = lookalike_engine::Database::create(beside.path(), embedder, options.store.clone())?;
        drop(made.collection_or_create(options.collection_name())?);
        drop(made);
        StoredModels::new(beside.path(), options.compute).save(files, model.fingerprint())?;
        beside.finish(directory)?;
        let stored = StoredModels::new(directory, options.compute);
        Self::with_network(Store::open(directory, options.store.clone())?, model, Vec::new(), stored)
    }

    pub(crate) fn open_stored(directory: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let store = Store::open(directory, options.store.clone())?;
        let stored = StoredModels::new(directory, options.compute);
        let model = match options.wanted(&store)? {
            Some(wanted) => stored.load(&wanted)?.ok_or_else(|| stored.missing(&wanted))?,
            None => stored.newest()?.ok_or_else(|| Error::NoModel { directory: directory.to_owned() })?,
        };
        let views = stored.views(model.fingerprint())?;
        Self::with_network(store, Arc::new(model), views, stored)
    }

    pub(crate) fn with_network(
        store: Store,
        model: Arc<Model>,
        views: Vec<TmmView>,
        stored: StoredModels,
    ) -> Result<Self, Error> {
        let multiview = MultiViewReranker::new(Arc::clone(&model), MultiViewConfig::default())?;
        let tmm = TmmReranker::new(Arc::clone(&model), TmmConfig::default())?;
        let engine = lookalike_engine::Database::of_store(store, Arc::<Model>::clone(&model))
            .with_reranker(Arc::new(multiview.with_views(views.clone())?))
            .with_reranker(Arc::new(tmm.with_views(views.clone())?));
        Ok(Self { engine, network: Some(Network { model, views, stored }) })
    }

    pub(crate) fn of(engine: lookalike_engine::Database) -> Self {
        Self { engine, network: None }
    }

    /// The same database with a reranker that searches may name; of two with one name the later counts. Register
    /// rerankers before collections are opened: a collection knows those that were there when it was opened.
    #[must_use]
    pub fn with_reranker(self, reranker: Arc<dyn Reranker>) -> Self {
        Self { engine: self.engine.with_reranker(reranker), ..self }
    }

    /// The database's directory.
    pub fn directory(&self) -> &Path {
        self.engine.root()
    }

    /// The model that it was opened with; `None` with an embedder of the program's own.
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.network.as_ref().map(|network| &network.model)
    }

    /// Identity of the model or embedder that it was opened with.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.engine.fingerprint()
    }

    /// The views that are kept beside the clean one.
    pub fn views(&self) -> &[TmmView] {
        self.network.as_ref().map_or(&[], |network| &network.views)
    }

    /// Names of the collections, in order.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the directory cannot be listed.
    pub fn collection_names(&self) -> Result<Vec<String>, ReadError> {
        self.engine.collection_names()
    }

    /// Opens the collection of this name.
    ///
    /// # Errors
    ///
    /// [`OpenError::Missing`] when there is none, [`OpenError::Fingerprint`] when another model made its rows, and others
    /// when it is damaged.
    pub fn collection(&self, name: &str) -> Result<Collection, OpenError> {
        self.engine.collection(name)
    }

    /// Opens the collection of this name, or makes it.
    ///
    /// # Errors
    ///
    /// As [`Database::collection`]; names that no collection can have are refused.
    pub fn collection_or_create(&self, name: &str) -> Result<Collection, OpenError> {
        self.engine.collection_or_create(name)
    }

    /// All collections whose rows the model of this database made, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when one of them cannot be opened.
    pub fn collections(&self) -> Result<Vec<Collection>, Error> {
        let mut collections = Vec::new();
        for name in self.collection_names()? {
            match self.collection(&name) {
                Ok(collection) => collections.push(collection),
                Err(OpenError::Fingerprint { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(collections)
    }

    /// Deletes a collection with everything in it; false when there was none.
    ///
    /// # Errors
    ///
    /// [`WriteError`], also while someone still holds the collection.
    pub fn drop_collection(&self, name: &str) -> Result<bool, WriteError> {
        self.engine.drop_collection(name)
    }

    /// The models that a collection keeps rows of.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the collection cannot be opened.
    pub fn models(&self, collection: &str) -> Result<Vec<KeptModel>, OpenError> {
        self.engine.models(collection)
    }

    /// Writes everything into an archive: all collections, and the models with their views.
    /// [`restore`](crate::restore) makes a database of it. Searches go on meanwhile; writers to a collection wait while it
    /// is copied. `progress` is called with the bytes written so far.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`]; what was written is no archive then.
    pub fn backup(&self, to: impl Write, progress: &mut dyn FnMut(u64)) -> Result<ArchiveReport, Error> {
        let files = match &self.network {
            Some(network) => network.stored.files()?,
            None => Vec::new(),
        };
        Ok(self.engine.backup(to, &files, progress)?)
    }

    /// The layer below, which knows no network: for what this type does not offer.
    pub fn engine(&self) -> &lookalike_engine::Database {
        &self.engine
    }

    /// The layer below alone, for who serves the database and asks nothing of its model.
    pub fn into_engine(self) -> lookalike_engine::Database {
        self.engine
    }

    /// Closes it and gives its store back.
    pub(crate) fn close(self) -> Result<Store, Error> {
        Ok(self.engine.close()?)
    }

    /// The same database, keeping these views from now on.
    pub(crate) fn keep_views(self, views: Vec<TmmView>) -> Result<Self, Error> {
        let Network { model, stored, .. } = self.network.ok_or(Error::NoNetwork)?;
        let store = self.engine.close()?;
        let database = Self::with_network(store, model, views, stored)?;
        let network = database.network.as_ref().ok_or(Error::NoNetwork)?;
        network.stored.save_views(network.model.fingerprint(), &network.views)?;
        Ok(database)
    }
}

impl OpenOptions {
    /// As [`Database::create`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create(&self, directory: &Path, model: &ModelFiles) -> Result<Database, Error> {
        Database::make(directory, model, self)
    }

    /// As [`Database::open`].
    ///
    /// # Errors
    ///
    /// As there; [`OpenError::Missing`](lookalike_engine::OpenError::Missing) when there is no collection of the name.
    pub fn open(&self, directory: &Path) -> Result<Database, Error> {
        Database::open_stored(directory, self)
    }

    /// As [`Database::create_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create_with(&self, directory: &Path, embedder: Arc<dyn Embedder>) -> Result<Database, Error> {
        let database = lookalike_engine::Database::create(directory, embedder, self.store.clone())?;
        drop(database.collection_or_create(self.collection_name())?);
        Ok(Database::of(database))
    }

    /// As [`Database::open_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_with(&self, directory: &Path, embedder: Arc<dyn Embedder>) -> Result<Database, Error> {
        Ok(Database::of(lookalike_engine::Database::open(directory, embedder, self.store.clone())?))
    }
}
