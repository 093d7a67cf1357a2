//! One file, or stream, with everything of a database: what a backup is.
//!
//! ```text
//! "lookalike archive\n", version u32
//! frames: length u32, kind u8, content, CRC-32 of kind and content
//! ```
//!
//! All integers are little-endian. The last frame has a digest of all bytes before it, so that a part of an archive
//! is never taken for the whole.

mod frame;
mod reader;
mod writer;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use reader::restore;
pub use writer::{ArchiveReport, ArchiveWriter};

use crate::{Finding, MaintenanceError, OpenError, ReadError};

/// Why an archive cannot be written or restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The stream failed.
    #[error("the archive cannot be read or written")]
    Stream(#[source] io::Error),
    /// The stream is something else.
    #[error("this is no archive of a database: it begins with other bytes")]
    Foreign,
    /// A newer program wrote it.
    #[error(
        "the archive has version {found}, this program reads up to {newest}; restore it with a newer version"
    )]
    Newer {
        /// Version found.
        found: u32,
        /// Newest version that is understood.
        newest: u32,
    },
    /// The stream ends too early.
    #[error("the archive ends in the middle, after {bytes} bytes; nothing was restored")]
    CutOff {
        /// Bytes read.
        bytes: u64,
    },
    /// Some bytes are not those that were written.
    #[error("the archive is damaged at byte {byte}: {what}; nothing was restored")]
    Damaged {
        /// Where, from the beginning.
        byte: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A file of the archive would lie outside of the database, or where the store keeps its own.
    #[error(
        "a file named \"{name}\" cannot be part of an archive; use a relative path beside the store's own files"
    )]
    FileName {
        /// The name.
        name: String,
    },
    /// Something is wrong with what was restored.
    #[error(
        "what the archive holds of collection \"{name}\" does not fit together: {finding}; nothing was restored"
    )]
    Unsound {
        /// The collection.
        name: String,
        /// The first thing that is wrong.
        finding: Box<Finding>,
    },
    /// A collection cannot be read.
    #[error("collection \"{name}\" cannot be backed up")]
    Collection {
        /// The collection.
        name: String,
        /// Why.
        #[source]
        source: MaintenanceError,
    },
    /// The directory to restore into is in use.
    #[error("{} is there already and not empty; restore into a new directory", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The new database cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database's directory cannot be listed.
    #[error("the database cannot be read")]
    Read(#[source] ReadError),
    /// The new database cannot be written.
    #[error("the new database cannot be written")]
    Write(#[source] ReadError),
}
