//! Databases to test with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lookalike_store::{Collection, Store, StoreConfig};
use tempfile::TempDir;

use crate::sample::{config, fingerprint};

/// Operations of the model test, each of which may wait for the disk.
pub(crate) const MODEL_OPERATIONS: usize = 4_000;

/// A directory that is removed at the end of the test, and the path of a database in it.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("database");
    (folder, root)
}

pub(crate) fn create(root: &Path) -> (Store, Arc<Collection>) {
    let store = Store::create(root, config()).unwrap();
    let collection = store.create_collection("things", &fingerprint()).unwrap();
    (store, collection)
}

pub(crate) fn open(root: &Path) -> (Store, Arc<Collection>) {
    open_as(root, config())
}

pub(crate) fn open_as(root: &Path, config: StoreConfig) -> (Store, Arc<Collection>) {
    let store = Store::open(root, config).unwrap();
    let collection = store.collection("things").unwrap().unwrap();
    (store, collection)
}
