//! Databases to test with.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::sample::{config, fingerprint};
use crate::generation::tree::memory::Memory;
use crate::{Collection, OpenError, Store, StoreConfig};

/// Operations of the model test.
pub(super) const MODEL_OPERATIONS: usize = 20_000;

/// Where a database is: a path for its files, a machine for its trees.
#[derive(Debug, Clone)]
pub(super) struct Place {
    root: PathBuf,
    pub(super) memory: Memory,
}

impl Place {
    /// The same database on a machine of its own, as it is now. Only one of the two may be open, and the number of
    /// the last acknowledged batch, a file that both would have, is gone.
    pub(super) fn fork(&self, seed: u64) -> Self {
        if let Err(error) = std::fs::remove_file(self.generation().join("ACKNOWLEDGED")) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        Self { root: self.root.clone(), memory: self.memory.fork(seed) }
    }

    fn generation(&self) -> PathBuf {
        self.root.join("collections/things/g000001")
    }

    /// Keys on the disk.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        self.memory.keys(&self.generation().join("ground"))
    }

    pub(super) fn try_open(&self, config: StoreConfig) -> Result<(Store, Arc<Collection>), OpenError> {
        let store = Store::open_on(Arc::new(self.memory.clone()), &self.root, config)?;
        let collection = store.collection("things")?.unwrap();
        Ok((store, collection))
    }
}

impl Deref for Place {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.root
    }
}

/// A directory that is removed at the end of the test, and the place of a database in it.
pub(super) fn place() -> (TempDir, Place) {
    // The files around the trees are synced each time a collection is opened, which takes long on a busy disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = folder.path().join("database");
    (folder, Place { root, memory: Memory::new(0) })
}

pub(super) fn create(place: &Place) -> (Store, Arc<Collection>) {
    let store = Store::create_on(Arc::new(place.memory.clone()), &place.root, config()).unwrap();
    let collection = store.create_collection("things", &fingerprint()).unwrap();
    (store, collection)
}

pub(super) fn open(place: &Place) -> (Store, Arc<Collection>) {
    open_as(place, config())
}

/// What was closed needs nothing from the machine that closed it.
pub(super) fn open_as(place: &Place, config: StoreConfig) -> (Store, Arc<Collection>) {
    place.memory.restart();
    place.try_open(config).unwrap()
}
