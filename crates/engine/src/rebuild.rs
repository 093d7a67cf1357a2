//! Rows of another model for all that is stored, while the old ones are served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_api::{Budget, Completion, Embedder, ExemplarId, Fingerprint, Image, View};
use rayon::prelude::*;
use store::{Catalog, MaintenanceError, ReadError};
use thiserror::Error;
use tracing::info_span;

use crate::collection::Collection;
use crate::decode::{DecodeError, decode};
use crate::generation::Serving;
use crate::ingest::{IngestError, rows_of};

/// Images in one step; a kill loses at most so many rows of work.
const STEP_IMAGES: usize = 256;
/// With no more than so many rows missing, writers wait until the switch is done.
const LAST_IMAGES: u64 = 256;
/// Images that are embedded to say how long a rebuild will take.
const SAMPLE_IMAGES: usize = 256;
/// Images that are embedded before the clock is started.
const WARMING_IMAGES: usize = 32;

/// How far a rebuild has come. Every row counted survives a kill: the same call goes on from there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RebuildProgress {
    /// Exemplars that have their row.
    pub done: u64,
    /// Exemplars in all.
    pub total: u64,
    /// Images embedded each second since the call began.
    pub images_per_second: f64,
    /// What is left at that rate.
    pub remaining: Duration,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildReport {
    /// Rows that were made.
    pub embedded: u64,
    /// Rows that were there from an earlier rebuild that was interrupted.
    pub found: u64,
    /// Whether all rows were made; if not, the same call goes on where it ended, and the old rows are served.
    pub completion: Completion,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// What a rebuild would cost.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildEstimate {
    /// Exemplars in all.
    pub exemplars: u64,
    /// Those whose row is missing.
    pub missing: u64,
    /// Bytes of the rows to be made. Until the rows before are dropped they take room besides.
    pub row_bytes: u64,
    /// Images embedded each second, measured on some of the collection's own; 0 if there is nothing to embed.
    pub images_per_second: f64,
    /// How long it would take at that rate.
    pub duration: Duration,
}

