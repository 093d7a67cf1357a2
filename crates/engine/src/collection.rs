//! A collection as an application holds it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use lookalike_plugin_api::{ExemplarId, Fingerprint, Reranker, View};
use lookalike_store::{
    CollectionStats, CompactReport, MaintenanceError, Page, ReadError, Record, SegmentSaving, Upserted,
    VerifyReport, WriteBatch, WriteError, WriteReceipt,
};

use crate::kept_view::KeptView;
use crate::state::{OwnRows, State};
use crate::views::{DeclaredView, Served};

/// An open collection: exemplars of one model, searchable while they are written.
///
/// Clones share the collection. All methods block and may be called from any thread; searches do not wait for
/// writes, writes take turns.
#[derive(Clone)]
pub struct Collection {
    inner: Arc<Inner>,
}

struct Inner {
    stored: Arc<lookalike_store::Collection>,
    /// Derived state; a write swaps in a new one, so that a search keeps the one it began with.
    state: RwLock<Arc<State>>,
    /// Held while a state is made of the one before and swapped in.
    turn: Mutex<()>,
    /// Shared by writers; whoever changes the model has it alone, so that no rows of the old one are written after.
    gate: RwLock<()>,
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Collection {
    /// Loads the derived state: every row of every view, mapped from files where there are any.
    pub(crate) fn load(
        stored: Arc<lookalike_store::Collection>,
        served: Arc<Served>,
    ) -> Result<Self, ReadError> {
        // Files that are missing are made first: rows are then read from the tree once, and not held in memory.
        save_rows(&stored, &served);
        let state = RwLock::new(Arc::new(State::load(&stored, served)?));
        Ok(Self { inner: Arc::new(Inner { stored, state, turn: Mutex::default(), gate: RwLock::default() }) })
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        self.inner.stored.name()
    }

    /// Identity of the model that made its features.
    pub fn fingerprint(&self) -> Arc<Fingerprint> {
        self.inner.stored.fingerprint()
    }

    /// What an acknowledged write survives, as found out when the collection was opened.
    pub fn durability(&self) -> lookalike_store::Durability {
        self.inner.stored.durability()
    }

    /// Why [`Collection::durability`] is not the best there is; `None` if it is.
    pub fn doubt(&self) -> Option<lookalike_store::Doubt> {
        self.inner.stored.doubt()
    }

    /// The models that rows are kept of.
    pub fn models(&self) -> Vec<lookalike_store::Model> {
        self.inner.stored.catalog().models()
    }

    /// Number of exemplars without a clean row of a model, given by its number in [`Collection::models`].
    pub fn without_row(&self, model: u16) -> u64 {
        self.inner.stored.catalog().without_row(model, View::CLEAN).len()
    }

    /// Removes the rows that [`Collection::rollback`] would return to.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`] when none are kept; a failed write.
    pub fn drop_previous_model(&self) -> Result<(), MaintenanceError> {
        self.inner.stored.drop_previous_model()
    }

    /// Makes durable what was written so far, whatever the write mode.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the disk fails, now or before.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.inner.stored.flush()
    }

