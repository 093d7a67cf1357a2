use std::fs;
use std::path::{Path, PathBuf};

use lookalike_plugin_api::{Digest, ExemplarId, Fingerprint};
use lookalike_store::{Collection, SegmentSaving, Store};

use crate::database::{create, open, place};
use crate::sample::{DIMENSION, config, deletes, exemplar, fingerprint, row, upserts};

const EVERYTHING: SegmentSaving = SegmentSaving::Everything;

/// Folder of the files of the clean view.
fn files(root: &Path) -> PathBuf {
    root.join("collections/things/features/0000")
}

fn first_file(root: &Path) -> PathBuf {
    files(root).join("0000.rows")
}

/// Stores exemplars whose key, image and row follow from their number.
fn store_numbers(collection: &Collection, numbers: std::ops::Range<u64>) {
    let numbers: Vec<u64> = numbers.collect();
    for numbers in numbers.chunks(4_096) {
        let small = |&number: &u64| {
            let image = number.to_le_bytes().to_vec();
            lookalike_store::NewExemplar { image, ..exemplar(&format!("key-{number}"), number) }
        };
        collection.write(upserts(numbers.iter().map(small).collect())).unwrap();
    }
}

/// What a caller sees: rows of live exemplars, by id, and how many of them are mapped.
fn rows(collection: &Collection) -> (Vec<(ExemplarId, Vec<f32>)>, usize) {
    let catalog = collection.catalog();
    let mut rows = Vec::new();
    let mut mapped = 0;
    for segment in collection.load_segments(&catalog, "clean").unwrap() {
        assert_eq!(segment.dimension(), DIMENSION);
        for (id, row) in segment.ids().iter().zip(segment.values().chunks_exact(DIMENSION)) {
            if catalog.live().contains(*id) {
                rows.push((*id, row.to_vec()));
                mapped += usize::from(segment.is_mapped());
            }
        }
    }
    assert!(rows.is_sorted_by(|one, next| one.0 < next.0));
    (rows, mapped)
}

fn expected(numbers: impl Iterator<Item = u32>) -> Vec<(ExemplarId, Vec<f32>)> {
    numbers.map(|number| (number, row(number.into()))).collect()
}

#[test]
fn rows_come_from_the_files_after_they_were_saved() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    store_numbers(&things, 0..50);
    assert_eq!(rows(&things), (expected(0..50), 0));
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 1);
    assert_eq!(rows(&things), (expected(0..50), 50));
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 0);
    drop((store, things));
    let (_store, things) = open(&root);
    assert_eq!(rows(&things), (expected(0..50), 50));
}

#[test]
fn a_segment_outlives_the_file_it_was_mapped_from() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..50);
    things.save_segments("clean", EVERYTHING).unwrap();
    let before = things.load_segments(&things.catalog(), "clean").unwrap();
    store_numbers(&things, 50..90);
    things.save_segments("clean", EVERYTHING).unwrap();
    fs::remove_dir_all(files(&root)).unwrap();
    assert_eq!(before[0].values().chunks_exact(DIMENSION).last().unwrap(), row(49));
    assert_eq!(rows(&things), (expected(0..90), 0));
}

#[test]
fn few_rows_are_not_worth_a_file_and_many_new_ones_are_worth_another() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let save = || things.save_segments("clean", SegmentSaving::Worthwhile).unwrap();
    store_numbers(&things, 0..4_000);
    assert_eq!(save(), 0);
    store_numbers(&things, 4_000..5_000);
    assert_eq!((save(), rows(&things)), (1, (expected(0..5_000), 5_000)));
    store_numbers(&things, 5_000..6_000);
    assert_eq!((save(), rows(&things)), (0, (expected(0..6_000), 5_000)));
    store_numbers(&things, 6_000..10_000);
    assert_eq!((save(), rows(&things)), (1, (expected(0..10_000), 10_000)));
}

#[test]
fn a_complete_span_is_written_once_and_the_next_begins_its_own_file() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..65_540);
    assert_eq!(things.save_segments("clean", SegmentSaving::Worthwhile).unwrap(), 1);
    let written = fs::metadata(first_file(&root)).unwrap().modified().unwrap();
    assert_eq!(rows(&things), (expected(0..65_540), 65_536));
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 1);
    assert_eq!(rows(&things), (expected(0..65_540), 65_540));
    assert_eq!(fs::metadata(first_file(&root)).unwrap().modified().unwrap(), written);
    assert!(files(&root).join("0001.rows").is_file());
}

