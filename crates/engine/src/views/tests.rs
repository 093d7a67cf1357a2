use std::sync::Arc;

use lookalike_plugin_api::{Budget, CancelFlag, Completion, Embedder};

use crate::toy::{self, Toy, ToyViews};
use crate::{
    Collection, DeriveError, ExportOptions, IngestError, IngestOptions, OpenError, Query, SearchError,
    ViewStatus,
};

fn views(turns: &[(&str, u8)]) -> Arc<ToyViews> {
    Arc::new(ToyViews::new("toy", turns))
}

fn opened(folder: &std::path::Path, rerankers: &[&Arc<ToyViews>]) -> Collection {
    let rerankers: Vec<Arc<ToyViews>> = rerankers.iter().copied().map(Arc::clone).collect();
    toy::with_rerankers(folder, &Toy::new(1), &rerankers).unwrap()
}

fn complete(collection: &Collection) -> u64 {
    let report = collection.complete_views(&Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!(report.completion, Completion::Complete);
    report.derived
}

fn nearest(collection: &Collection, number: u32, view: &str) -> Result<String, SearchError> {
    let query = Query { views: vec![view.to_owned()], hits: 1, ..Query::decoded(toy::scattered(number)) };
    Ok(collection.search(&query)?.hits[0].key.clone())
}

fn status(name: &str, id: &str, rows: u64, missing: u64, is_declared: bool) -> ViewStatus {
    let id = (!id.is_empty()).then(|| id.repeat(8));
    ViewStatus { name: name.to_owned(), id, rows, missing, is_declared }
}

/// Every exemplar has the row in the view that it must have.
fn assert_served(collection: &Collection, view: &str, turn: u8) {
    let state = collection.state();
    let kept = state.view(view).unwrap();
    assert!(kept.missing().is_empty());
    for id in state.catalog().live() {
        let key = collection.record(id).unwrap().unwrap().key;
        let image = toy::scattered(key[1..].parse().unwrap());
        assert_eq!(kept.matrix().row(id), Some(&toy::turned(&image, turn, 4)[..]), "{key}");
    }
}

#[test]
fn rows_of_declared_views_are_made_at_ingest_and_found_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let (dim, dark) = (views(&[("dim", 1)]), Arc::new(ToyViews::new("other", &[("dark", 2)])));
    let collection = opened(folder.path(), &[&dim, &dark]);
    toy::ingest(&collection, 0..600);
    assert_eq!((dim.derived(), dark.derived()), (600, 600));
    for round in 0..2 {
        collection.delete(&[format!("k{round}")]).unwrap();
        toy::ingest(&collection, 600 + round * 10..610 + round * 10);
    }
    let check = |collection: &Collection| {
        assert_served(collection, "dim", 1);
        assert_served(collection, "dark", 2);
        assert_eq!(nearest(collection, 615, "dim").unwrap(), "k615");
        let expected = [("clean", ""), ("dim", "01"), ("dark", "02")];
        assert_eq!(collection.views(), expected.map(|(name, id)| status(name, id, 618, 0, true)));
    };
    check(&collection);
    drop(collection);
    let collection = opened(folder.path(), &[&dim, &dark]);
    check(&collection);
    assert_eq!(complete(&collection), 0);
    assert!(collection.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn files_of_rows_are_made_of_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let dim = views(&[("dim", 1)]);
    let collection = opened(folder.path(), &[&dim]);
    toy::ingest(&collection, 0..5_000);
    drop(collection);
    let files = folder.path().join("database/collections/main/features");
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 2);
    let collection = opened(folder.path(), &[&dim]);
    assert_served(&collection, "dim", 1);
    drop(collection);
    std::fs::remove_dir_all(&files).unwrap();
    assert_served(&opened(folder.path(), &[&dim]), "dim", 1);
    assert!(files.exists());
}

#[test]
fn the_same_ingest_again_derives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dim = views(&[("dim", 1)]);
    let collection = opened(folder.path(), &[&dim]);
    toy::ingest(&collection, 0..50);
    assert_eq!(toy::ingest(&collection, 0..50).unchanged, 50);
    assert_eq!(dim.derived(), 50);
    assert_served(&collection, "dim", 1);
}

