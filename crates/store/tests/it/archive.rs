use std::fs;
use std::path::Path;

use lookalike_store::{ArchiveError, ArchiveWriter, Collection, Store, restore};

use crate::database::{create, open, place};
use crate::sample::{config, deletes, exemplar, labelled, upserts};

fn fill(things: &Collection) {
    things.write(upserts((0..30).map(|n| labelled(&format!("k{n}"), n, "label")).collect())).unwrap();
    things.write(deletes(&["k7"])).unwrap();
}

fn archive(things: &Collection) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new()).unwrap();
    writer.collection(things, &mut |_| {}).unwrap();
    writer.file("model/weights.bin", &b"weights"[..]).unwrap();
    let (bytes, report) = writer.finish().unwrap();
    assert_eq!((report.exemplars, report.bytes), (29, bytes.len() as u64));
    bytes
}

fn restored(bytes: &[u8], root: &Path) -> Result<lookalike_store::ArchiveReport, ArchiveError> {
    restore(bytes, root, &config(), &mut |_| {})
}

#[test]
fn a_backup_of_a_live_collection_is_restored_with_everything() {
    let (folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let bytes = archive(&things);
    // What is written after the backup is not in it.
    things.write(upserts(vec![exemplar("later", 99)])).unwrap();
    let target = folder.path().join("restored");
    let report = restored(&bytes, &target).unwrap();
    assert_eq!((report.exemplars, report.files), (29, vec!["model/weights.bin".to_owned()]));
    assert_eq!(fs::read(target.join("model/weights.bin")).unwrap(), b"weights");
    let store = Store::open(&target, config()).unwrap();
    let copy = store.collection("things").unwrap().unwrap();
    assert_eq!((copy.catalog().len(), copy.uuid()), (29, things.uuid()));
    for n in (0..30).filter(|n| *n != 7) {
        let id = copy.id_of(&format!("k{n}")).unwrap().unwrap();
        assert_eq!(copy.image(id).unwrap(), Some(exemplar("", n).image));
    }
    assert_eq!(copy.id_of("later").unwrap(), None);
    copy.write(upserts(vec![exemplar("more", 5)])).unwrap();
    drop((store, copy));
    assert_eq!(open(&target).1.catalog().len(), 30);
}

#[test]
fn a_database_is_restored_into_a_new_or_empty_directory_alone() {
    let (folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let bytes = archive(&things);
    assert!(matches!(restored(&bytes, &root), Err(ArchiveError::Occupied { .. })));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    restored(&bytes, &empty).unwrap();
    // What an interrupted restore left is no hindrance.
    let target = folder.path().join("again");
    fs::create_dir_all(folder.path().join("again.restoring/collections/things")).unwrap();
    restored(&bytes, &target).unwrap();
    assert!(!folder.path().join("again.restoring").exists());
}

#[test]
fn an_archive_with_a_flipped_bit_or_a_missing_end_is_refused_and_leaves_nothing() {
    let (folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let bytes = archive(&things);
    let target = folder.path().join("restored");
    for case in 0..40usize {
        let mut damaged = bytes.clone();
        let place = case * 7919 * 13 % bytes.len();
        if case % 4 == 3 {
            damaged.truncate(place);
        } else {
            damaged[place] ^= 1 << (case % 8);
        }
        assert!(restored(&damaged, &target).is_err(), "byte {place}");
        assert!(!target.exists() && !folder.path().join("restored.restoring").exists(), "byte {place}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(restored(&longer, &target), Err(ArchiveError::Damaged { .. })));
    assert!(matches!(restored(b"PK\x03\x04 something else", &target), Err(ArchiveError::Foreign)));
    let mut newer = bytes;
    newer[18] = 9;
    let error = restored(&newer, &target).unwrap_err();
    assert!(matches!(error, ArchiveError::Newer { found: 9, newest: 1 }), "{error}");
}

#[test]
fn files_of_an_archive_stay_inside_and_beside_the_stores_own() {
    for name in ["../x", "/etc/x", "collections/x", "LOCK", "", "a/../b", "lookalike.json", "a\\b"] {
        let mut writer = ArchiveWriter::new(Vec::new()).unwrap();
        assert!(matches!(writer.file(name, &b""[..]), Err(ArchiveError::FileName { .. })), "{name}");
    }
}
