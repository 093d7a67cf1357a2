//! Disks that are full.

use super::database::{create, open, place};
use super::sample::{config, deletes, exemplar, upserts};
use super::workload::{contents, errno};
use crate::generation::tree::memory::{ENOSPC, Effect, Fault, Operation};
use crate::{OpenError, WriteError};

#[test]
fn a_batch_that_finds_too_little_room_changes_nothing_and_the_next_one_is_taken() {
    let (_folder, place) = place();
    let (store, things) = create(&place);
    things.write(upserts(vec![exemplar("a", 1), exemplar("b", 2)])).unwrap();
    let (before, keys) = (contents(&things).unwrap(), place.keys());
    place.memory.arm(None);
    for free in [0, 1 << 20, 63 << 20] {
        place.memory.set_free_bytes(Some(free));
        for batch in [upserts(vec![exemplar("b", 3), exemplar("c", 4)]), deletes(&["a"])] {
            match things.write(batch) {
                Err(WriteError::DiskFull { free_bytes, needed_bytes, .. }) => {
                    assert_eq!(free_bytes, free);
                    assert!(needed_bytes > 64 << 20);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(place.memory.count(Some(Operation::Apply)), 0);
    assert_eq!(contents(&things).unwrap(), before);
    assert_eq!((things.catalog().batch(), place.keys()), (1, keys));

    place.memory.set_free_bytes(Some(1 << 30));
    assert_eq!(things.write(upserts(vec![exemplar("c", 4)])).unwrap().batch, 2);
    assert_eq!(things.write(deletes(&["a"])).unwrap().deleted, [Some(0)]);
    drop((store, things));
    place.memory.restart();
    assert_eq!(contents(&open(&place).1).unwrap().into_keys().collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn a_batch_that_changes_nothing_needs_no_room() {
    let (_folder, place) = place();
    let (_store, things) = create(&place);
    things.write(upserts(vec![exemplar("a", 1)])).unwrap();
    place.memory.set_free_bytes(Some(0));
    assert_eq!(things.write(upserts(vec![exemplar("a", 1)])).unwrap().batch, 1);
}

#[test]
fn a_collection_on_a_full_disk_opens_when_there_is_space_again() {
    let (_folder, place) = place();
    let (store, things) = create(&place);
    things.write(upserts(vec![exemplar("a", 1)])).unwrap();
    place.memory.arm(Some(Fault { on: Some(Operation::Flush), nth: 1, effect: Effect::Full }));
    assert!(matches!(things.write(upserts(vec![exemplar("b", 2)])), Err(WriteError::Failed(_))));
    // Space alone does not make it writable: nobody knows what the failed flush left.
    place.memory.make_space();
    let Err(WriteError::ReadOnly { cause }) = things.write(upserts(vec![exemplar("c", 3)])) else {
        panic!("a collection that is not read-only");
    };
    assert_eq!(errno(&cause), Some(ENOSPC));
    drop((store, things));

    place.memory.arm(Some(Fault { on: None, nth: 1, effect: Effect::Full }));
    match place.try_open(config()) {
        Err(OpenError::Tree { source, .. }) => assert_eq!(errno(&source), Some(ENOSPC)),
        other => panic!("{other:?}"),
    }
    place.memory.make_space();
    let (_store, things) = open(&place);
    assert_eq!(things.id_of("a").unwrap(), Some(0));
    assert!(things.write(upserts(vec![exemplar("c", 3)])).unwrap().durable);
}
