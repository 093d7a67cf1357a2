mod view_list;

use std::io;
use std::path::{Path, PathBuf};

use lookalike_datasets::DatasetError;
use lookalike_engine::{
    ArchiveError, IngestError, MaintenanceError, OpenError, ReadError, RebuildError, StoreError,
};
use lookalike_plugin_api::{Fingerprint, ParameterError};
use lookalike_tmm::{StoredTriggerError, TriggerError, ViewError};
use lookalike_vision::{ManifestError, ModelError};
use thiserror::Error;

pub(crate) use self::view_list::{MAX_LIST_BYTES, VIEW_LIST_VERSION};
pub use self::view_list::{MAX_VIEWS, ViewListError};

/// What goes wrong with a database as a whole. What one collection refuses (a search, an ingest, a write) has errors of
/// its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The database or a collection cannot be opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// What is stored cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Work on a collection as a whole failed.
    #[error(transparent)]
    Maintenance(Box<MaintenanceError>),
    /// A backup cannot be written.
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    /// A file cannot be read, written, listed, moved or removed.
    #[error("{} cannot be {verb}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A new directory needs a name.
    #[error("{} has no name of its own; give a new directory", path.display())]
    NoName {
        /// The path given.
        path: PathBuf,
    },
    /// A directory took content while a database was being made for it.
    #[error("{} was emptied while the database was being made; try again", path.display())]
    Emptied {
        /// The directory.
        path: PathBuf,
    },
    /// The database has no model at all: a program made it that brings its own.
    #[error("database {} keeps no model; open it with the embedder that it was made with", directory.display())]
    NoModel {
        /// The database.
        directory: PathBuf,
    },
    /// The database does not carry the model that made its rows.
    #[error("database {} does not carry the model {wanted}; give it its weights again with a rebuild", database.display())]
    MissingModel {
        /// The database.
        database: PathBuf,
        /// The model.
        wanted: Box<Fingerprint>,
    },
    /// A model that the database carries is refused.
    #[error("the model of database {} is refused", database.display())]
    StoredModel {
        /// The database.
        database: PathBuf,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// A model is refused.
    #[error("model {name} is refused")]
    Model {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// There are no weights.
    #[error("weights {} are not there; check the path", path.display())]
    NoWeights {
        /// Where they were expected.
        path: PathBuf,
    },
    /// There is no manifest.
    #[error(
        "there is no manifest {}; write one, or give the input's height and width to infer the rest from the weights",
        manifest.display()
    )]
    NoManifest {
        /// The weights.
        weights: PathBuf,
        /// Where it was expected.
        manifest: PathBuf,
    },
    /// Weights do not tell their manifest: they are none, or their tensors are those of no known network.
    #[error("weights {} are refused", path.display())]
    Untold {
        /// The weights.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ManifestError>,
    },
    /// A manifest cannot be used.
    #[error("manifest {} is refused", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ManifestError>,
    },
    /// The weights are not those that were read first.
    #[error("weights {} were exchanged meanwhile; try again", path.display())]
    Exchanged {
        /// The weights.
        path: PathBuf,
    },
    /// Class names do not fit the head.
    #[error("{found} class names given, the model's head has {expected} classes")]
    Classes {
        /// Names given.
        found: usize,
        /// Classes of the head.
        expected: usize,
    },
    /// The list of the views that a database keeps is refused.
    #[error("the list of views {} is refused", path.display())]
    ViewList {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ViewListError>,
    },
    /// A reranker refuses its settings.
    #[error("the settings of a reranker are refused")]
    Settings(#[from] ParameterError),
    /// A view cannot be kept.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Views are made by a network that the database carries, and this one was opened without.
    #[error("views are made by a model that the database carries; this one was opened with another embedder")]
    NoNetwork,
    /// There is a view of this name.
    #[error("there is a view \"{name}\" already; drop it first, or take another name")]
    ViewExists {
        /// The name.
        name: String,
    },
    /// There is no view of this name.
    #[error("there is no view \"{name}\"; there are: {known}")]
    NoView {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// More views than are kept.
    #[error(
        "there are {found} views already, {MAX_VIEWS} are the most that are kept: each costs a pass through the network per image"
    )]
    TooManyViews {
        /// Views that there are.
        found: usize,
    },
    /// There is no image to fit a trigger to.
    #[error("collection \"{collection}\" holds no image to fit a trigger to; store some first")]
    NothingToFit {
        /// The collection.
        collection: String,
    },
    /// A trigger cannot be fitted.
    #[error(transparent)]
    Fit(Box<TriggerError>),
    /// A trigger's file cannot be used.
    #[error(transparent)]
    Trigger(Box<StoredTriggerError>),
    /// The collection is being rebuilt with another model.
    #[error(
        "collection \"{collection}\" is being rebuilt with {unfinished}; finish that first, or abandon it"
    )]
    Unfinished {
        /// The collection.
        collection: String,
        /// The other model.
        unfinished: Box<Fingerprint>,
    },
    /// Rows could not be made.
    #[error("the rows of collection \"{collection}\" stay as they are")]
    Rebuild {
        /// The collection.
        collection: String,
        /// Why.
        #[source]
        source: Box<RebuildError>,
    },
    /// No collection keeps rows of a model before the present one.
    #[error("no collection keeps rows of a previous model; a rebuild makes rows of any model")]
    NoPreviousModel,
    /// The collection was written since the rebuild, so that the rows of the model before are incomplete.
    #[error("collection \"{collection}\" was written since the rebuild; go back by a rebuild with {}", weights.display())]
    WrittenSince {
        /// The collection.
        collection: String,
        /// The weights of the model before.
        weights: PathBuf,
        /// What the store says.
        #[source]
        source: Box<MaintenanceError>,
    },
    /// Two collections would change their models against each other.
    #[error(
        "collection \"{first}\" is served by {first_model} and \"{second}\" by {second_model}; name the one to change"
    )]
    OppositeModels {
        /// A collection.
        first: String,
        /// Its model.
        first_model: Box<Fingerprint>,
        /// Another one.
        second: String,
        /// Its model.
        second_model: Box<Fingerprint>,
    },
    /// A folder of images cannot be read.
    #[error(transparent)]
    Folder(Box<DatasetError>),
    /// Images cannot be stored.
    #[error(transparent)]
    Ingest(Box<IngestError>),
}

impl Error {
    pub(crate) fn file(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { verb, path: path.to_owned(), source }
    }
}

/// Boxed, so that a result is small where nothing goes wrong.
macro_rules! boxed {
    ($($variant:ident($source:ty)),+ $(,)?) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::$variant(Box::new(error))
            }
        })+
    };
}

boxed!(
    Open(OpenError),
    Maintenance(MaintenanceError),
    Archive(ArchiveError),
    Fit(TriggerError),
    Trigger(StoredTriggerError),
    Folder(DatasetError),
    Ingest(IngestError),
);

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        OpenError::from(error).into()
    }
}
