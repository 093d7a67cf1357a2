//! The procedure of opening a tree so that nothing acknowledged is lost: see `STORAGE.md` among the project's
//! documents for the measurements behind each step.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Obstacle;
use super::disk::guarded;
use crate::error::TreeFault;
use crate::generation::folder::{self, FolderError};
use crate::{StoreConfig, TreeError, WriteMode};

const SEGMENT_BYTES: usize = 1 << 20;
/// Room that opening may take: two segments and what a snapshot may need.
const NEEDED_BYTES: u64 = 2 * SEGMENT_BYTES as u64 + (64 << 20);
/// Segments are cleaned only by the thread that this wakes.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
const FLUSH_AT_MOST_EVERY: Duration = Duration::from_millis(10);
/// A tree that was closed a moment ago may hold its lock until its threads have ended.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// sled keeps two to three times its capacity in memory when values are large.
const CACHE_SHARE: u64 = 3;

pub(super) fn open(folder: &Path, config: &StoreConfig) -> Result<sled::Db, Obstacle> {
    folder::create(folder)?;
    if let Some(free_bytes) = folder::free_bytes(folder)?.filter(|&free| free < NEEDED_BYTES) {
        return Err(Obstacle::DiskFull { folder: folder.to_owned(), free_bytes, needed_bytes: NEEDED_BYTES });
    }
    remove_torn_snapshots(folder)?;
    let flush_every = match config.write_mode {
        WriteMode::Interval(interval) => interval.clamp(FLUSH_AT_MOST_EVERY, FLUSH_EVERY),
        WriteMode::Immediate | WriteMode::Bulk => FLUSH_EVERY,
    };
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(config.cache_bytes / CACHE_SHARE)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(Some(flush_every.as_millis() as u64));
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
}
