//! Everything that can go wrong with a request, before it is put into gRPC's words.

use lookalike_engine::{FilterError, IngestError, OpenError, ReadError, SearchError, WriteError};
use thiserror::Error;

use crate::lane::LaneError;

/// Why a request has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Lane(#[from] LaneError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// An artifact of the answer cannot be encoded as PNG.
    #[error("respond: image \"{name}\" cannot be encoded")]
    Artifact {
        name: &'static str,
        #[source]
        source: lookalike_engine::DecodeError,
    },
    #[error("collection \"{collection}\" has no exemplar with key \"{key}\"")]
    NoExemplar { collection: String, key: String },
    #[error("{most} ingest streams are open, more are not taken; try again when one has ended")]
    TooManyIngests { most: usize },
}

/// What is wrong with a message itself.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Malformed {
    #[error("{what} \"{name}\" has no value; set number or text")]
    NoValue { what: &'static str, name: String },
    #[error("metric {found} is unknown; use METRIC_L2, METRIC_COSINE or METRIC_WHITENED")]
    Metric { found: i32 },
    #[error("an ingest begins with a start message that names the collection, found {found}")]
    NoStart { found: &'static str },
    #[error("a second start message; begin another stream for another collection")]
    SecondStart,
    #[error("an empty ingest message; set start, image or flush")]
    EmptyIngest,
}