    /// Compares everything that is stored with its checksums, and with each other. Searches go on, writers wait.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; what is wrong with the data is in the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, MaintenanceError> {
        self.inner.stored.verify(progress)
    }

    /// Copies what is live into new files and removes the old, which only grow. Searches go on, writers wait.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; the collection goes on as it was.
    pub fn compact(&self, progress: &mut dyn FnMut(u64)) -> Result<CompactReport, MaintenanceError> {
        self.inner.stored.compact(progress)
    }

    /// Number of exemplars.
    pub fn len(&self) -> u64 {
        self.state().catalog().live().len()
    }

    /// Whether there is no exemplar.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels with the number of their exemplars, by name.
    pub fn label_counts(&self) -> BTreeMap<String, u64> {
        let state = self.state();
        let labels = state.catalog().labels();
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

    /// The exemplar of this id; `None` when it is not there, or not any more.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the store is damaged or cannot be read.
    pub fn record(&self, id: ExemplarId) -> Result<Option<Record>, ReadError> {
        self.inner.stored.record(id)
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
    pub fn rerankers(&self) -> Vec<Arc<dyn Reranker>> {
        self.state().serving().rerankers.clone()
    }

    /// Whether somebody else holds it too.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.inner) > 1
    }

    pub(crate) fn stored(&self) -> Arc<lookalike_store::Collection> {
        Arc::clone(&self.inner.stored)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.inner.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the store keep the rows in files where that makes the next opening quicker, and maps what is in memory
    /// now from there. Files are derived: if it fails, nothing is lost but time and memory.
    pub(crate) fn keep_rows(&self) {
        // Rows and model must not change apart from each other meanwhile.
        let _gate = self.pass_gate();
        if save_rows(&self.inner.stored, self.state().served())
            && let Err(error) = self.reload(None)
        {
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(collection = self.name(), error, "feature rows stay in memory");
        }
    }

    /// Shows rows that came for exemplars that were there already. Where none did, the state stays, with the
    /// whitenings that were fitted in it.
    pub(crate) fn show_completed(&self) -> Result<(), ReadError> {
        let _gate = self.pass_gate();
        let (catalog, state) = (self.inner.stored.catalog(), self.state());
        let is_behind =
            |view: &KeptView| *view.missing() != *catalog.without_row(catalog.current_model(), view.kept());
        if !state.views().any(is_behind) {
            return Ok(());
        }
        save_rows(&self.inner.stored, self.state().served());
        self.reload(None)
    }

    /// Keeps the model from being changed.
    pub(crate) fn pass_gate(&self) -> RwLockReadGuard<'_, ()> {
        self.inner.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps in the newest state as the store has it, with another model if one is given.
    pub(crate) fn reload(&self, served: Option<Arc<Served>>) -> Result<(), ReadError> {
        let _turn = self.turn();
        let served = served.unwrap_or_else(|| Arc::clone(self.state().served()));
        self.swap(State::load(&self.inner.stored, served)?);
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.inner.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps writers out.
    pub(crate) fn close_gate(&self) -> RwLockWriteGuard<'_, ()> {
        self.inner.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a state the current one. Only for who holds the turn.
    fn swap(&self, next: State) {
        *self.inner.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Writes the batch that `prepare` makes, with rows of the current model, and swaps in a state that shows it.
    ///
    /// Several may write at once: the store makes their batches durable together.
    pub(crate) fn write_with<E: From<WriteError>>(
        &self,
        prepare: impl FnOnce(&State) -> Result<WriteBatch, E>,
    ) -> Result<WriteReceipt, E> {
        let _gate = self.pass_gate();
        let state = self.state();
        let batch = prepare(&state)?;
        let rows: Vec<_> = batch.upserts.iter().map(|exemplar| exemplar.rows.clone()).collect();
        let receipt = self.inner.stored.write_made_with(batch, state.model().fingerprint())?;
        // Rows that a repair had lost and that came with their images again lie among older ones.
        let completes = |id: ExemplarId, rows: &[(String, Vec<f32>)]| {
            state
                .views()
                .any(|view| view.missing().contains(id) && rows.iter().any(|(kept, _)| kept == view.kept()))
        };
        let completed = receipt.outcomes.iter().zip(&rows).any(|(outcome, rows)| {
            matches!(outcome, Upserted::Relabelled(id) | Upserted::Unchanged(id) if completes(*id, rows))
        });
        let own = receipt.outcomes.iter().zip(rows).filter_map(|(outcome, rows)| match outcome {
            Upserted::Inserted(id) | Upserted::Replaced { id, .. } => Some((*id, rows)),
            Upserted::Relabelled(_) | Upserted::Unchanged(_) => None,
        });
        self.advance(&own.collect());
        if completed && let Err(error) = self.reload(None) {
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(collection = self.name(), error, "completed rows are seen after the next opening");
        }
        Ok(receipt)
    }

    /// Swaps in the newest state. `own` are rows that the caller wrote; what others wrote meanwhile is read.
    fn advance(&self, own: &OwnRows) {
        let _turn = self.turn();
        let current = self.state();
        let catalog = self.inner.stored.catalog();
        if catalog.batch() != current.catalog().batch() {
            self.swap(current.advanced(&self.inner.stored, catalog, own));
        }
    }
}

/// Writes the files of rows that are worth it; returns whether there were any.
fn save_rows(stored: &lookalike_store::Collection, served: &Served) -> bool {
    let catalog = stored.catalog();
    let known = catalog.views();
    // A file of a view that is being completed would lack rows soon, and be of no use.
    let is_complete = |kept: &str| catalog.without_row(catalog.current_model(), kept).is_empty();
    let declared = served.views().iter().map(DeclaredView::kept).filter(|kept| is_complete(kept));
    let mut written = 0;
    for view in iter::once(View::CLEAN).chain(declared).filter(|view| known.contains(view)) {
        match stored.save_segments(view, SegmentSaving::Worthwhile) {
            Ok(files) => written += files,
            Err(error) => {
                let error: &(dyn Error + 'static) = &error;
                tracing::warn!(collection = stored.name(), view, error, "feature rows are not kept in files");
            }
        }
    }
    written > 0
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use lookalike_plugin_api::{Budget, Digest, EmbedError, Embedder, FeatureRows, Image};
    use lookalike_store::StoreConfig;

    use super::*;
    use crate::{Database, IngestItem, ItemImage, Metric, Query};

    const SAMPLES: usize = 6;

    /// The features of an image are its samples.
    struct Samples(Fingerprint);

    impl Embedder for Samples {
        fn fingerprint(&self) -> &Fingerprint {
            &self.0
        }

        fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
            let values = images.iter().flat_map(|image| image.samples().iter().map(|s| f32::from(*s)));
            FeatureRows::new(SAMPLES, values.collect()).map_err(EmbedError::new)
        }
    }

    fn embedder() -> Arc<dyn Embedder> {
        let (weights, preprocessing) = (Digest([1; 32]), Digest([2; 32]));
        Arc::new(Samples(Fingerprint {
            model: "samples".to_owned(),
            weights,
            preprocessing,
            dimension: SAMPLES as u32,
        }))
    }

    fn image(number: u32) -> Image {
        let hash = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        Image::new(1, SAMPLES, 1, hash[..SAMPLES].to_vec()).unwrap()
    }

    fn ingest(collection: &Collection, numbers: std::ops::Range<u32>) {
        let items = numbers.map(|number| IngestItem {
            key: number.to_string(),
            image: ItemImage::Decoded(image(number)),
            label: None,
            tags: [].into(),
        });
        collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    }

    fn reopened(root: &Path) -> Collection {
        let database = Database::open(root, embedder(), StoreConfig::default()).unwrap();
        database.collection("main").unwrap()
    }

    /// Hits of some queries by every metric, as id and score.
    fn hits(collection: &Collection) -> Vec<(ExemplarId, f32)> {
        let queries = [0, 7, 5_000, 90_000].map(|number| Metric::ALL.map(|metric| (number, metric)));
        let search = |(number, metric)| {
            let query = Query { metric, hits: 20, ..Query::decoded(image(number)) };
            collection.search(&query).unwrap().hits
        };
        queries.into_iter().flatten().flat_map(search).map(|hit| (hit.id, hit.stages[0].score)).collect()
    }

    fn rows(collection: &Collection) -> Vec<(ExemplarId, Vec<f32>)> {
        let state = collection.state();
        let row = |id| (id, state.clean().row(id).unwrap().to_vec());
        state.catalog().live().iter().map(row).collect()
    }

    type Answers = (Vec<(ExemplarId, f32)>, Vec<(ExemplarId, Vec<f32>)>);

    fn answers(collection: &Collection) -> Answers {
        (hits(collection), rows(collection))
    }

    fn assert_alike((found_hits, found_rows): &Answers, (hits, rows): &Answers) {
        assert!(found_rows == rows, "rows differ");
        assert_eq!(found_hits.len(), hits.len());
        for (found, expected) in found_hits.iter().zip(hits) {
            assert_eq!(found.0, expected.0);
            // The covariance is summed block by block, and where blocks begin depends on what was deleted when.
            assert!((found.1 - expected.1).abs() < 1e-4, "{found:?}, expected {expected:?}");
        }
    }

    fn files(root: &Path) -> PathBuf {
        root.join("collections/main/features")
    }

    #[test]
    fn searches_answer_alike_with_files_of_rows_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("database");
        let database = Database::create(&root, embedder(), StoreConfig::default()).unwrap();
        let fresh = database.collection_or_create("main").unwrap();
        ingest(&fresh, 0..4_000);
        assert!(!files(&root).exists());
        fresh.stored().save_segments(View::CLEAN, SegmentSaving::Everything).unwrap();
        fresh.delete(&["0".to_owned(), "1024".to_owned(), "3999".to_owned()]).unwrap();
        let expected = answers(&fresh);
        drop((database, fresh));

        let mapped = reopened(&root);
        assert_eq!(mapped.state().clean().len(), 4_000);
        assert_alike(&answers(&mapped), &expected);
        drop(mapped);

        std::fs::remove_dir_all(files(&root)).unwrap();
        let read = reopened(&root);
        assert_eq!(read.state().clean().len(), 3_997);
        assert_alike(&answers(&read), &expected);
    }

    #[test]
    fn files_that_are_worth_it_are_written_by_an_ingest_and_again_when_they_are_missed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("database");
        let database = Database::create(&root, embedder(), StoreConfig::default()).unwrap();
        let fresh = database.collection_or_create("main").unwrap();
        ingest(&fresh, 0..3_000);
        let expected = rows(&fresh);
        ingest(&fresh, 3_000..5_000);
        assert!(files(&root).exists());
        assert_eq!(rows(&fresh)[..3_000], expected);
        drop((database, fresh));
        std::fs::remove_dir_all(files(&root)).unwrap();
        assert_eq!(rows(&reopened(&root))[..3_000], expected);
        assert!(files(&root).exists());
    }

    #[test]
    fn writes_after_the_rows_were_mapped_do_not_touch_an_older_state() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("database");
        let database = Database::create(&root, embedder(), StoreConfig::default()).unwrap();
        ingest(&database.collection_or_create("main").unwrap(), 0..4_500);
        drop(database);

        let mapped = reopened(&root);
        let before = mapped.state();
        ingest(&mapped, 4_500..9_700);
        mapped.delete(&["4499".to_owned()]).unwrap();
        assert_eq!((before.clean().len(), before.clean().row(4_500)), (4_500, None));
        assert!(before.clean().row(4_499).is_some());
        let expected = answers(&mapped);
        drop((before, mapped));
        assert_alike(&answers(&reopened(&root)), &expected);
    }
}
