//! How long the data of deleted exemplars stays.

use super::database::{Place, create, open, place};
use super::sample::{bytes, deletes, exemplar, upserts};
use crate::generation::tree::memory::{EIO, Effect, Fault, Operation};
use crate::{Collection, NewExemplar, key};

const LARGE: usize = 40_000;

fn large(key: &str, seed: u64) -> NewExemplar {
    NewExemplar { image: bytes(seed, LARGE), ..exemplar(key, seed) }
}

/// Keys on the disk that belong to the exemplar with id 0, whose image is of three chunks: record, chunks, row and
/// content.
fn traces(place: &Place) -> usize {
    let content = crate::content_digest(&bytes(1, LARGE));
    let mut traces = vec![key::record(0), key::row(0, 0), key::content(&content, 0)];
    traces.extend((0..3).map(|number| key::chunk(0, number)));
    let keys = place.keys();
    traces.iter().filter(|trace| keys.contains(trace)).count()
}

const ALL: usize = 6;

fn write_another(things: &Collection, seed: u64) {
    things.write(upserts(vec![exemplar("another", seed)])).unwrap();
}

#[test]
fn a_deleted_exemplar_is_read_through_a_state_that_had_it_and_goes_with_that() {
    let (_folder, place) = place();
    let (_store, things) = create(&place);
    things.write(upserts(vec![large("a", 1), exemplar("b", 2)])).unwrap();
    let held = things.catalog();
    things.write(deletes(&["a"])).unwrap();
    for seed in 3..6 {
        write_another(&things, seed);
        assert_eq!(things.image_in(&held, 0).unwrap(), Some(bytes(1, LARGE)));
        assert_eq!(things.image(0).unwrap(), None);
        assert_eq!(traces(&place), ALL);
    }
    drop(held);
    write_another(&things, 7);
    assert_eq!(traces(&place), 0);
    assert_eq!(things.image_in(&things.catalog(), 1).unwrap(), Some(exemplar("", 2).image));
}

#[test]
fn the_data_of_what_was_deleted_before_a_crash_goes_after_it() {
    for is_flushed in [true, false] {
        let (_folder, place) = place();
        let (store, things) = create(&place);
        things.write(upserts(vec![large("a", 1), exemplar("b", 2)])).unwrap();
        let held = things.catalog();
        things.write(deletes(&["a"])).unwrap();
        write_another(&things, 3);
        assert_eq!(traces(&place), ALL);
        if !is_flushed {
            drop(held);
            place.memory.arm(Some(Fault { on: Some(Operation::Apply), nth: 1, effect: Effect::ShortCrash }));
            things.write(upserts(vec![exemplar("another", 4)])).unwrap_err();
        }
        drop((store, things));
        place.memory.restart();

        let (store, things) = open(&place);
        assert_eq!(traces(&place), ALL);
        write_another(&things, 5);
        assert_eq!(traces(&place), 0);
        drop((store, things));
        assert_eq!(open(&place).1.catalog().len(), 2);
    }
}

#[test]
fn a_batch_that_fails_before_it_is_written_removes_the_data_later() {
    let (_folder, place) = place();
    let (_store, things) = create(&place);
    things.write(upserts(vec![large("a", 1)])).unwrap();
    things.write(deletes(&["a"])).unwrap();
    place.memory.arm(Some(Fault { on: Some(Operation::Get), nth: 1, effect: Effect::Fail(EIO) }));
    things.write(upserts(vec![exemplar("b", 2)])).unwrap_err();
    assert_eq!(traces(&place), ALL);
    write_another(&things, 3);
    assert_eq!(traces(&place), 0);
}