/// Why rows could not be rebuilt. Those made before stay, and the old ones are served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The model failed, or gave rows that do not fit.
    #[error("embed: the images cannot be embedded by the new model")]
    Embed(#[source] IngestError),
    /// A stored image cannot be decoded.
    #[error("decode: the image of exemplar {id} cannot be decoded; delete it, or restore it from a backup")]
    Decode {
        /// The exemplar.
        id: ExemplarId,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// What is stored cannot be read.
    #[error("store: the collection cannot be read")]
    Read(#[from] ReadError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] MaintenanceError),
}

impl Collection {
    /// Embeds every image by another model, and then serves its rows and rerankers instead of the present ones.
    ///
    /// Searches and writes go on meanwhile, with the present model; writers wait for the last few hundred images and
    /// the switch. Interrupted by its budget or by the end of the process, the same call goes on where it was. With the
    /// present model it completes missing rows. The rows that were served stay for [`Collection::rollback`].
    ///
    /// # Errors
    ///
    /// [`RebuildError`].
    pub fn rebuild(
        &self,
        serving: &Serving,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<RebuildReport, RebuildError> {
        let stored = self.stored();
        let model = stored.begin_rebuild(serving.embedder.fingerprint())?;
        let mut run = Run::new(&stored, serving.embedder.as_ref(), model, budget);
        while run.missing() > LAST_IMAGES {
            if !run.step(progress)? {
                return Ok(run.report());
            }
        }
        let _alone = self.close_gate();
        if !run.finish(progress)? {
            return Ok(run.report());
        }
        self.reload(Some(Arc::new(serving.clone())))?;
        Ok(run.report())
    }

    /// Serves the rows of the model before the last rebuild again. `serving` must be that model.
    ///
    /// # Errors
    ///
    /// [`RebuildError::Store`] when no rows of a previous model are kept, when it is another model, or when exemplars
    /// were stored since the switch, for which a rebuild with that model makes the rows.
    pub fn rollback(&self, serving: &Serving) -> Result<(), RebuildError> {
        let _alone = self.close_gate();
        roll_back(&self.stored(), serving.embedder.fingerprint())?;
        Ok(self.reload(Some(Arc::new(serving.clone())))?)
    }
}

/// As [`Collection::rebuild`], of a collection that is not open, with the model that it will be opened with.
pub(crate) fn rebuild_stored(
    stored: &store::Collection,
    embedder: &dyn Embedder,
    budget: &Budget,
    progress: &mut dyn FnMut(&RebuildProgress),
) -> Result<RebuildReport, RebuildError> {
    let model = stored.begin_rebuild(embedder.fingerprint())?;
    let mut run = Run::new(stored, embedder, model, budget);
    run.finish(progress)?;
    Ok(run.report())
}

/// As [`Collection::rollback`], of a collection that is not open.
pub(crate) fn roll_back(stored: &store::Collection, wanted: &Fingerprint) -> Result<(), MaintenanceError> {
    let models = stored.catalog().models();
    let previous = models.iter().find(|model| model.role == store::ModelRole::Previous);
    if previous.is_some_and(|previous| previous.fingerprint != *wanted) {
        return Err(MaintenanceError::NoModel {
            wanted: "previous",
            remedy: "the previous one is another than the model given",
        });
    }
    stored.rollback()
}

/// What a rebuild with this model would cost.
pub(crate) fn estimate(
    stored: &store::Collection,
    embedder: &dyn Embedder,
) -> Result<RebuildEstimate, RebuildError> {
    let catalog = stored.catalog();
    let wanted = embedder.fingerprint();
    let known = catalog.models().into_iter().find(|model| model.fingerprint == *wanted);
    let missing = known.map_or_else(
        || Arc::new(catalog.live().clone()),
        |model| catalog.without_row(model.number, View::CLEAN),
    );
    // Spread over all of them: images of one source lie together.
    let every = (missing.len() as usize).div_ceil(SAMPLE_IMAGES).max(1);
    let ids: Vec<ExemplarId> = missing.iter().step_by(every).collect();
    let images = images_of(stored, &catalog, &ids)?;
    // The first images are slower: the model's memory and threads are not there yet.
    let warm = &images[..images.len().min(WARMING_IMAGES)];
    if !warm.is_empty() {
        rows_of(warm, embedder).map_err(RebuildError::Embed)?;
    }
    let begun = Instant::now();
    if !images.is_empty() {
        rows_of(&images, embedder).map_err(RebuildError::Embed)?;
    }
    let images_per_second = images.len() as f64 / begun.elapsed().as_secs_f64().max(1e-9);
    let images_per_second = if images.is_empty() { 0.0 } else { images_per_second };
    Ok(RebuildEstimate {
        exemplars: catalog.len(),
        missing: missing.len(),
        row_bytes: missing.len() * u64::from(wanted.dimension) * size_of::<f32>() as u64,
        images_per_second,
        duration: remaining(missing.len(), images_per_second),
    })
}

struct Run<'a> {
    stored: &'a store::Collection,
    embedder: &'a dyn Embedder,
    model: u16,
    budget: &'a Budget,
    begun: Instant,
    embedded: u64,
    found: u64,
    completion: Completion,
}

impl<'a> Run<'a> {
    fn new(
        stored: &'a store::Collection,
        embedder: &'a dyn Embedder,
        model: u16,
        budget: &'a Budget,
    ) -> Self {
        let catalog = stored.catalog();
        let found = catalog.len() - catalog.without_row(model, View::CLEAN).len();
        let (begun, completion) = (Instant::now(), Completion::Complete);
        Self { stored, embedder, model, budget, begun, embedded: 0, found, completion }
    }

    fn missing(&self) -> u64 {
        self.stored.catalog().without_row(self.model, View::CLEAN).len()
    }

    /// Makes some rows; `false` when the budget is gone.
    fn step(&mut self, progress: &mut dyn FnMut(&RebuildProgress)) -> Result<bool, RebuildError> {
        if let Some(completion) = self.budget.exhausted() {
            self.completion = completion;
            return Ok(false);
        }
        let catalog = self.stored.catalog();
        let missing = catalog.without_row(self.model, View::CLEAN);
        let ids: Vec<ExemplarId> = missing.iter().take(STEP_IMAGES).collect();
        let images = images_of(self.stored, &catalog, &ids)?;
        let rows = rows_of(&images, self.embedder).map_err(RebuildError::Embed)?;
        let rows: Vec<_> = ids.into_iter().zip(rows.rows().map(<[f32]>::to_vec)).collect();
        let _span = info_span!("stage", name = "store", n = rows.len()).entered();
        self.embedded += self.stored.write_rows(self.model, View::CLEAN, &rows)?;
        let images_per_second = self.embedded as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = missing.len() - rows.len() as u64;
        progress(&RebuildProgress {
            done: catalog.len() - left,
            total: catalog.len(),
            images_per_second,
            remaining: remaining(left, images_per_second),
        });
        Ok(true)
    }

    /// Makes all rows and switches; `false` when the budget is gone. Nobody else may write rows of the old model.
    fn finish(&mut self, progress: &mut dyn FnMut(&RebuildProgress)) -> Result<bool, RebuildError> {
        loop {
            while self.missing() > 0 {
                if !self.step(progress)? {
                    return Ok(false);
                }
            }
            if self.stored.catalog().current_model() == self.model {
                return Ok(true);
            }
            match self.stored.switch_model() {
                Err(MaintenanceError::Incomplete { .. }) => {}
                switched => return Ok(switched.map(|()| true)?),
            }
        }
    }

    fn report(&self) -> RebuildReport {
        RebuildReport {
            embedded: self.embedded,
            found: self.found,
            completion: self.completion,
            elapsed: self.begun.elapsed(),
        }
    }
}

fn remaining(images: u64, images_per_second: f64) -> Duration {
    Duration::try_from_secs_f64(images as f64 / images_per_second).unwrap_or(Duration::ZERO)
}

fn images_of(
    stored: &store::Collection,
    catalog: &Catalog,
    ids: &[ExemplarId],
) -> Result<Vec<Image>, RebuildError> {
    let _span = info_span!("stage", name = "decode", n = ids.len()).entered();
    ids.par_iter()
        .map(|&id| {
            let encoded = stored.image_in(catalog, id)?.unwrap_or_default();
            let decoded = decode(&encoded).map_err(|source| RebuildError::Decode { id, source })?;
            Ok(decoded.image)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use plugin_api::{CancelFlag, Digest, EmbedError, FeatureRows};

    use super::*;
    use crate::toy::{self, DIMENSION, Toy};
    use crate::{Database, Metric, OpenError, Query, StoreConfig};

    const FACTOR: f32 = 3.0;

    /// Another model of the same images: its rows are longer by one value.
    struct Other(Fingerprint, AtomicUsize);

    impl Other {
        fn new() -> Arc<Self> {
            let fingerprint = Fingerprint {
                model: "other".to_owned(),
                weights: Digest([9; 32]),
                preprocessing: Digest([2; 32]),
                dimension: DIMENSION as u32 + 1,
            };
            Arc::new(Self(fingerprint, AtomicUsize::new(0)))
        }
    }

    impl Embedder for Other {
        fn fingerprint(&self) -> &Fingerprint {
            &self.0
        }

        fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
            self.1.fetch_add(images.len(), Ordering::Relaxed);
            let row = |image: &Image| -> Vec<f32> {
                image.samples().iter().map(|s| f32::from(*s) * FACTOR).chain([1.0]).collect()
            };
            FeatureRows::new(DIMENSION + 1, images.iter().flat_map(row).collect()).map_err(EmbedError::new)
        }
    }

    fn serving(model: Arc<dyn Embedder>) -> Serving {
        Serving { embedder: model, rerankers: Vec::new() }
    }

    fn ingest(collection: &Collection, numbers: std::ops::Range<u32>) {
        let items = numbers.map(|number| toy::item(&format!("k{number}"), number));
        collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    }

    fn nearest(collection: &Collection, number: u32) -> String {
        let query = Query { metric: Metric::L2, hits: 1, ..Query::decoded(toy::image(number)) };
        collection.search(&query).unwrap().hits[0].key.clone()
    }

    #[test]
    fn searches_and_writes_go_on_during_a_rebuild_and_see_the_new_model_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let toy = Toy::new(1);
        let collection = toy::collection(folder.path(), "main", &toy);
        ingest(&collection, 0..1_000);
        let other = Other::new();
        let mut steps = 0;
        let report = collection
            .rebuild(&serving(Arc::clone(&other) as _), &Budget::unlimited(), &mut |progress| {
                steps += 1;
                if progress.done < 900 {
                    assert_eq!(*collection.fingerprint(), *toy.fingerprint());
                    assert_eq!(nearest(&collection, 77), "k77");
                    let next = 1_000 + steps * 10;
                    ingest(&collection, next..next + 10);
                }
            })
            .unwrap();
        assert_eq!(report.completion, Completion::Complete);
        assert!(steps > 3);
        assert_eq!(report.embedded, collection.len());
        assert_eq!(*collection.fingerprint(), *other.fingerprint());
        assert_eq!(nearest(&collection, 1_015), "k1015");
        assert_eq!(collection.generation().clean().dimension(), DIMENSION + 1);
        ingest(&collection, 5_000..5_001);
        assert_eq!(nearest(&collection, 5_000), "k5000");
        assert!(collection.verify(&mut |_| {}).unwrap().is_clean());
    }

    #[test]
    fn an_interrupted_rebuild_goes_on_where_it_was_and_the_old_rows_are_served_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let collection = toy::collection(folder.path(), "main", &Toy::new(1));
        ingest(&collection, 0..700);
        drop(collection);
        let other = Other::new();
        let open = |model: Arc<dyn Embedder>| {
            Database::open(&folder.path().join("main"), model, StoreConfig::default()).unwrap()
        };
        let database = open(Arc::clone(&other) as _);
        let error = database.collection("main").unwrap_err();
        assert!(error.to_string().contains("lookalike rebuild"), "{error}");
        assert_eq!(database.estimate_rebuild("main").unwrap().missing, 700);
        let sampled = other.1.load(Ordering::Relaxed);

        let cancel = CancelFlag::default();
        let budget = Budget::unlimited().with_cancel(cancel.clone());
        let report = database.rebuild("main", &budget, &mut |_| cancel.cancel()).unwrap();
        assert_eq!((report.completion, report.embedded), (Completion::Cancelled, STEP_IMAGES as u64));
        drop(database);
        assert_eq!(nearest(&open(Toy::new(1)).collection("main").unwrap(), 5), "k5");

        let database = open(Arc::clone(&other) as _);
        let report = database.rebuild("main", &Budget::unlimited(), &mut |_| {}).unwrap();
        assert_eq!((report.found, report.embedded), (STEP_IMAGES as u64, 700 - STEP_IMAGES as u64));
        assert_eq!(other.1.load(Ordering::Relaxed) - sampled, 700);
        assert_eq!(nearest(&database.collection("main").unwrap(), 5), "k5");
    }

    #[test]
    fn a_rollback_needs_the_previous_model_and_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let toy = Toy::new(1);
        let collection = toy::collection(folder.path(), "main", &toy);
        ingest(&collection, 0..50);
        let (old, new) = (serving(Arc::clone(&toy) as _), serving(Other::new()));
        assert!(matches!(collection.rollback(&old), Err(RebuildError::Store(_))));
        collection.rebuild(&new, &Budget::unlimited(), &mut |_| {}).unwrap();
        assert!(matches!(collection.rollback(&serving(Toy::new(7))), Err(RebuildError::Store(_))));
        collection.rollback(&old).unwrap();
        assert_eq!(*collection.fingerprint(), *toy.fingerprint());
        assert_eq!(nearest(&collection, 7), "k7");
        let embedded = toy.embedded();
        collection.rebuild(&new, &Budget::unlimited(), &mut |_| {}).unwrap();
        // One more under the new model: going back needs its row.
        ingest(&collection, 90..91);
        let error = collection.rollback(&old).unwrap_err();
        assert!(
            matches!(error, RebuildError::Store(MaintenanceError::Incomplete { missing: 1, .. })),
            "{error}"
        );
        let report = collection.rebuild(&old, &Budget::unlimited(), &mut |_| {}).unwrap();
        assert_eq!((report.found, report.embedded, toy.embedded() - embedded), (50, 1, 1));
        assert_eq!(nearest(&collection, 90), "k90");
    }

    #[test]
    fn an_open_collection_follows_a_rebuild_of_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let collection = toy::collection(folder.path(), "main", &Toy::new(1));
        ingest(&collection, 0..20);
        drop(collection);
        let other = Other::new();
        let embedder: Arc<dyn Embedder> = Arc::clone(&other) as _;
        let database = Database::open(&folder.path().join("main"), embedder, StoreConfig::default()).unwrap();
        database.rebuild("main", &Budget::unlimited(), &mut |_| {}).unwrap();
        let open = database.collection("main").unwrap();
        assert!(matches!(database.drop_collection("main"), Err(store::WriteError::InUse { .. })));
        // With its own model there is nothing to do, and going back needs the other model.
        assert_eq!(database.rebuild("main", &Budget::unlimited(), &mut |_| {}).unwrap().embedded, 0);
        assert!(database.rollback("main").is_err());
        ingest(&open, 30..31);
        assert_eq!(nearest(&open, 30), "k30");
    }

    #[test]
    fn a_collection_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create(folder.path(), Toy::new(1), StoreConfig::default()).unwrap();
        let error = database.rebuild("birds", &Budget::unlimited(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    }
}
