//! Databases of every format version, as they were written then: they can be read for ever.

use std::fs::File;
use std::path::Path;

use flate2::read::GzDecoder;
use lookalike_store::{Collection, OpenError, Store, TagValue, migrate};

use crate::sample::{bytes, config, row};

/// The database that the fixtures hold.
pub(crate) fn unpacked(format: u32, folder: &Path) -> std::path::PathBuf {
    let fixture = format!("{}/tests/fixtures/format-{format}.tar.gz", env!("CARGO_MANIFEST_DIR"));
    tar::Archive::new(GzDecoder::new(File::open(fixture).unwrap())).unpack(folder).unwrap();
    folder.join("database")
}

fn image(seed: u64) -> Vec<u8> {
    bytes(seed, if seed == 5 { 30_000 } else { 1 + (seed as usize * 997) % 1_500 })
}

/// 24 exemplars in four batches; then key 3 was replaced, key 4 relabelled, keys 7 and 11 deleted.
fn check(things: &Collection) {
    let catalog = things.catalog();
    assert_eq!((catalog.len(), catalog.batch(), catalog.next_id()), (22, 5, 25));
    assert_eq!(catalog.views(), ["clean", "blur"]);
    for number in 0..24 {
        let id = things.id_of(&format!("key {number}")).unwrap();
        if number == 7 || number == 11 {
            assert_eq!(id, None);
            continue;
        }
        let id = id.unwrap();
        assert_eq!(u64::from(id), if number == 3 { 24 } else { number });
        let seed = if number == 3 { 103 } else { number };
        assert_eq!(things.image(id).unwrap(), Some(image(seed)));
        assert_eq!(things.rows("clean", &[id]).unwrap().row(0), row(seed));
        let record = things.record(id).unwrap().unwrap();
        let label = match number {
            3 => None,
            4 => Some("another".to_owned()),
            _ => Some(format!("label {}", number % 3)),
        };
        assert_eq!(record.label, label);
        let tag = (number != 3).then_some(TagValue::Number(number as f64));
        assert_eq!(record.tags.get("number"), tag.as_ref());
        if number % 4 == 0 {
            assert_eq!(things.rows("blur", &[id]).unwrap().row(0), row(number + 1000));
        } else {
            assert!(things.rows("blur", &[id]).is_err());
        }
    }
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn a_database_of_format_1_is_named_as_such_and_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpacked(1, folder.path());
    let error = Store::open(&root, config()).unwrap_err();
    assert!(matches!(error, OpenError::OlderFormat { found: 1, current: 2, .. }), "{error}");
    assert!(error.to_string().contains("lookalike migrate"), "{error}");

    assert_eq!(migrate(&root, &config(), &mut |_| {}).unwrap(), 1);
    check(&Store::open(&root, config()).unwrap().collection("things").unwrap().unwrap());
    assert_eq!(migrate(&root, &config(), &mut |_| {}).unwrap(), 2);
    check(&Store::open(&root, config()).unwrap().collection("things").unwrap().unwrap());
}

#[test]
fn a_database_of_format_2_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpacked(2, folder.path());
    check(&Store::open(&root, config()).unwrap().collection("things").unwrap().unwrap());
}

#[test]
fn a_database_of_format_1_that_lost_batches_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpacked(1, folder.path());
    let log = root.join("collections/things/g000001/ground/db");
    let content = std::fs::read(&log).unwrap();
    std::fs::write(&log, &content[..content.len() / 2]).unwrap();
    assert!(migrate(&root, &config(), &mut |_| {}).is_err());
    assert!(matches!(Store::open(&root, config()), Err(OpenError::OlderFormat { found: 1, .. })));
}