#[test]
fn deletes_and_replacements_after_the_file_are_seen() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..50);
    things.save_segments("clean", EVERYTHING).unwrap();
    things.write(deletes(&["key-0", "key-7", "key-49"])).unwrap();
    things.write(upserts(vec![exemplar("key-3", 50)])).unwrap();
    let live = (1..49).filter(|id| ![3, 7].contains(id)).chain([50]);
    assert_eq!(rows(&things), (expected(live.clone()), 46));
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 1);
    assert_eq!(rows(&things), (expected(live), 47));
}

#[test]
fn the_file_of_a_span_without_exemplars_is_removed() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..3);
    things.save_segments("clean", EVERYTHING).unwrap();
    things.write(deletes(&["key-0", "key-1", "key-2"])).unwrap();
    assert!(things.load_segments(&things.catalog(), "clean").unwrap().is_empty());
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 0);
    assert!(!first_file(&root).exists());
}

#[test]
fn any_flipped_byte_and_any_cut_is_answered_from_the_tree_and_can_be_saved_again() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..6);
    things.save_segments("clean", EVERYTHING).unwrap();
    let path = first_file(&root);
    let whole = fs::read(&path).unwrap();
    let all = expected(0..6);
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        assert_eq!(rows(&things), (all.clone(), 0), "byte {place}");
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(rows(&things), (all.clone(), 0), "{length} bytes");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert_eq!(rows(&things), (all.clone(), 0));
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 1);
    assert_eq!(rows(&things), (all, 6));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_file_of_an_earlier_collection_of_the_same_name_is_not_believed() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    store_numbers(&things, 100..150);
    things.save_segments("clean", EVERYTHING).unwrap();
    let old = fs::read(first_file(&root)).unwrap();
    drop(things);
    assert!(store.drop_collection("things").unwrap());
    let things = store.create_collection("things", &fingerprint()).unwrap();
    store_numbers(&things, 0..50);
    fs::create_dir_all(files(&root)).unwrap();
    fs::write(first_file(&root), old).unwrap();
    assert_eq!(rows(&things), (expected(0..50), 0));
}

#[test]
fn a_file_of_another_view_or_span_is_not_believed() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let two = |number: u64| {
        let mut new = exemplar(&format!("key-{number}"), number);
        new.rows.push(("mirror".to_owned(), row(number + 1_000)));
        new
    };
    things.write(upserts((0..9).map(two).collect())).unwrap();
    for view in ["clean", "mirror"] {
        assert_eq!(things.save_segments(view, EVERYTHING).unwrap(), 1);
    }
    let mirror = files(&root).with_file_name("0001").join("0000.rows");
    fs::copy(&mirror, first_file(&root)).unwrap();
    assert_eq!(rows(&things), (expected(0..9), 0));
    let segments = things.load_segments(&things.catalog(), "mirror").unwrap();
    assert!(segments[0].is_mapped());
    assert_eq!(segments[0].values()[..DIMENSION], row(1_000));
}

#[test]
fn a_view_that_not_every_exemplar_has_is_mapped_too() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let mut some = exemplar("both", 1);
    some.rows.push(("mirror".to_owned(), row(9)));
    things.write(upserts(vec![exemplar("one", 0), some, exemplar("other", 2)])).unwrap();
    assert_eq!(things.save_segments("mirror", EVERYTHING).unwrap(), 1);
    let segments = things.load_segments(&things.catalog(), "mirror").unwrap();
    assert_eq!((segments.len(), segments[0].is_mapped()), (1, true));
    assert_eq!((segments[0].ids(), segments[0].values()), (&[1][..], &row(9)[..]));
}

#[test]
fn a_view_that_is_not_kept_has_no_segments() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    assert!(matches!(
        things.load_segments(&things.catalog(), "clean"),
        Err(lookalike_store::ReadError::UnknownView { .. })
    ));
    assert!(matches!(
        things.save_segments("clean", EVERYTHING),
        Err(lookalike_store::SegmentError::Read(lookalike_store::ReadError::UnknownView { .. }))
    ));
}

