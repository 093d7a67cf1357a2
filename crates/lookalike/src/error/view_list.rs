use std::io;
use std::path::PathBuf;

use lookalike_tmm::{Blend, StoredTriggerError, ViewError};
use thiserror::Error;

/// Most views of a model: each costs a forward pass per image.
pub const MAX_VIEWS: usize = 16;
/// Version of the list that is written, and the only one that is read.
pub(crate) const VIEW_LIST_VERSION: u32 = 1;
/// Longest list that is read, in bytes.
pub(crate) const MAX_LIST_BYTES: u64 = 1 << 20;

/// Why a list of views is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ViewListError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is longer than any that is written.
    #[error("it has {found} bytes, at most {MAX_LIST_BYTES} are read")]
    TooLong {
        /// Bytes it has.
        found: u64,
    },
    /// It is no list of views.
    #[error("it is no list of views")]
    Json(#[source] serde_json::Error),
    /// A later version wrote it.
    #[error("it is of version {found}, this program reads {VIEW_LIST_VERSION}; use a newer one")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It names more views than are kept.
    #[error("it lists {found} views, at most {MAX_VIEWS} are kept")]
    TooMany {
        /// Views it lists.
        found: usize,
    },
    /// A view has an unknown blend.
    #[error("\"{found}\" is no blend; choose from {}", Blend::NAMES.join(", "))]
    Blend {
        /// The word.
        found: String,
    },
    /// A file's name leads elsewhere, or is not that of a trigger.
    #[error("\"{found}\" is no trigger of a view")]
    TriggerName {
        /// The name.
        found: String,
    },
    /// A trigger cannot be used.
    #[error("trigger {}", path.display())]
    Trigger {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<StoredTriggerError>,
    },
    /// A view is none.
    #[error(transparent)]
    View(#[from] ViewError),
}
