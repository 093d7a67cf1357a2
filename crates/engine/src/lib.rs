//! Lookalike: an embedded image vector database whose neighbours survive noise.
//!
//! An application brings a model ([`lookalike_plugin_api::Embedder`]), opens a [`Database`] with it, ingests images into a
//! [`Collection`] and searches with a [`Query`]. The shortlist stage ranks every row exactly by a plain
//! [`Metric`]; a [`lookalike_plugin_api::Reranker`] may then score the shortlist, or everything.
//!
//! What it does not do: it knows no network library, no async runtime and no wire format, reads no environment
//! variable and no configuration file, and never touches the network.
//!
//! All calls block. All types may be shared between threads.

mod background;
mod collection;
mod database;
mod decode;
mod duplicates;
mod exchange;
mod filter;
mod ingest;
mod kept_view;
mod matrix;
mod metric;
mod project;
mod query;
mod rebuild;
mod search;
mod shortlist;
mod snapshot;
mod state;
#[cfg(test)]
mod toy;
mod views;
mod whitening;

pub use collection::Collection;
pub use database::{Database, OpenError};
pub use decode::{DecodeError, Decoded, MAX_ENCODED_BYTES, decode, encode_png};
pub use duplicates::{DuplicatePair, DuplicateReport, DuplicatesError};
pub use exchange::{
    ExportError, ExportOptions, ExportReport, FORMAT_VERSION, FileError, ImportError, ParquetImages, RowError,
};
pub use filter::{Filter, FilterError, MAX_FILTER_BYTES};
pub use ingest::{
    DuplicatePolicy, Incoming, IngestError, IngestItem, IngestOptions, IngestProgress, IngestReport,
    ItemImage, MAX_REFUSALS_KEPT, Refusal, RefusalReason,
};
pub use metric::{Direction, Metric, UnknownMetric};
pub use query::{
    Answer, Candidates, DEFAULT_CANDIDATES, DEFAULT_HITS, Hit, MAX_HITS, Query, QueryImage, Ranking, Rerank,
    StageScore,
};
pub use rebuild::{RebuildError, RebuildEstimate, RebuildProgress, RebuildReport};
pub use search::SearchError;
pub use snapshot::Snapshot;
pub use state::Serving;
pub use views::{DeriveError, MAX_DECLARED_VIEWS, ViewStatus, ViewsError, ViewsReport};
pub use whitening::SHRINK;

/// What the store gives and takes: records, tags, sizes and its errors.
pub use lookalike_store::{
    ArchiveError, ArchiveReport, CollectionStats, CompactReport, Damage, Doubt, Durability, DurabilityDemand,
    Finding, FolderError, Loss, MaintenanceError, Model, ModelRole, OpenError as StoreError, Page, ReadError,
    Record, Refusal as ExemplarRefusal, SalvageReport, Store, StoreConfig, TagValue, VerifyReport,
    WriteError, WriteMode, migrate, restore, salvage,
};

/// The plugin contract, so that an application needs no second dependency to bring a model.
pub use lookalike_plugin_api as plugin_api;