/// Copies a closed database's folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn files_of_a_later_log_are_gone_before_an_older_one_gives_the_ids_away_again() {
    let (folder, root) = place();
    let (store, things) = create(&root);
    store_numbers(&things, 0..20);
    drop((store, things));
    let older = folder.path().join("older");
    copy(&root, &older);
    let (store, things) = open(&root);
    store_numbers(&things, 20..60);
    things.save_segments("clean", EVERYTHING).unwrap();
    drop((store, things));

    let newer = fs::read(first_file(&root)).unwrap();
    fs::create_dir_all(files(&older)).unwrap();
    fs::write(first_file(&older), &newer).unwrap();
    fs::write(files(&older).join("0001.tmp"), b"half").unwrap();
    let (store, things) = open(&older);
    assert_eq!(fs::read_dir(files(&older)).unwrap().count(), 0);
    store_numbers(&things, 500..570);
    let now = things.load_segments(&things.catalog(), "clean").unwrap();
    assert_eq!(now[0].values()[20 * DIMENSION..21 * DIMENSION], row(500));

    // Put there while the collection is open, its newest row gives it away.
    fs::write(first_file(&older), &newer).unwrap();
    let now = things.load_segments(&things.catalog(), "clean").unwrap();
    assert!(!now[0].is_mapped());
    assert_eq!(now[0].values()[59 * DIMENSION..60 * DIMENSION], row(539));
    drop(store);
}

#[test]
fn a_file_in_a_newer_format_is_left_alone_until_it_is_written_again() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..5);
    things.save_segments("clean", EVERYTHING).unwrap();
    let mut newer = fs::read(first_file(&root)).unwrap();
    newer[8] = 2;
    fs::write(first_file(&root), &newer).unwrap();
    assert_eq!(rows(&things), (expected(0..5), 0));
    assert_eq!(fs::read(first_file(&root)).unwrap(), newer);
    assert_eq!(things.save_segments("clean", EVERYTHING).unwrap(), 1);
    assert_eq!(rows(&things), (expected(0..5), 5));
}

#[test]
fn a_file_of_rows_of_another_length_is_not_believed() {
    let (_folder, root) = place();
    let store = Store::create(&root, config()).unwrap();
    let longer = Fingerprint { dimension: DIMENSION as u32 * 2, weights: Digest([9; 32]), ..fingerprint() };
    let others = store.create_collection("others", &longer).unwrap();
    let things = store.create_collection("things", &fingerprint()).unwrap();
    let mut new = exemplar("key", 0);
    new.rows[0].1 = [row(0), row(0)].concat();
    others.write(upserts(vec![new])).unwrap();
    others.save_segments("clean", EVERYTHING).unwrap();
    store_numbers(&things, 0..2);
    fs::create_dir_all(files(&root)).unwrap();
    fs::copy(root.join("collections/others/features/0000/0000.rows"), first_file(&root)).unwrap();
    assert_eq!(rows(&things), (expected(0..2), 0));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_of_saving_and_none_of_loading() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..5);
    let features = root.join("collections/things/features");
    fs::write(&features, b"in the way").unwrap();
    let error = things.save_segments("clean", EVERYTHING).unwrap_err();
    assert!(
        matches!(&error, lookalike_store::SegmentError::File(error) if error.path().starts_with(&features)),
        "{error}"
    );
    assert_eq!(rows(&things), (expected(0..5), 0));
}

#[test]
fn rows_are_right_while_others_write_and_save() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    store_numbers(&things, 0..10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for start in (10..400).step_by(10) {
                store_numbers(&things, start..start + 10);
                things.write(deletes(&[&format!("key-{}", start - 5)])).unwrap();
            }
        });
        for saves in [true, false] {
            let things = &things;
            scope.spawn(move || {
                for _ in 0..60 {
                    if saves {
                        things.save_segments("clean", EVERYTHING).unwrap();
                    }
                    let live = things.catalog();
                    let (found, _) = rows(things);
                    assert!(found.iter().all(|(id, found)| *found == row((*id).into())));
                    let found: std::collections::BTreeSet<_> = found.iter().map(|(id, _)| *id).collect();
                    let now = things.catalog();
                    let lost = |&id: &ExemplarId| now.live().contains(id) && !found.contains(&id);
                    assert_eq!(live.live().iter().find(lost), None);
                }
            });
        }
    });
    let live = (0..400).filter(|id| id % 10 != 5 || *id == 395);
    assert_eq!(rows(&things).0, expected(live));
}
