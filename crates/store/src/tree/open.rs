//! The procedure of opening a tree so that nothing acknowledged is lost: see `STORAGE.md` among the project's
//! documents for the measurements behind each step.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{Changes, Tree, guarded};
use crate::error::TreeFault;
use crate::folder::{self, FolderError};
#[cfg(target_os = "linux")]
use crate::power;
use crate::{Doubt, TreeError};

const SEGMENT_BYTES: usize = 1 << 20;
/// Room that opening may take: two segments and what a snapshot may need.
const NEEDED_BYTES: u64 = 2 * SEGMENT_BYTES as u64 + (64 << 20);
/// Segments are cleaned only by the thread that this wakes.
const FLUSH_EVERY_MS: u64 = 500;
/// A tree that was closed a moment ago may hold its lock until its threads have ended.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// sled keeps two to three times its capacity in memory when values are large.
const CACHE_SHARE: u64 = 3;

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

pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<sled::Db, Obstacle> {
    folder::create(folder)?;
    if let Some(free_bytes) = folder::free_bytes(folder)?.filter(|&free| free < NEEDED_BYTES) {
        return Err(Obstacle::DiskFull { folder: folder.to_owned(), free_bytes, needed_bytes: NEEDED_BYTES });
    }
    remove_torn_snapshots(folder)?;
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes / CACHE_SHARE)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let begun = Instant::now();
    let db = loop {
        match guarded(|| config.open()) {
            Err(TreeError(TreeFault::Sled(sled::Error::Io(error))))
                if is_lock_error(&error) && begun.elapsed() < LOCK_PATIENCE =>
            {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => break outcome?,
        }
    };
    // Opening has written, and it syncs neither names nor everything it wrote.
    folder::sync_all(folder)?;
    for parent in folder.ancestors().skip(1).take(4).filter(|parent| !parent.as_os_str().is_empty()) {
        folder::sync(parent)?;
    }
    let outside = folder.join("blobs");
    if outside.is_dir() && !folder::entries(&outside)?.is_empty() {
        return Err(TreeError(TreeFault::OutsideLog).into());
    }
    Ok(db)
}

/// sled has no error of its own for a lock that is held.
fn is_lock_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

/// Removes snapshots that were not written to their end. sled can do without one: it reads the log instead. But it
/// does not open with a torn one.
fn remove_torn_snapshots(folder: &Path) -> Result<(), FolderError> {
    for path in folder::entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with("snap.") && (name.ends_with(".generating") || !is_whole_snapshot(&path)?) {
            tracing::warn!(path = %path.display(), "removing a torn snapshot");
            folder::remove_file(&path)?;
        }
    }
    folder::sync(folder)
}

/// A snapshot ends in the length of its body (8 bytes) and the little-endian CRC-32 of the body.
fn is_whole_snapshot(path: &Path) -> Result<bool, FolderError> {
    let Some(bytes) = folder::read_small(path, u64::MAX)? else {
        return Ok(false);
    };
    let Some((rest, crc)) = bytes.split_last_chunk::<4>() else {
        return Ok(false);
    };
    let Some((body, _length)) = rest.split_last_chunk::<8>() else {
        return Ok(false);
    };
    Ok(!body.is_empty() && crc32fast::hash(body).to_le_bytes() == *crc)
}

/// Flushes `changes` and looks how that was done.
#[cfg(target_os = "linux")]
pub(super) fn probe(tree: &Tree, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
    let refused = power::refused_syncs();
    tree.commit(changes)?;
    if power::refused_syncs() == refused {
        return Ok(Some(Doubt::Sync));
    }
    Ok(if folder::on_tried_file_system(&tree.folder)? { None } else { Some(Doubt::FileSystem) })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn probe(tree: &Tree, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
    tree.commit(changes)?;
    Ok(Some(Doubt::Platform))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn snapshot(body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u64).to_le_bytes();
        [body, &length[..], &crc32fast::hash(body).to_le_bytes()[..]].concat()
    }

    #[test]
    fn only_torn_snapshots_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let whole = snapshot(b"a body");
        fs::write(folder.path().join("snap.01"), &whole).unwrap();
        fs::write(folder.path().join("snap.02"), &whole[1..]).unwrap();
        fs::write(folder.path().join("snap.03"), b"short").unwrap();
        fs::write(folder.path().join("snap.04.generating"), &whole).unwrap();
        fs::write(folder.path().join("db"), b"short").unwrap();
        remove_torn_snapshots(folder.path()).unwrap();
        let left: Vec<_> = folder::entries(folder.path())
            .unwrap()
            .into_iter()
            .map(|p| p.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(left, ["db", "snap.01"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_flush_is_synced_whole_on_linux() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(&folder.path().join("tree"), 1 << 20).unwrap();
        let mut changes = Changes::default();
        changes.put(vec![0], b"probe");
        assert_ne!(tree.probe(changes).unwrap(), Some(Doubt::Sync));
    }
}
