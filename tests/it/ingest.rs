//! What an ingest promises: idempotence, upserts by key, refusals one by one, states.

use std::fs;
use std::sync::Arc;

use lookalike_engine::{
    Database, DecodeError, IngestItem, ItemImage, Metric, OpenError, Query, RefusalReason, StoreConfig,
    encode_png,
};
use lookalike_plugin_api::{Budget, CancelFlag, Completion};

use crate::support::{Samples, collection_of, item, strip};

#[test]
fn the_same_ingest_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Vec<u8>> = (0..300_u16).map(|n| vec![(n / 256) as u8, n as u8]).collect();
    let collection = collection_of(&folder.path().join("db"), &rows);
    let before = collection.stats().unwrap();
    let again = rows.iter().enumerate().map(|(n, row)| item(&format!("row/{n:05}"), strip(row), None));
    let report = collection.ingest(again, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!((report.unchanged, report.stored(), report.refused), (300, 0, 0));
    assert_eq!(report.embedding.as_millis(), 0, "unchanged images are not embedded again");
    assert_eq!(collection.stats().unwrap().exemplars, before.exemplars);
}

#[test]
fn an_upsert_replaces_the_content_and_a_new_label_keeps_the_id() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection_of(&folder.path().join("db"), &[vec![1, 1], vec![2, 2]]);
    let first = collection.get("row/00000").unwrap().unwrap();

    let relabelled = [item("row/00000", strip(&[1, 1]), Some("one"))];
    let report = collection.ingest(relabelled, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!(report.relabelled, 1);
    let second = collection.get("row/00000").unwrap().unwrap();
    assert_eq!((second.id, second.label.as_deref()), (first.id, Some("one")));

    let replaced = [item("row/00000", strip(&[200, 7]), Some("one"))];
    let report = collection.ingest(replaced, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!(report.replaced, 1);
    let third = collection.get("row/00000").unwrap().unwrap();
    assert!(third.id > second.id, "an id names one content for ever");
    let nearest = Query { hits: 1, metric: Metric::L2, ..Query::decoded(strip(&[200, 7])) };
    assert_eq!(collection.search(&nearest).unwrap().hits[0].id, third.id);
    assert_eq!(collection.len(), 2);
}

#[test]
fn what_was_stored_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("db");
    let rows: Vec<Vec<u8>> = (0..50).map(|n| vec![n, 255 - n, 7]).collect();
    let query = Query { hits: 50, ..Query::decoded(strip(&[20, 200, 9])) };
    let before = {
        let collection = collection_of(&root, &rows);
        collection.delete(&["row/00013".to_owned(), "absent".to_owned()]).unwrap();
        collection.search(&query).unwrap()
    };
    let database = Database::open(&root, Arc::new(Samples::new(3)), StoreConfig::default()).unwrap();
    let collection = database.collection("main").unwrap();
    let after = collection.search(&query).unwrap();
    assert_eq!(after.hits, before.hits);
    assert_eq!(after.hits.len(), 49);
    assert_eq!(collection.get("row/00013").unwrap(), None);
}

#[test]
fn bad_images_are_refused_one_by_one_and_the_rest_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let good = encode_png(&strip(&[5, 6])).unwrap();
    fs::write(folder.path().join("text.jpg"), "this is not a photo").unwrap();
    let huge = b"P5 50000 50000 255\n".to_vec();
    let of = |key: &str, image| IngestItem { key: key.to_owned(), image, label: None, tags: [].into() };
    let items = vec![
        of("good", ItemImage::Encoded(good.clone())),
        of("cut", ItemImage::Encoded(good[..good.len() / 2].to_vec())),
        of("huge", ItemImage::Encoded(huge)),
        of("text", ItemImage::File(folder.path().join("text.jpg"))),
        of("gone", ItemImage::File(folder.path().join("gone.png"))),
        of("", ItemImage::Encoded(good.clone())),
        of("also good", ItemImage::Decoded(strip(&[7, 8]))),
    ];
    let root = folder.path().join("db");
    let database = Database::create(&root, Arc::new(Samples::new(2)), StoreConfig::default()).unwrap();
    let collection = database.collection_or_create("main").unwrap();
    let report = collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!((report.inserted, report.refused), (2, 5));
    let refused: Vec<&str> = report.refusals.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(refused, ["cut", "huge", "text", "gone", ""]);
    assert!(matches!(report.refusals[0].reason, RefusalReason::Decode(DecodeError::Damaged { .. })));
    assert!(matches!(report.refusals[1].reason, RefusalReason::Decode(DecodeError::Sides { .. })));
    assert!(matches!(report.refusals[2].reason, RefusalReason::Decode(DecodeError::Format { .. })));
    assert!(matches!(report.refusals[3].reason, RefusalReason::Decode(DecodeError::Read(_))));
    assert!(matches!(report.refusals[4].reason, RefusalReason::Limit(_)));
}

#[test]
fn a_cancelled_ingest_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("db");
    let database = Database::create(&root, Arc::new(Samples::new(2)), StoreConfig::default()).unwrap();
    let collection = database.collection_or_create("main").unwrap();
    let flag = CancelFlag::default();
    let budget = Budget::unlimited().with_cancel(flag.clone());
    // Cancelling while the input is read is the latest moment that is the same in every run.
    let items = (0..2000_u16).map(|n| {
        if n == 700 {
            flag.cancel();
        }
        item(&format!("k{n}"), strip(&[(n / 256) as u8, n as u8]), None)
    });
    let mut acknowledged = 0;
    let report = collection.ingest(items, &budget, &mut |progress| acknowledged = progress.stored).unwrap();
    assert_eq!(report.completion, Completion::Cancelled);
    assert_eq!((report.inserted, acknowledged, collection.len()), (768, 768, 768));
}

#[test]
fn a_search_during_an_ingest_sees_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("db");
    let database = Database::create(&root, Arc::new(Samples::new(2)), StoreConfig::default()).unwrap();
    let collection = database.collection_or_create("main").unwrap();
    let items = (0..1024_u16).map(|n| item(&format!("k{n}"), strip(&[(n / 256) as u8, n as u8]), None));
    let seen = collection.clone();
    let query = Query { hits: 2000, metric: Metric::L2, ..Query::decoded(strip(&[0, 0])) };
    let mut sizes = Vec::new();
    let mut watch =
        |_: &lookalike_engine::IngestProgress| sizes.push(seen.search(&query).unwrap().hits.len());
    collection.ingest(items, &Budget::unlimited(), &mut watch).unwrap();
    assert_eq!(sizes, [256, 512, 768, 1024]);
}

#[test]
fn a_database_of_another_model_is_refused_with_both_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("db");
    collection_of(&root, &[vec![1, 2]]);
    let database =
        Database::open(&root, Arc::new(Samples::named("other", 2)), StoreConfig::default()).unwrap();
    let error = database.collection("main").unwrap_err();
    assert!(matches!(error, OpenError::Fingerprint { .. }));
    let line = error.to_string();
    assert!(line.contains("\"samples\" (2 values") && line.contains("\"other\" (2 values"), "{line}");
    assert!(line.contains("open it with its own model"), "{line}");
}
