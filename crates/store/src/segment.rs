//! Rows of one view as an array: derived from the tree, kept in files, mapped into memory.
//!
//! An id names one exemplar for ever and its rows never change. So the rows of 65,536 consecutive ids, a span, are
//! final as soon as all of these ids are given away, and are written once. Only the file of the last span is written
//! again as it grows. A deletion changes no file: who searches knows what is live.

mod file;
mod format;
mod shelf;
mod writer;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use lookalike_plugin_api::ExemplarId;
use thiserror::Error;

pub(crate) use file::{SegmentFile, header_of};
pub(crate) use format::{Expected, Flaw, Header, Span};
pub(crate) use shelf::Shelf;
pub(crate) use writer::SegmentWriter;

use crate::ReadError;
use crate::generation::folder::FolderError;
use crate::mapped::Mapped;

/// Rows of one view under ascending ids, one after the other in memory.
///
/// Some are mapped from a file: they take no memory of their own, and are read from the disk when they are touched.
/// It lives on its own: neither a later write nor closing the collection changes it.
pub struct RowSegment {
    dimension: usize,
    rows: Rows,
}

enum Rows {
    /// Ids and values as they lie in the file, in this machine's own byte order and aligned to their size.
    Mapped {
        file: Mapped,
        ids: Range<usize>,
        values: Range<usize>,
    },
    Owned {
        ids: Vec<ExemplarId>,
        values: Vec<f32>,
    },
}

impl RowSegment {
    pub(crate) fn owned(dimension: usize, ids: Vec<ExemplarId>, values: Vec<f32>) -> Self {
        debug_assert_eq!(ids.len() * dimension, values.len());
        Self { dimension, rows: Rows::Owned { ids, values } }
    }

    /// Ids, ascending. Some may belong to exemplars that were deleted since the file was written.
    pub fn ids(&self) -> &[ExemplarId] {
        match &self.rows {
            Rows::Mapped { file, ids, .. } => bytemuck::cast_slice(&file[ids.clone()]),
            Rows::Owned { ids, .. } => ids,
        }
    }

    /// Rows in the order of the ids, `[ids, dimension]`.
    pub fn values(&self) -> &[f32] {
        match &self.rows {
            Rows::Mapped { file, values, .. } => bytemuck::cast_slice(&file[values.clone()]),
            Rows::Owned { values, .. } => values,
        }
    }

    /// Values in a row, at least 1.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids().len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the rows lie in a file and not in memory of the process.
    pub fn is_mapped(&self) -> bool {
        matches!(self.rows, Rows::Mapped { .. })
    }
}

impl fmt::Debug for RowSegment {
    // The values are many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSegment")
            .field("dimension", &self.dimension)
            .field("rows", &self.len())
            .field("is_mapped", &self.is_mapped())
            .finish_non_exhaustive()
    }
}

/// What [`Collection::save_segments`](crate::Collection::save_segments) writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentSaving {
    /// What makes the next opening noticeably quicker: complete spans without a file, the last span when it gained
    /// some thousand rows, and spans whose file has become mostly rows of deleted exemplars.
    Worthwhile,
    /// Every row that no file has yet.
    Everything,
}

/// Why files of rows were not written. Nothing is lost by it but time at the next opening.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The rows cannot be read.
    #[error("the rows to keep in a file cannot be read")]
    Read(#[from] ReadError),
    /// The room is left to what cannot be computed again.
    #[error(
        "{} has {free_bytes} bytes free, a file of feature rows needs {needed_bytes}; make room on the file system",
        path.display()
    )]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes needed, with those that are to stay free.
        needed_bytes: u64,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FolderError),
}
