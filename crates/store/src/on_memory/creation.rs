//! Every operation of creating a collection goes wrong, in every way.

use std::sync::Arc;

use super::database::place;
use super::sample::{config, fingerprint};
use super::workload::errno;
use crate::generation::tree::memory::{EIO, ENOSPC, Effect, Fault};
use crate::{OpenError, Store};

#[test]
fn a_collection_whose_creation_fails_is_not_there_and_may_be_created_again() {
    let (_folder, place) = place();
    let store = Store::create_on(Arc::new(place.memory.clone()), &place, config()).unwrap();
    let mut created = 0;
    place.memory.arm(None);
    drop(store.create_collection("whole", &fingerprint()).unwrap());
    let count = place.memory.count(None);
    for effect in [Effect::Fail(EIO), Effect::Short(EIO), Effect::Full, Effect::Crash, Effect::ShortCrash] {
        for nth in 1..=count {
            place.memory.arm(Some(Fault { on: None, nth, effect }));
            match store.create_collection("things", &fingerprint()) {
                // No write came after the disk was full.
                Ok(_) => assert_eq!(effect, Effect::Full),
                Err(OpenError::Tree { source, .. }) => {
                    let expected = if effect == Effect::Full { ENOSPC } else { EIO };
                    assert_eq!(errno(&source), Some(expected));
                    assert!(store.collection("things").unwrap().is_none());
                    assert_eq!(store.collection_names().unwrap(), ["whole"]);
                }
                Err(error) => panic!("{error:?}"),
            }
            place.memory.restart();
            if store.collection("things").unwrap().is_some() {
                assert!(store.drop_collection("things").unwrap());
            }
            drop(store.create_collection("things", &fingerprint()).unwrap());
            assert!(store.drop_collection("things").unwrap());
            created += 1;
        }
    }
    assert!(created > 20);
}
