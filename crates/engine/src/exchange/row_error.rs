use lookalike_store::MAX_DESCRIPTION_BYTES;
use thiserror::Error;

/// Largest tags as JSON, in bytes: a byte of a text may be written as six, and every tag has some signs around it.
pub(super) const MAX_TAGS_BYTES: usize = 8 * MAX_DESCRIPTION_BYTES;

/// Why a row of an exchange file is not an exemplar.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RowError {
    /// There is no image.
    #[error("its column \"image\" is empty; give the encoded bytes, not a path")]
    NoImage,
    /// A text is not text.
    #[error("its column \"{column}\" is not UTF-8 text")]
    NotText {
        /// The column.
        column: &'static str,
    },
    /// The tags are too long.
    #[error("its tags have {found} bytes, at most {MAX_TAGS_BYTES} are read; shorten them")]
    TagsLength {
        /// Bytes found.
        found: usize,
    },
    /// The tags are not a JSON object.
    #[error("its tags are not a JSON object")]
    Tags(#[source] serde_json::Error),
    /// A tag is neither number nor text.
    #[error("its tag \"{tag}\" is neither a number nor a text")]
    TagKind {
        /// The tag's name.
        tag: String,
    },
}
