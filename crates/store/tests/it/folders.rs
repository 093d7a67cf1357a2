use std::fs;

use lookalike_plugin_api::Digest;
use lookalike_store::{Doubt, Durability, DurabilityDemand, OpenError, Store, StoreConfig, WriteError};

use crate::database::{create, open, place};
use crate::sample::{config, exemplar, fingerprint, upserts};

#[test]
fn a_database_is_created_once() {
    let (_folder, root) = place();
    drop(Store::create(&root, config()).unwrap());
    let error = Store::create(&root, config()).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyDatabase { .. }));
    assert!(error.to_string().contains(root.to_str().unwrap()));
}

#[test]
fn a_database_is_not_created_among_other_files() {
    let (_folder, root) = place();
    fs::create_dir(&root).unwrap();
    fs::write(root.join("holiday.txt"), "sun").unwrap();
    assert!(matches!(Store::create(&root, config()), Err(OpenError::NotEmpty { .. })));
    assert!(matches!(Store::open(&root, config()), Err(OpenError::NotDatabase { .. })));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
}

#[test]
fn what_an_interrupted_creation_left_is_no_hindrance() {
    let (_folder, root) = place();
    fs::create_dir_all(root.join("collections")).unwrap();
    fs::write(root.join("LOCK"), "").unwrap();
    let store = Store::create(&root, config()).unwrap();
    let half = root.join("collections/things/g000001/ground");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("db"), "nonsense").unwrap();
    assert!(store.collection("things").unwrap().is_none());
    assert!(store.collection_names().unwrap().is_empty());
    store.create_collection("things", &fingerprint()).unwrap();
    assert_eq!(store.collection_names().unwrap(), ["things"]);
}

#[test]
fn missing_directories_and_files_are_no_databases() {
    let (folder, root) = place();
    assert!(matches!(Store::open(&root, config()), Err(OpenError::NotDatabase { .. })));
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(Store::open(&file, config()), Err(OpenError::NotDatabase { .. })));
    assert!(matches!(Store::create(&file, config()), Err(OpenError::File(_))));
}

#[test]
fn a_damaged_foreign_or_newer_marker_is_refused() {
    let (_folder, root) = place();
    drop(Store::create(&root, config()).unwrap());
    let marker = root.join("lookalike.json");
    let good = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, &good[..good.len() / 2]).unwrap();
    assert!(matches!(Store::open(&root, config()), Err(OpenError::Marker { .. })));
    fs::write(&marker, r#"{"magic":"otherdb","format":1}"#).unwrap();
    assert!(matches!(Store::open(&root, config()), Err(OpenError::ForeignMarker { .. })));
    fs::write(&marker, r#"{"magic":"lookalike","format":99,"shape":"new"}"#).unwrap();
    let error = Store::open(&root, config()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 99, .. }));
    fs::write(&marker, good).unwrap();
    Store::open(&root, config()).unwrap();
}

#[test]
fn a_database_is_open_once_at_a_time() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    assert!(matches!(Store::open(&root, config()), Err(OpenError::Locked { .. })));
    drop(store);
    // The collection alone keeps it open, and works.
    assert!(matches!(Store::open(&root, config()), Err(OpenError::Locked { .. })));
    things.write(upserts(vec![exemplar("a", 1)])).unwrap();
    drop(things);
    let (_store, things) = open(&root);
    assert_eq!(things.id_of("a").unwrap(), Some(0));
}

#[test]
fn a_collection_is_opened_once_and_shared() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let again = store.collection("things").unwrap().unwrap();
    again.write(upserts(vec![exemplar("a", 1)])).unwrap();
    assert_eq!(things.catalog().len(), 1);
    assert_eq!(things.name(), "things");
    let taken = store.create_collection("things", &fingerprint());
    assert!(matches!(taken, Err(OpenError::CollectionExists { .. })));
}

#[test]
fn names_that_are_paths_or_shouting_are_refused() {
    let (_folder, root) = place();
    let store = Store::create(&root, config()).unwrap();
    for name in ["", "..", "a/b", "Upper", "with space", &"x".repeat(65)] {
        let refused = store.create_collection(name, &fingerprint());
        assert!(matches!(refused, Err(OpenError::CollectionName { .. })), "{name}");
        assert!(store.collection(name).unwrap().is_none());
        assert!(!store.drop_collection(name).unwrap());
    }
    store.create_collection(&"x".repeat(64), &fingerprint()).unwrap();
}

#[test]
fn the_fingerprint_is_kept() {
    let (_folder, root) = place();
    let mut other = fingerprint();
    other.weights = Digest([42; 32]);
    other.dimension = 3_500;
    let store = Store::create(&root, config()).unwrap();
    drop(store.create_collection("things", &other).unwrap());
    drop(store);
    let (store, things) = open(&root);
    assert_eq!(*things.fingerprint(), other);
    other.dimension = 3_501;
    assert!(matches!(store.create_collection("wide", &other), Err(OpenError::Fingerprint { .. })));
    assert_eq!(store.collection_names().unwrap(), ["things"]);
}

#[test]
fn a_dropped_collection_is_gone_and_its_name_is_free() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    things.write(upserts(vec![exemplar("a", 1)])).unwrap();
    assert!(matches!(store.drop_collection("things"), Err(WriteError::InUse { .. })));
    assert_eq!(things.id_of("a").unwrap(), Some(0));
    drop(things);
    assert!(store.drop_collection("things").unwrap());
    assert!(!store.drop_collection("things").unwrap());
    assert!(store.collection("things").unwrap().is_none());
    let things = store.create_collection("things", &fingerprint()).unwrap();
    assert!(things.catalog().is_empty());
}

#[test]
fn power_safety_is_reported_or_refused() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let doubt = things.doubt();
    assert_eq!(things.durability() == Durability::PowerSafe, doubt.is_none());
    if cfg!(target_os = "linux") {
        assert_ne!(doubt, Some(Doubt::Sync));
    }
    drop((store, things));
    let strict = StoreConfig { durability: DurabilityDemand::PowerSafe, ..config() };
    let store = Store::open(&root, strict).unwrap();
    match (doubt, store.collection("things")) {
        (None, Ok(Some(_))) => {}
        (Some(expected), Err(OpenError::NotPowerSafe { doubt, .. })) => {
            assert_eq!(doubt, expected);
            assert!(matches!(
                store.create_collection("more", &fingerprint()),
                Err(OpenError::NotPowerSafe { .. })
            ));
            assert_eq!(store.collection_names().unwrap(), ["things"]);
        }
        (doubt, outcome) => panic!("{doubt:?}, {outcome:?}"),
    }
}

#[test]
fn a_collection_without_its_files_is_damaged_not_empty() {
    let (_folder, root) = place();
    drop(create(&root));
    let generation = root.join("collections/things/g000001");
    let away = root.join("away");
    for file in ["READY", "ground/db"] {
        fs::rename(generation.join(file), &away).unwrap();
        let store = Store::open(&root, config()).unwrap();
        assert!(matches!(store.collection("things"), Err(OpenError::Damaged { .. })), "{file}");
        drop(store);
        fs::rename(&away, generation.join(file)).unwrap();
    }
    fs::write(root.join("collections/things/CURRENT"), "../../../etc\n").unwrap();
    let store = Store::open(&root, config()).unwrap();
    assert!(matches!(store.collection("things"), Err(OpenError::Damaged { .. })));
}
