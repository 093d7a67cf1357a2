//! All entries of a tree, one after the other: the way of compaction, backup and restoring.

use std::convert::Infallible;
use std::ops::RangeFull;

use lookalike_plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use crate::generation::tree::{AccessError, Changes, Tree};
use crate::key;

/// Bytes that are applied at once, and those that are flushed at once.
const APPLIED_BYTES: usize = 1 << 20;
const FLUSHED_BYTES: usize = 64 << 20;

/// What entries came to. Two trees with equal sums have equal entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
}

impl Sum {
    /// As archives keep it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.entries.to_le_bytes()[..], &self.bytes.to_le_bytes(), &self.digest].concat()
    }
}

/// A sum in the making.
#[derive(Default)]
pub(crate) struct Summing {
    entries: u64,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Summing {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.hasher.update(&(key.len() as u64).to_le_bytes());
        self.hasher.update(key);
        self.hasher.update(&(value.len() as u64).to_le_bytes());
        self.hasher.update(value);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn finish(&self) -> Sum {
        Sum { entries: self.entries, bytes: self.bytes, digest: *self.hasher.finalize().as_bytes() }
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum CopyError<E> {
    /// The tree that is copied.
    Source(AccessError),
    /// What the entries were handed to.
    Target(E),
}

impl<E> From<AccessError> for CopyError<E> {
    fn from(error: AccessError) -> Self {
        Self::Source(error)
    }
}

/// Hands every key and sealed value to `visit`, ascending, but what belongs to the exemplars `left_out`.
pub(crate) fn each<E>(
    tree: &Tree,
    left_out: &RoaringBitmap,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), CopyError<E>> {
    let mut entries = tree.range("entry", RangeFull)?;
    while let Some((key, payload)) = entries.next()? {
        let exemplar: Option<ExemplarId> = key::exemplar(&key);
        if !exemplar.is_some_and(|id| left_out.contains(id)) {
            visit(&key, payload.sealed()).map_err(CopyError::Target)?;
        }
    }
    Ok(())
}

/// The sum of a tree.
pub(crate) fn sum(tree: &Tree) -> Result<Sum, AccessError> {
    let mut sum = Summing::default();
    let summed = each(tree, &RoaringBitmap::new(), |key, value| {
        sum.add(key, value);
        Ok::<_, Infallible>(())
    });
    match summed {
        Ok(()) => Ok(sum.finish()),
        Err(CopyError::Source(error)) => Err(error),
        Err(CopyError::Target(never)) => match never {},
    }
}

/// Fills a tree that nobody reads yet.
pub(crate) struct Filler<'a> {
    tree: &'a Tree,
    changes: Changes,
    since_flush: usize,
    sum: Summing,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, changes: Changes::default(), since_flush: 0, sum: Summing::default() }
    }

    pub(crate) fn put(&mut self, key: &[u8], sealed: &[u8]) -> Result<(), AccessError> {
        self.sum.add(key, sealed);
        self.changes.put_sealed(key.to_vec(), sealed.to_vec());
        if self.changes.bytes() >= APPLIED_BYTES {
            self.apply()?;
        }
        Ok(())
    }

    /// Bytes put so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.sum.bytes()
    }

    fn apply(&mut self) -> Result<(), AccessError> {
        let changes = std::mem::take(&mut self.changes);
        self.since_flush += changes.bytes();
        self.tree.apply(changes)?;
        if self.since_flush >= FLUSHED_BYTES {
            self.since_flush = 0;
            self.tree.flush()?;
        }
        Ok(())
    }

    /// Makes all durable and gives the sum of what was put.
    pub(crate) fn finish(mut self) -> Result<Sum, AccessError> {
        self.apply()?;
        self.tree.flush()?;
        Ok(self.sum.finish())
    }
}
