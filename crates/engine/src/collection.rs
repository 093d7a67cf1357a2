//! A collection as an application holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use plugin_api::{Embedder, ExemplarId, Fingerprint, Reranker, View};
use store::{CollectionStats, Page, ReadError, Record, Upserted, WriteBatch, WriteError, WriteReceipt};

use crate::generation::Generation;
use crate::matrix::Matrix;

/// Rerankers by name.
pub(crate) type Rerankers = BTreeMap<&'static str, Arc<dyn Reranker>>;

/// An open collection: exemplars of one model, searchable while they are written.
///
/// Clones share the collection. All methods block and may be called from any thread; searches do not wait for
/// writes, writes take turns.
#[derive(Clone)]
pub struct Collection {
    inner: Arc<Inner>,
}

struct Inner {
    stored: Arc<store::Collection>,
    embedder: Arc<dyn Embedder>,
    rerankers: Arc<Rerankers>,
    /// Derived state; a write swaps in a new one, so that a search keeps the one it began with.
    generation: RwLock<Arc<Generation>>,
    /// Held from the write to the swap, so that generations follow each other in the order of their batches.
    writer: Mutex<()>,
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Collection {
    /// Loads the derived state: every clean row into memory.
    pub(crate) fn load(
        stored: Arc<store::Collection>,
        embedder: Arc<dyn Embedder>,
        rerankers: Arc<Rerankers>,
    ) -> Result<Self, ReadError> {
        let generation = RwLock::new(Arc::new(load_generation(&stored)?));
        Ok(Self {
            inner: Arc::new(Inner { stored, embedder, rerankers, generation, writer: Mutex::new(()) }),
        })
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        self.inner.stored.name()
    }

    /// Identity of the model that made its features.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.inner.stored.fingerprint()
    }

    /// What an acknowledged write survives, as found out when the collection was opened.
    pub fn durability(&self) -> store::Durability {
        self.inner.stored.durability()
    }

    /// Number of exemplars.
    pub fn len(&self) -> u64 {
        self.generation().catalog().live().len()
    }

    /// Whether there is no exemplar.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels with the number of their exemplars, by name.
    pub fn label_counts(&self) -> BTreeMap<String, u64> {
        let generation = self.generation();
        let labels = generation.catalog().labels();
        labels
            .filter(|(_, _, members)| !members.is_empty())
            .map(|(_, name, members)| (name.to_owned(), members.len()))
            .collect()
    }

    /// The exemplar of this key, if there is one.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the store is damaged or cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Record>, ReadError> {
        match self.inner.stored.id_of(key)? {
            Some(id) => self.inner.stored.record(id),
            None => Ok(None),
        }
    }

    /// The encoded image of an exemplar, as it was stored.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the store is damaged or cannot be read.
    pub fn image(&self, id: ExemplarId) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.stored.image(id)
    }

    /// Records in the order of their keys, from the one after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the store is damaged or cannot be read.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Page, ReadError> {
        self.inner.stored.list(after, limit)
    }

    /// Sizes and counts.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the store cannot be read.
    pub fn stats(&self) -> Result<CollectionStats, ReadError> {
        self.inner.stored.stats()
    }

    /// The rerankers that searches may name.
    pub fn rerankers(&self) -> impl Iterator<Item = &dyn Reranker> {
        self.inner.rerankers.values().map(AsRef::as_ref)
    }

    pub(crate) fn reranker(&self, name: &str) -> Option<&dyn Reranker> {
        self.inner.rerankers.get(name).map(AsRef::as_ref)
    }

    pub(crate) fn reranker_names(&self) -> String {
        let names: Vec<&str> = self.inner.rerankers.keys().copied().collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    pub(crate) fn stored(&self) -> Arc<store::Collection> {
        Arc::clone(&self.inner.stored)
    }

    pub(crate) fn embedder(&self) -> &dyn Embedder {
        self.inner.embedder.as_ref()
    }

    pub(crate) fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.inner.generation.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a batch and swaps in the generation that shows it.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<WriteReceipt, WriteError> {
        let _turn = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Option<Vec<f32>>> = batch.upserts.iter().map(clean_row).collect();
        let receipt = self.inner.stored.write(batch)?;
        let current = self.generation();
        let catalog = self.inner.stored.catalog();

        let mut added: Vec<(ExemplarId, Vec<f32>)> = receipt
            .outcomes
            .iter()
            .zip(rows)
            .filter_map(|(outcome, row)| match outcome {
                Upserted::Inserted(id) | Upserted::Replaced { id, .. } => Some((*id, row?)),
                Upserted::Relabelled(_) | Upserted::Unchanged(_) => None,
            })
            // The same key twice in a batch: the earlier upsert is not live any more.
            .filter(|(id, _)| catalog.live().contains(*id))
            .collect();
        added.sort_unstable_by_key(|(id, _)| *id);
        added.dedup_by_key(|(id, _)| *id);

        let clean = current.clean().with_rows(catalog.live(), &added);
        let next = Arc::new(Generation::new(catalog, clean));
        *self.inner.generation.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(receipt)
    }
}

fn clean_row(exemplar: &store::NewExemplar) -> Option<Vec<f32>> {
    exemplar.rows.iter().find(|(view, _)| view == View::CLEAN).map(|(_, row)| row.clone())
}

fn load_generation(stored: &store::Collection) -> Result<Generation, ReadError> {
    let catalog = stored.catalog();
    let mut clean = Matrix::new(stored.fingerprint().dimension as usize);
    if catalog.live().is_empty() {
        // Nothing was ever written under the name of the clean view, or nothing of it is left.
        return Ok(Generation::new(catalog, clean));
    }
    stored.scan_rows(View::CLEAN, 0, &mut |id, row| {
        if catalog.live().contains(id) {
            clean.push(id, row);
        }
        ControlFlow::Continue(())
    })?;
    Ok(Generation::new(catalog, clean))
}
