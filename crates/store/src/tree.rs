//! The only file besides `tree/open.rs` that knows how values get to the disk. Everything sled does is run under a
//! guard: damaged files make it panic in places, and no panic may reach whoever calls the store.

mod open;

use std::any::Any;
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

pub(crate) use open::Obstacle;

use crate::error::TreeFault;
use crate::{Damage, Doubt, ReadError, TreeError, WriteError, value};

/// Ordered keys and values in one directory.
pub(crate) struct Tree {
    db: sled::Db,
    folder: PathBuf,
}

/// Bytes of a key or a value, without a copy.
pub(crate) type Bytes = sled::IVec;

/// Changes that become durable together.
#[derive(Debug, Default)]
pub(crate) struct Changes(sled::Batch);

impl Changes {
    /// Stores a payload under a key; of two changes to one key the later counts.
    pub(crate) fn put(&mut self, key: Vec<u8>, payload: &[u8]) {
        let value = value::seal(&key, payload);
        self.0.insert(key, value);
    }

    /// Removes a key; one that is not there is no error.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.0.remove(key);
    }
}

impl Tree {
    /// Opens the tree in `folder`, which is created if it is not there, by the whole procedure that makes it
    /// survive crashes.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Obstacle> {
        Ok(Self { db: open::open(folder, cache_bytes)?, folder: folder.to_owned() })
    }

    /// Writes `changes` and finds out what stands between the tree and power safety.
    pub(crate) fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        open::probe(self, changes)
    }

    /// The payload under `key`. `what` names it in errors.
    pub(crate) fn get(&self, what: &'static str, key: &[u8]) -> Result<Option<Payload>, AccessError> {
        let Some(value) = guarded(|| self.db.get(key))? else {
            return Ok(None);
        };
        value::unseal(what, key, &value)?;
        Ok(Some(Payload(value)))
    }

    /// Whole keys with their payloads, ascending.
    pub(crate) fn range(
        &self,
        what: &'static str,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Entries, AccessError> {
        let iter = guarded(|| Ok(self.db.range(range)))?;
        Ok(Entries { what, iter })
    }

    /// All keys that begin with `prefix`, with their payloads, ascending.
    pub(crate) fn prefix(&self, what: &'static str, prefix: &[u8]) -> Result<Entries, AccessError> {
        let iter = guarded(|| Ok(self.db.scan_prefix(prefix)))?;
        Ok(Entries { what, iter })
    }

    /// Makes all changes durable, or none. After an error the tree must not be written again.
    pub(crate) fn commit(&self, changes: Changes) -> Result<(), TreeError> {
        guarded(|| {
            self.db.apply_batch(changes.0)?;
            self.db.flush().map(drop)
        })
    }
}

impl std::fmt::Debug for Tree {
    // sled prints all of its entries.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A value whose checksum was right.
#[derive(Debug)]
pub(crate) struct Payload(Bytes);

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[value::HEADER_BYTES..]
    }
}

/// Keys and payloads of a part of the tree. It ends after the first error.
pub(crate) struct Entries {
    what: &'static str,
    iter: sled::Iter,
}

impl Entries {
    /// The next key and its payload.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Payload)>, AccessError> {
        let Some((key, value)) = guarded(|| self.iter.next().transpose())? else {
            return Ok(None);
        };
        value::unseal(self.what, &key, &value)?;
        Ok(Some((key, Payload(value))))
    }
}

/// Why something cannot be read from the tree.
#[derive(Debug)]
pub(crate) enum AccessError {
    Tree(TreeError),
    Damage(Damage),
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

/// Runs one call of sled; its panics become errors.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, TreeError> {
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
