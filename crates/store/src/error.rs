use std::path::PathBuf;
use std::sync::Arc;

use lookalike_plugin_api::{Fingerprint, RowsError};
use thiserror::Error;

use crate::generation::folder::FolderError;
use crate::{Doubt, Refusal, limits};

/// Why a database or a collection cannot be created or opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A database is to be created where there is one.
    #[error("{} is already a database; open it, or choose another directory", path.display())]
    AlreadyDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// A database is to be created among other files.
    #[error("{} is not empty; create the database in a new or empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds no database.
    #[error("{} is not a database: it has no file \"{}\"; create one, or check the path", path.display(), crate::limits::MARKER_FILE)]
    NotDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// The database's marker file cannot be understood.
    #[error("marker file {} is damaged; restore it from a backup", path.display())]
    Marker {
        /// The marker file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The marker file is of something else.
    #[error("marker file {} says \"{found}\", a database says \"{}\"; check the path", path.display(), crate::limits::MARKER_MAGIC)]
    ForeignMarker {
        /// The marker file.
        path: PathBuf,
        /// The magic word found.
        found: String,
    },
    /// A newer program wrote it.
    #[error("{} has format {found}, this program reads up to {newest}; open it with a newer version", path.display())]
    NewerFormat {
        /// The file or directory.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Newest format that is understood.
        newest: u32,
    },
    /// An older program wrote it.
    #[error(
        "{} has format {found}, this program writes {current}; run `lookalike migrate {}`",
        path.display(), path.display()
    )]
    OlderFormat {
        /// The database directory.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Format that this program writes.
        current: u32,
    },
    /// Somebody else has it open.
    #[error("{} is open in another process or elsewhere in this one; close it there first", path.display())]
    Locked {
        /// The database directory.
        path: PathBuf,
    },
    /// The name of a collection is not allowed.
    #[error(
        "collection name \"{name}\" is not allowed; use 1 to {} of a-z, 0-9, _ and -",
        limits::MAX_COLLECTION_NAME_BYTES
    )]
    CollectionName {
        /// The name.
        name: String,
    },
    /// A collection is to be created that there is.
    #[error("collection \"{name}\" exists already; open it, or choose another name")]
    CollectionExists {
        /// Its name.
        name: String,
    },
    /// A fingerprint that no collection can have.
    #[error(
        "model \"{model}\" makes rows of {dimension} values; a collection needs a name of 1 to {} bytes and 1 to {} values",
        limits::MAX_MODEL_NAME_BYTES,
        limits::MAX_DIMENSION
    )]
    Fingerprint {
        /// The model's name.
        model: String,
        /// Values in a row.
        dimension: u32,
    },
    /// Too little room: opening writes.
    #[error(
        "{} has {free_bytes} bytes free, opening needs {needed_bytes}; make room on the file system",
        path.display()
    )]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes needed.
        needed_bytes: u64,
    },
    /// The caller insists on power safety, which is not proven here.
    #[error(
        "collection \"{name}\" is not known to survive a power cut: {doubt}; open it without that demand"
    )]
    NotPowerSafe {
        /// The collection.
        name: String,
        /// Why not.
        doubt: Doubt,
    },
    /// What is stored contradicts itself.
    #[error(
        "collection \"{name}\" in {} is damaged; restore it from a backup, or salvage it with `lookalike verify --repair`",
        path.display()
    )]
    Damaged {
        /// The collection.
        name: String,
        /// Its folder.
        path: PathBuf,
        /// The first thing found wrong.
        #[source]
        source: Damage,
    },
    /// Acknowledged batches are missing: the log is damaged, or a power cut hit a collection that is not
    /// [`PowerSafe`](crate::Durability::PowerSafe).
    #[error(
        "collection \"{name}\" ends with batch {found}, batch {acknowledged} was acknowledged; restore it from a \
         backup, or remove {} to go on with what is left",
        path.display()
    )]
    BatchesLost {
        /// The collection.
        name: String,
        /// Last batch there is.
        found: u64,
        /// Last batch known to be acknowledged.
        acknowledged: u64,
        /// The file that keeps that number.
        path: PathBuf,
    },
    /// The tree could not be opened or read.
    #[error(
        "collection \"{name}\" cannot be opened; if this comes again, restore it from a backup, or salvage it with \
         `lookalike verify --repair`"
    )]
    Tree {
        /// The collection.
        name: String,
        /// What went wrong.
        #[source]
        source: TreeError,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FolderError),
}

