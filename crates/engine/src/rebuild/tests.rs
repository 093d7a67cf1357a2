use std::sync::atomic::{AtomicUsize, Ordering};

use lookalike_plugin_api::{CancelFlag, Digest, EmbedError, Embedder, FeatureRows, Reranker};

use super::filling::STEP_IMAGES;
use super::*;
use crate::toy::{self, DIMENSION, Toy, ToyViews};
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
    assert_eq!(collection.state().clean().dimension(), DIMENSION + 1);
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
fn an_interrupted_rebuild_for_another_model_leaves_what_is_served_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let collection = toy::collection(folder.path(), "main", &Toy::new(1));
    ingest(&collection, 0..700);
    let before = collection.state().number();
    let cancel = CancelFlag::default();
    let budget = Budget::unlimited().with_cancel(cancel.clone());
    let report = collection.rebuild(&serving(Other::new()), &budget, &mut |_| cancel.cancel()).unwrap();
    assert_eq!((report.completion, report.embedded), (Completion::Cancelled, STEP_IMAGES as u64));
    assert_eq!(collection.state().number(), before);
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
    assert!(matches!(error, RebuildError::Store(MaintenanceError::Incomplete { missing: 1, .. })), "{error}");
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
    assert!(matches!(database.drop_collection("main"), Err(lookalike_store::WriteError::InUse { .. })));
    // With its own model there is nothing to do, and going back needs the other model.
    assert_eq!(database.rebuild("main", &Budget::unlimited(), &mut |_| {}).unwrap().embedded, 0);
    assert!(database.rollback("main").is_err());
    ingest(&open, 30..31);
    assert_eq!(nearest(&open, 30), "k30");
}

#[test]
fn a_rebuild_makes_the_views_that_the_new_rerankers_declare() {
    let folder = tempfile::tempdir().unwrap();
    let old = Arc::new(ToyViews::new("toy", &[("dim", 1)]));
    let collection = toy::with_rerankers(folder.path(), &Toy::new(1), &[Arc::clone(&old)]).unwrap();
    toy::ingest(&collection, 0..600);
    let new = Arc::new(ToyViews::new("toy", &[("dim", 2), ("dark", 3)]).with_dimension(DIMENSION + 1));
    let rerankers: Vec<Arc<dyn Reranker>> = vec![Arc::clone(&new) as _];
    let serving = Serving { embedder: Other::new(), rerankers };
    let mut late = 600;
    let report = collection
        .rebuild(&serving, &Budget::unlimited(), &mut |progress| {
            if progress.done < 400 {
                toy::ingest(&collection, late..late + 5);
                late += 5;
            }
        })
        .unwrap();
    let exemplars = u64::from(late);
    assert!(exemplars > 600);
    assert_eq!((report.embedded, report.derived), (exemplars, 2 * exemplars));
    toy::ingest(&collection, late..late + 1);
    let state = collection.state();
    for (name, turn) in [("dim", 2), ("dark", 3)] {
        let view = state.view(name).unwrap();
        assert!(view.missing().is_empty());
        for number in [0, 599, late - 1, late] {
            let row = toy::turned(&toy::scattered(number), turn, DIMENSION + 1);
            assert_eq!(view.matrix().row(number), Some(&row[..]));
        }
    }
    assert!(collection.verify(&mut |_| {}).unwrap().is_clean());

    // With the same model and another view, only that is made.
    let other = Arc::new(ToyViews::new("toy", &[("x", 4)]).with_dimension(DIMENSION + 1));
    let rerankers: Vec<Arc<dyn Reranker>> = vec![Arc::clone(&other) as _];
    let serving = Serving { rerankers, ..serving };
    let report = collection.rebuild(&serving, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!((report.embedded, report.derived), (0, exemplars + 1));
    assert_eq!(collection.drop_stale_views().unwrap().len(), 2);
    assert!(collection.state().view("dim").is_none());
}

#[test]
fn a_collection_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(folder.path(), Toy::new(1), StoreConfig::default()).unwrap();
    let error = database.rebuild("birds", &Budget::unlimited(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
}
