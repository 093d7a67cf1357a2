use thiserror::Error;

use crate::limits;

/// What is wrong with one exemplar of a batch.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// A text is too short or too long.
    #[error("its {what} has {found} bytes, {least} to {most} are taken")]
    Length {
        /// Which text.
        what: &'static str,
        /// Its length.
        found: usize,
        /// Smallest length.
        least: usize,
        /// Largest length.
        most: usize,
    },
    /// Too many tags.
    #[error("it has {found} tags, at most {} are taken", limits::MAX_TAGS)]
    TooManyTags {
        /// Tags given.
        found: usize,
    },
    /// A tag's number is NaN or infinite.
    #[error("its tag \"{tag}\" is not a finite number")]
    TagNotFinite {
        /// The tag's name.
        tag: String,
    },
    /// Key, label and tags are too large together.
    #[error(
        "its key, label and tags take {found} bytes, at most {} are taken; shorten the tags",
        limits::MAX_DESCRIPTION_BYTES
    )]
    DescriptionTooLarge {
        /// Bytes they take.
        found: usize,
    },
    /// The decoded image's shape is impossible.
    #[error(
        "its image is said to have {width} x {height} pixels of {channels} channels; sides start at 1, channels are 1 or 3"
    )]
    Shape {
        /// Rows of pixels.
        height: u32,
        /// Pixels in a row.
        width: u32,
        /// Samples in a pixel.
        channels: u8,
    },
    /// A view is given twice.
    #[error("it has two rows for view \"{view}\"")]
    ViewTwice {
        /// The view's name.
        view: String,
    },
    /// The clean view is missing.
    #[error("it has no row for view \"{}\"", lookalike_plugin_api::View::CLEAN)]
    NoCleanRow,
    /// A row has the wrong length.
    #[error("its row for view \"{view}\" has {found} values, the collection's model makes {expected}")]
    Dimension {
        /// The view's name.
        view: String,
        /// Values given.
        found: usize,
        /// Values expected.
        expected: usize,
    },
    /// A row is NaN or infinite somewhere.
    #[error("its row for view \"{view}\" is not finite at value {column}; the model or its input is broken")]
    RowNotFinite {
        /// The view's name.
        view: String,
        /// The place.
        column: usize,
    },
}
