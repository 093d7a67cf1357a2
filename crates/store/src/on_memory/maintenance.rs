//! Compaction and the change to another model, interrupted at every operation.

use lookalike_plugin_api::{Digest, Fingerprint};
use tempfile::TempDir;

use super::database::{Place, create, place};
use super::sample::{config, fingerprint};
use super::workload::{Contents, History, Writer, contents};
use crate::generation::tree::memory::{EIO, ENOSPC, Effect, Fault, Operation};
use crate::{ArchiveWriter, Collection, MaintenanceError, WriteError};

const BATCHES: usize = 5;

/// A collection with something deleted, closed.
fn origin() -> (TempDir, Place, Contents) {
    let (folder, place) = place();
    let (store, things) = create(&place);
    let (mut writer, mut history) = (Writer::new(1, 7), History::default());
    for _ in 0..BATCHES {
        writer.write(&things, &mut history);
    }
    let before = contents(&things).unwrap();
    drop((store, things));
    (folder, place, before)
}

/// Another model that happens to make the same rows, so that the contents are the same whichever is served.
fn other() -> Fingerprint {
    Fingerprint { model: "other".to_owned(), weights: Digest([1; 32]), ..fingerprint() }
}

fn change_model(things: &Collection, to: &Fingerprint) -> Result<(), MaintenanceError> {
    let model = things.begin_rebuild(to)?;
    let missing: Vec<u32> = things.catalog().without_row(model, "clean").iter().collect();
    for ids in missing.chunks(2) {
        let row = |&id: &u32| things.rows("clean", &[id]).map(|rows| (id, rows.row(0).to_vec()));
        let rows: Vec<_> = ids.iter().map(row).collect::<Result<_, _>>().map_err(MaintenanceError::Source)?;
        things.write_rows(model, "clean", &rows)?;
    }
    if things.catalog().current_model() != model {
        things.switch_model()?;
    }
    Ok(())
}

fn there_and_back(things: &Collection) -> Result<(), MaintenanceError> {
    change_model(things, &other())?;
    things.rollback()?;
    things.drop_previous_model()?;
    change_model(things, &other())
}

fn compact(things: &Collection) -> Result<(), MaintenanceError> {
    things.compact(&mut |_| {}).map(drop)
}

/// Does `work` with a fault in it, then restarts and looks. Gives the number of operations.
fn survives(work: fn(&Collection) -> Result<(), MaintenanceError>, fault: Option<Fault>) -> u64 {
    let (_folder, place, before) = origin();
    let (store, things) = place.try_open(config()).unwrap();
    place.memory.arm(fault);
    let outcome = work(&things);
    let count = place.memory.count(None);
    assert!(fault.is_some() || outcome.is_ok());
    place.memory.make_space();
    if !place.memory.has_crashed() {
        // The old rows and images are served on, whatever failed.
        assert_eq!(contents(&things).unwrap(), before, "{fault:?}");
    }
    drop((store, things));
    place.memory.arm(None);
    place.memory.restart();
    let (_store, things) = place.try_open(config()).unwrap();
    assert_eq!(contents(&things).unwrap(), before, "{fault:?}");
    let report = things.verify(&mut |_| {}).unwrap();
    assert!(report.is_clean(), "{fault:?}: {:?}", report.findings);
    // The same again goes on where it was, or is done.
    work(&things).unwrap();
    assert_eq!(contents(&things).unwrap(), before, "{fault:?}");
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
    count
}

fn survives_each(work: fn(&Collection) -> Result<(), MaintenanceError>) {
    let count = survives(work, None);
    assert_ne!(count, 0);
    for effect in [Effect::Fail(EIO), Effect::Fail(ENOSPC), Effect::Crash, Effect::ShortCrash] {
        for nth in 1..=count {
            survives(work, Some(Fault { on: None, nth, effect }));
        }
    }
}

#[test]
fn a_compaction_may_fail_or_crash_at_any_operation() {
    survives_each(compact);
}

#[test]
fn a_change_of_the_model_may_fail_or_crash_at_any_operation() {
    survives_each(there_and_back);
}

#[test]
fn what_a_failed_write_left_is_neither_compacted_nor_backed_up() {
    let (_folder, place, before) = origin();
    let (store, things) = place.try_open(config()).unwrap();
    place.memory.arm(Some(Fault { on: Some(Operation::Apply), nth: 1, effect: Effect::Fail(EIO) }));
    let mut history = History::default();
    Writer::new(2, 7).write(&things, &mut history);
    assert_eq!(history.in_flight.len(), 1);
    let refused = things.compact(&mut |_| {}).unwrap_err();
    assert!(matches!(refused, MaintenanceError::Write(WriteError::ReadOnly { .. })), "{refused:?}");
    assert!(ArchiveWriter::new(Vec::new()).unwrap().collection(&things, &mut |_| {}).is_err());
    assert_eq!(contents(&things).unwrap(), before);
    drop((store, things));
    place.memory.arm(None);
    place.memory.restart();
    let (_store, things) = place.try_open(config()).unwrap();
    assert_eq!(contents(&things).unwrap(), before);
}
