mod check;
mod compact;
mod open;
mod read;
mod rebuild;
mod segments;
mod unpublished;
mod write;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use check::Check;
pub use compact::CompactReport;
use lookalike_plugin_api::Fingerprint;
pub(crate) use open::{
    Place, beginning, create_from, exists, finish_generation, first_changes, open, open_ground, remove,
};
use unpublished::Unpublished;
use writer::{Durable, Writer};

use crate::generation::tree::{AccessError, Backend};
use crate::ground::Ground;
use crate::lock::Lock;
use crate::segment::Shelf;
use crate::{Catalog, Doubt, Durability, StoreConfig};

/// A named set of exemplars under one fingerprint.
///
/// It may be used from any number of threads. Writers take turns, and those that wait share a flush; readers work on
/// the state after the newest batch, [`Collection::catalog`], and on exemplars by id, which never change. It keeps
/// the database open, even after the [`Store`](crate::Store) that gave it is dropped.
#[derive(Debug)]
pub struct Collection {
    name: String,
    home: PathBuf,
    uuid: [u8; 16],
    config: StoreConfig,
    backend: Arc<dyn Backend>,
    doubt: Option<Doubt>,
    // Replaced by compaction, while `writer` is held.
    ground: RwLock<Arc<Ground>>,
    // Files that are derived from the tree.
    shelf: Shelf,
    // The newest state that readers see: durable, unless the write mode says otherwise.
    catalog: RwLock<Arc<Catalog>>,
    unpublished: Mutex<Unpublished>,
    // One writer at a time. Who needs both locks takes `durable` first.
    durable: Mutex<Durable>,
    writer: Mutex<Writer>,
    check: Check,
    // Below the tree: the database stays locked until the tree is closed.
    lock: Arc<Lock>,
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identity of the model whose rows are served.
    pub fn fingerprint(&self) -> Arc<Fingerprint> {
        Arc::clone(self.catalog().fingerprint())
    }

    /// Bytes that no other collection has. They stay the same for ever, also in a copy made by a backup.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// What an acknowledged write survives here, as the probe at opening found.
    pub fn durability(&self) -> Durability {
        if self.doubt.is_none() { Durability::PowerSafe } else { Durability::ProcessCrashOnly }
    }

    /// Why [`Collection::durability`] is not [`Durability::PowerSafe`]; `None` if it is.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// The state after the newest batch. It never changes; later batches make a new one. As long as it is held, the
    /// images and rows of its exemplars stay readable, also of those deleted meanwhile.
    pub fn catalog(&self) -> Arc<Catalog> {
        // The lock is held for no longer than it takes to copy or replace the pointer, so it is never left half-way.
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn ground(&self) -> Arc<Ground> {
        Arc::clone(&self.ground.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until records, keys and digests were counted; an error if they are not what they must be.
    pub(crate) fn counted(&self) -> Result<(), AccessError> {
        self.check.wait(|| (self.ground(), self.catalog()), &self.writer)
    }

    fn lock_unpublished(&self) -> MutexGuard<'_, Unpublished> {
        // It is changed by single calls that leave it whole.
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        // A panic during a write changed nothing of the writer: it is changed last, when all is done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_durable(&self) -> MutexGuard<'_, Durable> {
        // As above.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.check.stop();
        // In the modes that acknowledge before they flush, closing makes the rest durable.
        if let Err(error) = self.flush() {
            tracing::error!(collection = self.name, %error, "closing without the last writes being durable");
        }
    }
}
