//! The contract between Lookalike and its plugins.
//!
//! A plugin is an [`Embedder`] (images to feature rows) or a [`Reranker`] (candidates of one query to
//! scores). The host, Lookalike's engine or any other database, keeps the images and rows, makes the
//! shortlist, sorts the scores and answers the user.
//!
//! The crate depends on nothing but the standard library and contains no tensor: plain values go in, plain
//! values come out, and a plugin may use whatever numeric library it likes.
//!
//! What it does not do: it reads no file, starts no thread and makes no random choice of its own.

mod budget;
mod embedder;
mod features;
mod fingerprint;
mod image;
mod parameters;
mod query_rows;
mod random;
mod ranking;
mod reranker;
mod sha256;
mod source;
mod view;
mod whitening;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use budget::{Budget, CancelFlag, Completion};
pub use embedder::{EmbedError, Embedder};
pub use features::{FeatureRows, RowsError};
pub use fingerprint::{Digest, Fingerprint};
pub use image::{Image, ImageError, MAX_IMAGE_SIDE};
pub use parameters::{ParameterError, ParameterKind, ParameterSpec, ParameterValue, Parameters};
pub use query_rows::QueryRows;
pub use random::SplitMix64;
pub use ranking::{AppliedRanking, RankingStatus, order_by_score};
pub use reranker::{
    Artifact, HOST_STAGES, RerankError, RerankJob, RerankScores, Reranker, RerankerDescription, StageScores,
    StageTiming,
};
pub use source::{ExemplarSource, SourceError, Space};
pub use view::{View, ViewId};
pub use whitening::Whitening;

/// The number of an exemplar in its collection.
///
/// Dense from 0 in the order of first storing, and never used again within a collection: an id names one image
/// content for ever. It is the element of the collection's bitmaps.
pub type ExemplarId = u32;

/// The number of a label in its collection, dense from 0 in the order of first use.
///
/// [`ExemplarSource::label_name`] gives the user's word for it. It is *not* the classifier's class index:
/// a reranker maps names to its own classes.
pub type LabelId = u32;
