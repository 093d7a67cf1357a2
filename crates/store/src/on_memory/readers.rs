//! What is seen of batches that are not durable yet, or that failed.

use std::thread;

use super::database::{create, open, place};
use super::sample::{exemplar, labelled, tagged, upserts};
use crate::generation::tree::Changes;
use crate::generation::tree::memory::{EIO, Effect, Fault, Operation};
use crate::{Collection, ReadError, TagValue, WriteBatch, WriteError, key};

fn before() -> WriteBatch {
    upserts(vec![exemplar("replaced", 1), exemplar("deleted", 2), labelled("relabelled", 3, "old")])
}

fn change() -> WriteBatch {
    let upserts = vec![exemplar("replaced", 4), labelled("relabelled", 3, "new"), exemplar("inserted", 5)];
    WriteBatch { upserts, deletes: vec!["deleted".to_owned()] }
}

fn assert_unchanged(things: &Collection) {
    let ids = ["replaced", "deleted", "relabelled", "inserted"].map(|key| things.id_of(key).unwrap());
    assert_eq!(ids, [Some(0), Some(1), Some(2), None]);
    assert_eq!(things.record(2).unwrap().unwrap().label.as_deref(), Some("old"));
    assert_eq!(things.image(0).unwrap(), Some(exemplar("", 1).image));
    assert_eq!(things.image(1).unwrap(), Some(exemplar("", 2).image));
}

#[test]
fn a_batch_is_not_seen_before_it_is_durable_and_never_if_it_fails() {
    for is_failing in [false, true] {
        let (_folder, place) = place();
        let (_store, things) = create(&place);
        things.write(before()).unwrap();
        let fault = Fault { on: Some(Operation::Flush), nth: 1, effect: Effect::Fail(EIO) };
        place.memory.arm(is_failing.then_some(fault));
        place.memory.gate_flushes(true);
        thread::scope(|scope| {
            let writer = scope.spawn(|| things.write(change()));
            place.memory.wait_for(Operation::Flush, 1);
            let seen = scope.spawn(|| assert_unchanged(&things)).join();
            place.memory.gate_flushes(false);
            seen.unwrap();
            assert_eq!(writer.join().unwrap().is_err(), is_failing);
        });
        if is_failing {
            assert_unchanged(&things);
        } else {
            let ids = ["replaced", "deleted", "relabelled", "inserted"].map(|key| things.id_of(key).unwrap());
            assert_eq!(ids, [Some(3), None, Some(2), Some(4)]);
        }
    }
}

#[test]
fn pages_of_a_collection_whose_write_failed_are_those_before_it() {
    let (_folder, origin) = place();
    let (store, things) = create(&origin);
    things.write(before()).unwrap();
    drop((store, things));
    for seed in 0..20 {
        let place = origin.fork(seed);
        let (store, things) = open(&place);
        let pages = |things: &Collection| {
            let first = things.list(None, 2).unwrap();
            let second = things.list(first.next.as_deref(), 2).unwrap();
            assert_eq!(second.next, None);
            [first.entries, second.entries].concat()
        };
        let expected = pages(&things);
        // How much of a failed batch is left in the tree differs from case to case.
        place.memory.arm(Some(Fault { on: Some(Operation::Apply), nth: 1, effect: Effect::Short(EIO) }));
        assert!(matches!(things.write(change()), Err(WriteError::Failed(_))));
        assert_unchanged(&things);
        assert_eq!(pages(&things), expected);
        drop((store, things));
        assert_eq!(pages(&open(&place).1), expected);
    }
}

/// What a flipped bit in a log can do: the newest message of a record is dropped, and an older one, whole in itself,
/// stands for it.
#[test]
fn a_record_from_before_it_was_relabelled_is_damage_and_no_answer() {
    let (_folder, place) = place();
    let (_store, things) = create(&place);
    let old_tags = [("kind", TagValue::Text("old".to_owned()))];
    let new_tags = [("kind", TagValue::Text("new".to_owned()))];
    things.write(upserts(vec![labelled("a", 1, "old"), tagged("b", 2, &old_tags)])).unwrap();
    let ground = things.ground();
    let before = [0, 1].map(|id| ground.get("record", &key::record(id)).unwrap().unwrap());
    things.write(upserts(vec![labelled("a", 1, "new"), tagged("b", 2, &new_tags)])).unwrap();
    assert_eq!(things.record(0).unwrap().unwrap().label.as_deref(), Some("new"));

    for (id, payload) in (0..).zip(&before) {
        let mut changes = Changes::default();
        changes.put(key::record(id), payload);
        ground.apply(changes).unwrap();
        assert!(matches!(things.record(id), Err(ReadError::Damaged(_))), "{:?}", things.record(id));
        assert!(matches!(things.list(None, 10), Err(ReadError::Damaged(_))));
    }
    assert!(!things.verify(&mut |_| {}).unwrap().is_clean());
}
