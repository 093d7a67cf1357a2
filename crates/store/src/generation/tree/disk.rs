//! Trees of sled. Everything sled does is run under a guard: damaged files make it panic in places, and no panic may
//! reach whoever calls the store.

use std::any::Any;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::{Backend, KeyValue, Obstacle, Pairs};
use super::{Bytes, Changes, open};
use crate::error::TreeFault;
use crate::generation::folder;
use crate::generation::folder::FolderError;
#[cfg(target_os = "linux")]
use crate::power;
use crate::{Doubt, StoreConfig, TreeError};

/// The backend of every database.
#[derive(Debug)]
pub(crate) struct Disk;

struct SledTree {
    db: sled::Db,
    folder: PathBuf,
    // A panic leaves the tree's memory in an unknown state: another call might write it, or never end.
    gave_up: Arc<AtomicBool>,
}

impl SledTree {
    fn run<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, TreeError> {
        run(&self.gave_up, call)
    }
}

fn run<T>(gave_up: &AtomicBool, call: impl FnOnce() -> sled::Result<T>) -> Result<T, TreeError> {
    if gave_up.load(Ordering::Relaxed) {
        return Err(TreeFault::GaveUp.into());
    }
    let answer = guarded(call);
    if matches!(answer, Err(TreeError(TreeFault::Panicked { .. }))) {
        gave_up.store(true, Ordering::Relaxed);
    }
    answer
}

impl Backend for Disk {
    fn open(&self, folder: &Path, config: &StoreConfig) -> Result<Box<dyn KeyValue>, Obstacle> {
        Ok(Box::new(SledTree {
            db: open::open(folder, config)?,
            folder: folder.to_owned(),
            gave_up: Arc::default(),
        }))
    }

    fn exists(&self, folder: &Path) -> bool {
        folder.join("db").is_file()
    }
}

impl KeyValue for SledTree {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, TreeError> {
        self.run(|| self.db.get(key))
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Result<Pairs, TreeError> {
        let mut iter = self.run(|| Ok(self.db.range((from, to))))?;
        let gave_up = Arc::clone(&self.gave_up);
        Ok(Box::new(std::iter::from_fn(move || run(&gave_up, || iter.next().transpose()).transpose())))
    }

    fn apply(&self, changes: Changes) -> Result<(), TreeError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes.into_writes() {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.run(|| self.db.apply_batch(batch))
    }

    fn flush(&self) -> Result<(), TreeError> {
        self.run(|| self.db.flush().map(drop))
    }

    #[cfg(target_os = "linux")]
    fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        let refused = power::refused_syncs();
        self.apply(changes)?;
        self.flush()?;
        if power::refused_syncs() == refused {
            return Ok(Some(Doubt::Sync));
        }
        Ok(if folder::on_tried_file_system(&self.folder)? { None } else { Some(Doubt::FileSystem) })
    }

    #[cfg(not(target_os = "linux"))]
    fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        self.apply(changes)?;
        self.flush()?;
        Ok(Some(Doubt::Platform))
    }

    fn free_bytes(&self) -> Result<Option<u64>, FolderError> {
        folder::free_bytes(&self.folder)
    }
}

/// Runs one call of sled; its panics become errors.
pub(super) fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, TreeError> {
    // Nothing of ours is left half-changed by a panic inside: the caller drops what it was building.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(TreeFault::Sled(error).into()),
        Err(panic) => Err(TreeFault::Panicked { message: message(&*panic) }.into()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_flush_is_synced_whole_on_linux() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Disk.open(&folder.path().join("tree"), &StoreConfig::default()).unwrap();
        let mut changes = Changes::default();
        changes.put(vec![0], b"probe");
        assert_ne!(tree.probe(changes).unwrap(), Some(Doubt::Sync));
    }
}