#[test]
fn a_view_declared_later_is_refused_with_the_command_that_completes_it() {
    let folder = tempfile::tempdir().unwrap();
    toy::ingest(&opened(folder.path(), &[]), 0..700);
    let dim = views(&[("dim", 1)]);
    let collection = opened(folder.path(), &[&dim]);
    toy::ingest(&collection, 700..705);
    let error = nearest(&collection, 9, "dim").unwrap_err();
    assert!(matches!(error, SearchError::IncompleteView { missing: 700, .. }), "{error}");
    assert!(error.to_string().contains("`lookalike view complete`"), "{error}");
    assert_eq!(collection.views()[1], status("dim", "01", 5, 700, true));
    assert_eq!(nearest(&collection, 9, "clean").unwrap(), "k9");
    assert_eq!(complete(&collection), 700);
    assert_served(&collection, "dim", 1);
    assert_eq!(nearest(&collection, 9, "dim").unwrap(), "k9");
    toy::ingest(&collection, 705..710);
    drop(collection);
    let collection = opened(folder.path(), &[&dim]);
    assert_served(&collection, "dim", 1);
    assert!(collection.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn completing_goes_on_where_it_was_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    toy::ingest(&opened(folder.path(), &[]), 0..1_000);
    let both = views(&[("dim", 1), ("dark", 2)]);
    let collection = opened(folder.path(), &[&both]);
    let cancel = CancelFlag::default();
    let budget = Budget::unlimited().with_cancel(cancel.clone());
    let report = collection
        .complete_views(&budget, &mut |progress| {
            assert_eq!(progress.total, 1_000);
            if progress.done >= 300 {
                cancel.cancel();
            }
        })
        .unwrap();
    assert_eq!((report.completion, report.derived), (Completion::Cancelled, 1_024));
    let error = nearest(&collection, 9, "dark").unwrap_err();
    assert!(matches!(error, SearchError::IncompleteView { missing: 488, .. }), "{error}");
    drop(collection);
    let collection = opened(folder.path(), &[&both]);
    assert_eq!((complete(&collection), both.derived()), (976, 2_000));
    assert_served(&collection, "dim", 1);
    assert_served(&collection, "dark", 2);
}

#[test]
fn searches_and_writes_go_on_while_views_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    toy::ingest(&opened(folder.path(), &[]), 0..1_000);
    let dim = views(&[("dim", 1)]);
    let collection = opened(folder.path(), &[&dim]);
    let mut next = 1_000;
    collection
        .complete_views(&Budget::unlimited(), &mut |_| {
            toy::ingest(&collection, next..next + 10);
            collection.delete(&[format!("k{}", next - 500)]).unwrap();
            next += 10;
            assert_eq!(nearest(&collection, next - 1, "clean").unwrap(), format!("k{}", next - 1));
        })
        .unwrap();
    assert!(next >= 1_030);
    assert_served(&collection, "dim", 1);
    assert_eq!(nearest(&collection, next - 1, "dim").unwrap(), format!("k{}", next - 1));
    assert!(collection.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn another_transformation_under_the_same_name_is_another_view_and_the_old_one_stale() {
    let folder = tempfile::tempdir().unwrap();
    toy::ingest(&opened(folder.path(), &[&views(&[("dim", 1)])]), 0..300);
    let collection = opened(folder.path(), &[&views(&[("dim", 3)])]);
    assert!(matches!(nearest(&collection, 9, "dim"), Err(SearchError::IncompleteView { missing: 300, .. })));
    assert_eq!(complete(&collection), 300);
    assert_served(&collection, "dim", 3);
    assert_eq!(collection.views()[2], status("dim", "01", 300, 0, false));
    assert_eq!(collection.drop_stale_views().unwrap(), ["dim@0101010101010101"]);
    assert_eq!(collection.drop_stale_views().unwrap(), [""; 0]);
    assert_eq!(collection.views().len(), 2);
    assert_eq!(nearest(&collection, 9, "dim").unwrap(), "k9");
    assert!(collection.verify(&mut |_| {}).unwrap().is_clean());
    drop(collection);
    assert_served(&opened(folder.path(), &[&views(&[("dim", 3)])]), "dim", 3);
}

#[test]
fn rerankers_that_contradict_each_other_open_no_collection() {
    let folder = tempfile::tempdir().unwrap();
    let rerankers = [views(&[("dim", 1)]), Arc::new(ToyViews::new("other", &[("dim", 2)]))];
    let error = toy::with_rerankers(folder.path(), &Toy::new(1), &rerankers).unwrap_err();
    assert!(matches!(error, OpenError::Views(_)), "{error}");
    assert!(error.to_string().contains("\"toy\" and \"other\""), "{error}");
}

#[test]
fn rows_that_do_not_fit_the_collection_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let short = Arc::new(ToyViews::new("toy", &[("dim", 1)]).with_dimension(3));
    let collection = opened(folder.path(), &[&short]);
    let error = collection.ingest([toy::item("a", 1)], &Budget::unlimited(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, IngestError::Derive(DeriveError::Rows { found: 3, expected: 4, .. })), "{error}");
    assert!(collection.is_empty());
}

#[test]
fn imported_rows_get_their_views_from_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let source = opened(folder.path(), &[]);
    toy::ingest(&source, 0..40);
    let mut file = tempfile::tempfile().unwrap();
    source.export_parquet(&mut file, &ExportOptions::default(), &Budget::unlimited(), &mut |_| {}).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (toy, dim) = (Toy::new(1), views(&[("dim", 1)]));
    let target = toy::with_rerankers(other.path(), &toy, &[Arc::clone(&dim)]).unwrap();
    target
        .import_parquet(file, "copy", &IngestOptions::default(), &Budget::unlimited(), &mut |_| {})
        .unwrap();
    assert_eq!((toy.embedded(), dim.derived()), (0, 40));
    assert_served(&target, "dim", 1);
    assert_eq!(*target.fingerprint(), *toy.fingerprint());
}
