//! Ordered keys and checksummed values in one directory. Where they are kept is behind `tree/backend.rs`; only
//! `tree/disk.rs` and `tree/open.rs` know sled.

mod backend;
mod disk;
#[cfg(test)]
pub(crate) mod memory;
mod open;

use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};

pub(crate) use backend::{Backend, KeyValue, Obstacle, Pairs};
pub(crate) use disk::Disk;

use crate::generation::folder::FolderError;
use crate::{Damage, Doubt, ReadError, StoreConfig, TreeError, WriteError, value};

/// Ordered keys and values in one directory.
pub(crate) struct Tree {
    inner: Box<dyn KeyValue>,
    folder: PathBuf,
}

/// Bytes of a key or a value, cheap to clone.
pub(crate) type Bytes = sled::IVec;

/// Changes that are made together. Of two changes to one key the later counts.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    bytes: usize,
}

impl Changes {
    /// Stores a payload under a key.
    pub(crate) fn put(&mut self, key: Vec<u8>, payload: &[u8]) {
        let value = value::seal(&key, payload);
        self.put_sealed(key, value);
    }

    /// Stores a value that has its format and checksum already.
    pub(crate) fn put_sealed(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.writes.push((key, Some(value)));
    }

    /// Removes a key; one that is not there is no error.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.writes.push((key, None));
    }

    /// Bytes of the keys and values given so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys in the order of the changes, with their values, or with nothing where a key is removed.
    pub(crate) fn into_writes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.writes.into_iter()
    }
}

impl Tree {
    /// Opens the tree in `folder`, which is created if it is not there, by the whole procedure that makes it
    /// survive crashes.
    pub(crate) fn open(backend: &dyn Backend, folder: &Path, config: &StoreConfig) -> Result<Self, Obstacle> {
        Ok(Self { inner: backend.open(folder, config)?, folder: folder.to_owned() })
    }

    /// The tree of a key-value store that is open already.
    pub(crate) fn of(inner: Box<dyn KeyValue>, folder: &Path) -> Self {
        Self { inner, folder: folder.to_owned() }
    }

    /// Writes `changes` and finds out what stands between the tree and power safety.
    pub(crate) fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        self.inner.probe(changes)
    }

    /// The payload under `key`. `what` names it in errors.
    pub(crate) fn get(&self, what: &'static str, key: &[u8]) -> Result<Option<Payload>, AccessError> {
        let Some(value) = self.inner.get(key)? else {
            return Ok(None);
        };
        Payload::new(what, key, value).map(Some)
    }

    /// Whole keys with their payloads, ascending.
    pub(crate) fn range(
        &self,
        what: &'static str,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Entries, AccessError> {
        let pairs = self.inner.range(range.start_bound().cloned(), range.end_bound().cloned())?;
        Ok(Entries { what, pairs, key: Bytes::default() })
    }

    /// All keys that begin with `prefix`, with their payloads, ascending.
    pub(crate) fn prefix(&self, what: &'static str, prefix: &[u8]) -> Result<Entries, AccessError> {
        self.range(what, (Bound::Included(prefix.to_vec()), end_of_prefix(prefix)))
    }

    /// Makes all changes visible to reads, or none. After an error the tree must not be written again.
    pub(crate) fn apply(&self, changes: Changes) -> Result<(), TreeError> {
        self.inner.apply(changes)
    }

    /// Makes what was applied durable. After an error the tree must not be written again.
    pub(crate) fn flush(&self) -> Result<(), TreeError> {
        self.inner.flush()
    }

    /// Bytes that may still be written; `None` where nobody knows.
    pub(crate) fn free_bytes(&self) -> Result<Option<u64>, FolderError> {
        self.inner.free_bytes()
    }
}

/// The first bound that no key with this prefix reaches.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A value whose checksum was right.
#[derive(Debug)]
pub(crate) struct Payload {
    value: Bytes,
    format: u8,
}

impl Payload {
    fn new(what: &'static str, key: &[u8], value: Bytes) -> Result<Self, AccessError> {
        let format = value::check(what, key, &value)?;
        Ok(Self { value, format })
    }

    /// The whole value, with format and checksum.
    pub(crate) fn sealed(&self) -> &[u8] {
        &self.value
    }

    /// The format that the value was written in.
    pub(crate) fn format(&self) -> u8 {
        self.format
    }
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.value[value::HEADER_BYTES..]
    }
}

/// Keys and payloads of a part of the tree. After an error of the tree it ends; after damage the next call goes on
/// behind it.
pub(crate) struct Entries {
    what: &'static str,
    pairs: Pairs,
    key: Bytes,
}

impl Entries {
    /// The next key and its payload.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Payload)>, AccessError> {
        let Some((key, value)) = self.pairs.next().transpose()? else {
            return Ok(None);
        };
        self.key = key.clone();
        let payload = Payload::new(self.what, &key, value)?;
        Ok(Some((key, payload)))
    }

    /// The key met last, also if its value is damaged.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Why something cannot be read from the tree.
#[derive(Debug)]
pub(crate) enum AccessError {
    Tree(TreeError),
    Damage(Damage),
}

impl crate::error::MaintenanceError {
    pub(crate) fn source(error: AccessError) -> Self {
        Self::Source(error.into())
    }

    pub(crate) fn copy(error: AccessError) -> Self {
        Self::Copy(error.into())
    }
}

impl From<TreeError> for AccessError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<Damage> for AccessError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<AccessError> for Damage {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Tree(error) => Self::Unreadable(error),
            AccessError::Damage(damage) => damage,
        }
    }
}

impl From<AccessError> for ReadError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Tree(error) => Self::Tree(error),
            AccessError::Damage(damage) => Self::Damaged(damage),
        }
    }
}

impl From<AccessError> for WriteError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Tree(error) => Self::Tree(error),
            AccessError::Damage(damage) => Self::Damaged(damage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(end_of_prefix(&[1, 2]), Bound::Excluded(vec![1, 3]));
        assert_eq!(end_of_prefix(&[1, 255]), Bound::Excluded(vec![2]));
        assert_eq!(end_of_prefix(&[255, 255]), Bound::Unbounded);
    }
}
