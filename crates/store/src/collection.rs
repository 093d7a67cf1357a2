mod open;
mod read;
mod write;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub(crate) use open::{Place, create, exists, open, remove};
use plugin_api::Fingerprint;
pub(crate) use read::{stored_id, stored_record};

use crate::acknowledged::Acknowledged;
use crate::catalog::TagNumbers;
use crate::tree::Tree;
use crate::{Catalog, Doubt, Durability, TreeError};

/// A named set of exemplars under one fingerprint.
///
/// It may be used from any number of threads. Writers wait for one another; readers work on the state after the
/// newest batch, [`Collection::catalog`], and on exemplars by id, which never change. It keeps the database open,
/// even after the [`Store`](crate::Store) that gave it is dropped.
#[derive(Debug)]
pub struct Collection {
    name: String,
    folder: PathBuf,
    fingerprint: Fingerprint,
    doubt: Option<Doubt>,
    tree: Tree,
    // The newest durable state. It is replaced after a flush and only while `writer` is held.
    catalog: RwLock<Arc<Catalog>>,
    // One writer at a time.
    writer: Mutex<Writer>,
    // Below the tree: the database stays locked until the tree is closed.
    _lock: Arc<File>,
}

/// What only writers need.
#[derive(Debug)]
struct Writer {
    tag_numbers: TagNumbers,
    acknowledged: Acknowledged,
    // The first failure of a write; since then nothing is written.
    fault: Option<Arc<TreeError>>,
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identity of the model that its rows were made with.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// What an acknowledged write survives here, as the probe at opening found.
    pub fn durability(&self) -> Durability {
        if self.doubt.is_none() { Durability::PowerSafe } else { Durability::ProcessCrashOnly }
    }

    /// Why [`Collection::durability`] is not [`Durability::PowerSafe`]; `None` if it is.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// The state after the newest batch. It never changes; later batches make a new one.
    pub fn catalog(&self) -> Arc<Catalog> {
        // The lock is held for no longer than it takes to copy or replace the pointer, so it is never left half-way.
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        // A panic during a write changed nothing of the writer: it is changed last, when all is done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