/// Why something cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The collection keeps no such view.
    #[error("the collection keeps no feature view \"{name}\"")]
    UnknownView {
        /// The name asked for.
        name: String,
    },
    /// An exemplar is not there, or has no row in the view.
    #[error("exemplar {id} has no row in view \"{view}\"; it was deleted, or stored without that view")]
    NoRow {
        /// Its id.
        id: u32,
        /// The view's name.
        view: String,
    },
    /// What is stored contradicts itself.
    #[error("stored data is damaged; restore the collection from a backup")]
    Damaged(#[source] Damage),
    /// The tree failed.
    #[error("reading failed")]
    Tree(#[source] TreeError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FolderError),
}

/// Why a batch is not stored, or a collection not dropped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A part of the batch breaks a limit; nothing of it was written.
    #[error("exemplar \"{key}\" is refused; nothing of the batch was written")]
    Refused {
        /// Key of the first exemplar refused, shortened if it is too long.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Refusal,
    },
    /// Too many operations.
    #[error("the batch has {found} operations, at most {} are taken; split it", limits::MAX_BATCH_OPERATIONS)]
    TooManyOperations {
        /// Upserts and deletes.
        found: usize,
    },
    /// Too many bytes.
    #[error(
        "the batch has {found} bytes of images and rows, at most {} are taken; split it",
        limits::MAX_BATCH_BYTES
    )]
    TooManyBytes {
        /// Image and row bytes.
        found: usize,
    },
    /// All ids were given away.
    #[error("the collection has given away all of its ids; copy it into a new collection")]
    IdsExhausted,
    /// Too many views.
    #[error(
        "the collection would have {found} feature views, at most {} are kept; remove stale ones with `lookalike view \
         drop`",
        limits::MAX_VIEWS
    )]
    TooManyViews {
        /// Views there would be.
        found: usize,
    },
    /// The rows of the batch were made with a model that is not the current one; nothing of it was written.
    #[error(
        "the rows were made with {given}, those served are of {current}; embed the images again with that model"
    )]
    OtherModel {
        /// Fingerprint of the model that made the rows.
        given: Box<Fingerprint>,
        /// Fingerprint of the current model.
        current: Box<Fingerprint>,
    },
    /// Too little room for the batch; nothing of it was written, and later batches are taken when there is room.
    #[error("{} has {free_bytes} bytes free, the batch needs {needed_bytes}; make room on the file system", path.display())]
    DiskFull {
        /// Folder of the collection.
        path: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that the batch may take, and those that are always left free.
        needed_bytes: u64,
    },
    /// What is stored contradicts itself; nothing of the batch was written.
    #[error("stored data is damaged; restore the collection from a backup")]
    Damaged(#[source] Damage),
    /// Reading what is there failed; nothing of the batch was written.
    #[error("reading before the write failed")]
    Tree(#[source] TreeError),
    /// Writing failed. The batch is not acknowledged, and the collection takes no more writes.
    #[error("the batch could not be made durable; reopen the database to see whether it is there")]
    Failed(#[source] Arc<TreeError>),
    /// An earlier write failed.
    #[error("the collection is read-only since a write failed; reopen the database")]
    ReadOnly {
        /// What went wrong first.
        #[source]
        cause: Arc<TreeError>,
    },
    /// The collection is in use and cannot be dropped.
    #[error("collection \"{name}\" is in use; let go of it first")]
    InUse {
        /// Its name.
        name: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FolderError),
}

/// Why a collection could not be verified, compacted, backed up or rebuilt. It goes on as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// What is stored cannot be read as it must be.
    #[error("the collection is damaged; `lookalike verify` says where, with --repair it salvages the rest")]
    Source(#[source] ReadError),
    /// The copy cannot be written or read.
    #[error("the copy cannot be made")]
    Copy(#[source] ReadError),
    /// The copy is not what was copied.
    #[error("the copy in {} differs from its source; check the disk and the memory of the machine", path.display())]
    Differs {
        /// The folder of the copy.
        path: PathBuf,
    },
    /// A tree could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was written before could not be made durable, or a batch could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Rows of another model are being made.
    #[error("a rebuild with {found} is under way; go on with that model, or abandon it first")]
    OtherRebuild {
        /// Its fingerprint.
        found: Box<Fingerprint>,
    },
    /// There is no such model, or it has another role.
    #[error("there is no {wanted} model; {remedy}")]
    NoModel {
        /// What was looked for.
        wanted: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The model has no such view, or it is the clean one, which stays.
    #[error("\"{name}\" is no view that can be removed; the collection's list of views has their names")]
    NoView {
        /// The name given.
        name: String,
    },
    /// Exemplars have no row of the model.
    #[error(
        "{missing} exemplars have no row of {model}; complete them with `lookalike rebuild` and that model"
    )]
    Incomplete {
        /// Number of them.
        missing: u64,
        /// The model.
        model: Box<Fingerprint>,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FolderError),
}

/// Something stored that cannot be right.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Damage {
    /// A value's checksum does not fit.
    #[error("the checksum of the {what} is wrong")]
    Checksum {
        /// What the value is.
        what: &'static str,
    },
    /// A value has a format that this program does not know.
    #[error("the {what} has format {found}, this program knows {newest}")]
    Format {
        /// What the value is.
        what: &'static str,
        /// Format found.
        found: u8,
        /// Newest format known.
        newest: u8,
    },
    /// A value cannot be decoded.
    #[error("the {what} cannot be decoded")]
    Decode {
        /// What the value is.
        what: &'static str,
    },
    /// Something that must be there is not.
    #[error("the {what} is missing")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// Two things that must agree do not.
    #[error("{what}: found {found}, expected {expected}")]
    Disagreement {
        /// What was compared.
        what: &'static str,
        /// Number found.
        found: u64,
        /// Number expected.
        expected: u64,
    },
    /// Stored rows are not finite.
    #[error("feature rows are broken")]
    Rows(#[source] RowsError),
    /// A part of the tree cannot be read at all.
    #[error("it cannot be read")]
    Unreadable(#[source] TreeError),
    /// A file cannot be read.
    #[error("its file cannot be read")]
    File(#[source] FolderError),
    /// The collection cannot be opened.
    #[error("it cannot be opened")]
    Unopened(#[source] Box<OpenError>),
}

/// An error of the tree that holds a collection.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct TreeError(#[from] pub(crate) TreeFault);

#[derive(Debug, Error)]
pub(crate) enum TreeFault {
    #[error("the storage tree failed")]
    Sled(#[source] sled::Error),
    #[error("the storage tree gave up: {message}")]
    Panicked { message: String },
    #[error("the storage tree gave up before; reopen the database")]
    GaveUp,
    #[error("another generation may have taken its place; reopen the database")]
    Replaced,
    #[error("a log that is salvaged is not written")]
    ReadOnlyLog,
    #[error("the storage tree keeps values outside of its log")]
    OutsideLog,
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<TreeError> for ReadError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<Damage> for WriteError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<TreeError> for WriteError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}
