//! Lookalike: an embedded image vector database whose nearest neighbours stay right when the query is dark, noisy or
//! shifted.
//!
//! This is the one crate that an application adds. A [`Database`] is a directory: collections of images, the model that
//! turns images into embeddings (feature rows), and the views that it keeps of them. [`Database::open`] opens all of it,
//! whoever made it:
//!
//! ```no_run
//! use lookalike::{Database, Query};
//!
//! let photos = Database::open("photos.db".as_ref())?.collection("main")?;
//! for hit in photos.search(&Query::encoded(std::fs::read("query.jpg")?))?.hits {
//!     println!("{} {:?}", hit.key, hit.label);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Database::create`] makes one for a model ([`ModelFiles`]), [`ingest_folder`] fills a collection,
//! [`Collection::search`] ranks it ([`Query`]), [`Database::add_views`] keeps further views, [`Database::backup`] and
//! [`restore`] copy everything, and [`Maintenance`] embeds all images again when the model changes.
//! [`Database::open_with`] takes an embedder of your own instead of a network.
//!
//! # Before you link it: `sync_file_range`
//!
//! On Linux the store exports the symbol `sync_file_range` into every program that links this library. It always fails
//! with `ENOSYS`, so that the storage engine falls back to a sync that survives a power cut. A program that calls
//! `sync_file_range` itself gets that error too, and must sync another way. Whether it took effect is measured when a
//! collection is opened: [`Collection::durability`].
//!
//! # What it does not do
//!
//! It reads no environment variable and no configuration file, starts no async runtime, and never touches the network.
//! All calls block; all types may be shared between threads.

mod database;
mod error;
mod file;
mod maintenance;
mod model_files;
mod models;
mod new_directory;
mod options;
mod samples;
mod trigger;
mod view_list;
mod views;

pub use database::Database;
pub use error::{Error, MAX_VIEWS, ViewListError};
pub use maintenance::{CollectionEstimate, CollectionRebuild, Maintenance, ModelChange, ModelChanges};
pub use model_files::ModelFiles;
pub use models::{StoredModels, models_in_use};
pub use new_directory::{NewDirectory, is_free};
pub use options::{OpenOptions, USUAL_COLLECTION};
pub use samples::{FolderReport, ingest_folder, ingest_item, item_image, tag_value};
pub use trigger::{FittedTrigger, GlobalFit, fit_trigger};
pub use views::RECOMMENDED_VIEWS;

/// Collections, searches and what they give: everything of the layer below but its `Database`.
pub use lookalike_engine::{
    Answer, ArchiveError, ArchiveReport, Candidates, Collection, CollectionStats, CompactReport,
    DEFAULT_CANDIDATES, DEFAULT_HITS, Damage, DecodeError, Decoded, DeriveError, Direction, Doubt,
    DuplicatePair, DuplicatePolicy, DuplicateReport, DuplicatesError, Durability, DurabilityDemand,
    ExemplarRefusal, ExportError, ExportOptions, ExportReport, FORMAT_VERSION, FileError, Filter,
    FilterError, Finding, FolderError, Hit, ImportError, IngestError, IngestItem, IngestOptions,
    IngestProgress, IngestReport, ItemImage, Loss, MAX_DECLARED_VIEWS, MAX_ENCODED_BYTES, MAX_FILTER_BYTES,
    MAX_HITS, MAX_REFUSALS_KEPT, MaintenanceError, Metric, Model as KeptModel, ModelRole, OpenError, Page,
    Query, QueryImage, ReadError, RebuildError, RebuildEstimate, RebuildProgress, RebuildReport, Record,
    Refusal, RefusalReason, Rerank, RowError, SalvageReport, SearchError, Serving, Snapshot, StageScore,
    Store, StoreConfig, StoreError, TagValue, UnknownMetric, VerifyReport, ViewStatus, ViewsError,
    ViewsReport, WriteError, WriteMode, decode, encode_png, migrate, restore, salvage,
};
/// The contract for embedders and rerankers of your own.
pub use lookalike_plugin_api as plugin_api;
pub use lookalike_plugin_api::{Budget, Embedder, FeatureRows, Fingerprint, Image, Parameters, Reranker};
/// The method's settings and views.
pub use lookalike_tmm::{
    Blend, MultiViewConfig, MultiViewReranker, StoredTrigger, StoredTriggerError, TmmConfig, TmmReranker,
    TmmView, Transformation, TriggerKind, TriggerStart, ViewError,
};
/// The network and how it runs.
pub use lookalike_vision::{ComputeConfig, Device, Model, ModelError, ModelManifest, Precision};
