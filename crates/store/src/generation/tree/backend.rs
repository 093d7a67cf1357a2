//! What the store needs of a place that keeps ordered keys and values. Disk is one; tests have another, which fails on
//! command.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::{Bytes, Changes};
use crate::generation::folder::FolderError;
use crate::{Doubt, StoreConfig, TreeError};

/// Opens trees.
pub(crate) trait Backend: std::fmt::Debug + Send + Sync {
    /// Opens the tree in `folder`, which is created if it is not there.
    fn open(&self, folder: &Path, config: &StoreConfig) -> Result<Box<dyn KeyValue>, Obstacle>;

    /// Whether there is a tree in `folder`; opening would begin an empty one otherwise.
    fn exists(&self, folder: &Path) -> bool;
}

/// An open tree. Changes are seen by every read from `apply` on, and survive from `flush` on; what was applied
/// together is there together, and nothing is there without what was applied before it.
pub(crate) trait KeyValue: Send + Sync {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, TreeError>;

    /// Keys and values between two bounds, ascending. What is applied meanwhile may be seen or not.
    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Result<Pairs, TreeError>;

    /// Makes all changes, or none. No write begins once an error is known to its caller; one that began before may
    /// still come.
    fn apply(&self, changes: Changes) -> Result<(), TreeError>;

    /// Makes what was applied durable. After an error as for `apply`.
    fn flush(&self) -> Result<(), TreeError>;

    /// Applies `changes`, flushes them and finds out what stands between the tree and power safety.
    fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle>;

    /// Bytes that may still be written; `None` where nobody knows.
    fn free_bytes(&self) -> Result<Option<u64>, FolderError>;
}

/// Keys and values, one after the other.
pub(crate) type Pairs = Box<dyn Iterator<Item = Result<(Bytes, Bytes), TreeError>> + Send>;

/// Why a tree cannot be opened.
#[derive(Debug)]
pub(crate) enum Obstacle {
    DiskFull { folder: PathBuf, free_bytes: u64, needed_bytes: u64 },
    Folder(FolderError),
    Tree(TreeError),
}

impl From<FolderError> for Obstacle {
    fn from(error: FolderError) -> Self {
        Self::Folder(error)
    }
}

impl From<TreeError> for Obstacle {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}
