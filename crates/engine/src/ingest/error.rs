use lookalike_plugin_api::EmbedError;
use lookalike_store::WriteError;
use thiserror::Error;

use crate::decode::DecodeError;
use crate::views::DeriveError;

/// Why an ingest ended before its input did. What was reported as stored is stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The model gave rows that do not fit the images or the collection.
    #[error(
        "embed: {found_rows} rows of {found} values for {images} images, expected rows of {expected} values"
    )]
    Rows {
        /// Rows given.
        found_rows: usize,
        /// Values in a row given.
        found: usize,
        /// Images handed over.
        images: usize,
        /// The collection's dimension.
        expected: usize,
    },
    /// A model became current during the ingest, and an image could not be decoded again for it.
    #[error("decode: an image cannot be embedded again by the model that is current now")]
    Decode(#[from] DecodeError),
    /// A reranker could not make the rows of a view that it declares.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// A batch could not be written.
    #[error("store: a batch could not be written")]
    Write(#[from] WriteError),
    /// What is stored could not be read.
    #[error("store: the collection cannot be read")]
    Read(#[from] lookalike_store::ReadError),
}
