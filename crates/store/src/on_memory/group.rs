//! Writers that share a flush.

use std::thread;

use super::database::{Place, create, open, place};
use super::sample::{exemplar, upserts};
use crate::generation::tree::memory::{EIO, Effect, Fault, Operation};
use crate::{Collection, WriteError, WriteReceipt};

const WRITERS: u64 = 12;

type Outcome = Result<WriteReceipt, WriteError>;

/// Writers of one exemplar each, all of which have applied theirs.
fn waiting_writers<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    place: &Place,
    things: &'scope Collection,
) -> Vec<thread::ScopedJoinHandle<'scope, Outcome>> {
    let write = |number| move || things.write(upserts(vec![exemplar(&format!("k{number}"), number)]));
    let threads = (0..WRITERS).map(|number| scope.spawn(write(number))).collect();
    place.memory.wait_for(Operation::Apply, WRITERS);
    threads
}

#[test]
fn writers_that_wait_at_the_same_time_share_a_flush() {
    let (_folder, place) = place();
    let (store, things) = create(&place);
    place.memory.arm(None);
    place.memory.gate_flushes(true);
    thread::scope(|scope| {
        let threads = waiting_writers(scope, &place, &things);
        let (seen, ended) =
            (things.catalog().len(), threads.iter().filter(|thread| thread.is_finished()).count());
        place.memory.gate_flushes(false);
        // Nothing is seen or acknowledged before it is durable.
        assert_eq!((seen, ended), (0, 0));
        let mut batches: Vec<u64> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap())
            .map(|receipt| {
                assert!(receipt.durable);
                receipt.batch
            })
            .collect();
        batches.sort_unstable();
        assert!(batches.into_iter().eq(1..=WRITERS));
    });
    // One that was under way, and one for all who came meanwhile.
    assert!(place.memory.count(Some(Operation::Flush)) <= 2);
    assert_eq!(things.catalog().len(), WRITERS);
    drop((store, things));
    place.memory.restart();
    let (_store, things) = open(&place);
    for number in 0..WRITERS {
        let id = things.id_of(&format!("k{number}")).unwrap().unwrap();
        assert_eq!(things.image(id).unwrap(), Some(exemplar("", number).image));
    }
}

#[test]
fn a_shared_flush_that_fails_fails_all_who_wait_for_it() {
    let (_folder, place) = place();
    let (store, things) = create(&place);
    things.write(upserts(vec![exemplar("before", 99)])).unwrap();
    // The first flush fails; nobody may take what it left for durable.
    place.memory.arm(Some(Fault { on: Some(Operation::Flush), nth: 1, effect: Effect::Fail(EIO) }));
    place.memory.gate_flushes(true);
    thread::scope(|scope| {
        let threads = waiting_writers(scope, &place, &things);
        place.memory.gate_flushes(false);
        for thread in threads {
            assert!(matches!(thread.join().unwrap(), Err(WriteError::Failed(_))));
        }
    });
    assert_eq!(place.memory.count(Some(Operation::Flush)), 1);
    assert_eq!(things.catalog().len(), 1);
    assert!(matches!(things.write(upserts(vec![exemplar("x", 1)])), Err(WriteError::ReadOnly { .. })));
    drop((store, things));
    assert_eq!(place.memory.broken_rules(), 0);
    place.memory.restart();
    let (_store, things) = open(&place);
    assert!(things.id_of("before").unwrap().is_some());
    assert_eq!(things.catalog().len(), things.catalog().batch());
}
