//! Every operation of a workload goes wrong, in every way.

use std::error::Error;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::database::{Place, create, place};
use super::sample::config;
use super::workload::{Contents, History, Writer, contents, errno};
use crate::generation::tree::memory::{EIO, ENOSPC, Effect, Fault, Operation};
use crate::{Collection, OpenError, StoreConfig, WriteError, WriteMode};

const SEED: u64 = 20_240_229;
const BATCHES: usize = 10;

/// What happens in one mode of writing.
struct Scenario {
    _folder: TempDir,
    origin: Place,
    before: Contents,
    first: u64,
    mode: WriteMode,
    writers: u64,
}

impl Scenario {
    /// A collection in which something was deleted whose data is still there.
    fn new(mode: WriteMode, writers: u64) -> Self {
        let (folder, origin) = place();
        let (store, things) = create(&origin);
        let (mut writer, mut history) = (Writer::new(9, SEED), History::default());
        for _ in 0..4 {
            writer.write(&things, &mut history);
        }
        let (before, first) = (contents(&things).unwrap(), things.catalog().batch());
        drop((store, things));
        Self { _folder: folder, origin, before, first, mode, writers }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig { write_mode: self.mode, ..config() }
    }

    /// Opens the collection, writes and reads, and lets one operation go wrong meanwhile; then opens it again. Gives
    /// how many operations of one kind there were before that.
    fn survives(&self, on: Option<Operation>, fault: Option<Fault>, seed: u64) -> u64 {
        let place = self.origin.fork(seed);
        place.memory.arm(fault);
        let mut history = History { durable: self.first, ..History::default() };
        match place.try_open(self.config()) {
            Ok((store, things)) => {
                self.write(&things, &mut history);
                self.check_open(&place, &things, &mut history, fault);
                drop((store, things));
            }
            Err(OpenError::Tree { source, .. }) => assert_eq!(errno(&source), fault.map(errno_of)),
            Err(error) => panic!("{error:?}"),
        }
        // A second writer may be on its way when the first one fails.
        assert!(self.writers > 1 || place.memory.broken_rules() == 0);
        let count = place.memory.count(on);
        if place.memory.has_crashed() || seed.is_multiple_of(2) {
            place.memory.restart();
        }
        place.memory.make_space();
        place.memory.arm(None);
        let (_store, things) = place.try_open(self.config()).unwrap();
        let last = things.catalog().batch();
        assert!(last >= history.durable, "batch {last} is the last, {} was durable", history.durable);
        history.check(&self.before, self.first, last, &contents(&things).unwrap());
        // It takes writes again.
        let mut more = History::default();
        Writer::new(10, SEED).write(&things, &mut more);
        assert_eq!(more.acknowledged.len(), 1);
        count
    }

    fn write(&self, things: &Collection, all: &mut History) {
        let histories: Vec<History> = thread::scope(|scope| {
            let write = |number| {
                move || {
                    let (mut writer, mut history) = (Writer::new(number, SEED), History::default());
                    for step in 0..BATCHES {
                        writer.write(things, &mut history);
                        if step % 3 == 2 {
                            flush(things, &mut history);
                        }
                    }
                    history
                }
            };
            let threads: Vec<_> = (0..self.writers).map(|number| scope.spawn(write(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        histories.into_iter().for_each(|history| all.join(history));
    }

    /// What holds before the collection is closed.
    fn check_open(&self, place: &Place, things: &Collection, history: &mut History, fault: Option<Fault>) {
        if let Some(cause) = history.cause.clone() {
            assert_eq!(errno(&cause), fault.map(errno_of));
            assert!(cause.source().is_some());
            let known = history.acknowledged.len();
            Writer::new(8, SEED).write(things, history);
            assert_eq!(history.acknowledged.len(), known, "a collection that is not read-only");
        } else {
            assert!(history.in_flight.is_empty());
        }
        assert!(history.errnos.iter().all(|&found| found == fault.map(errno_of)));
        let last = things.catalog().batch();
        assert!(last >= self.first + history.acknowledged.len() as u64);
        // The fault may come but now; it comes once.
        match contents(things).or_else(|_| contents(things)) {
            Ok(found) => history.check(&self.before, self.first, last, &found),
            Err(error) => assert!(place.memory.has_crashed(), "{error:?} after {fault:?}"),
        }
    }

    /// Every operation, or every one of a kind, has this effect.
    fn survives_each(&self, on: Option<Operation>, effect: Effect) {
        let count = self.survives(on, None, 0);
        assert_ne!(count, 0);
        for nth in 1..=count {
            self.survives(on, Some(Fault { on, nth, effect }), nth);
        }
    }
}

fn flush(things: &Collection, history: &mut History) {
    let last = history.acknowledged.keys().last().copied().unwrap_or_default();
    match things.flush() {
        Ok(()) => history.durable = history.durable.max(last),
        Err(WriteError::Failed(cause) | WriteError::ReadOnly { cause }) => history.keep(&cause),
        Err(error) => panic!("{error:?}"),
    }
}

fn errno_of(fault: Fault) -> i32 {
    match fault.effect {
        Effect::Fail(errno) | Effect::Short(errno) => errno,
        Effect::Full => ENOSPC,
        Effect::Crash | Effect::ShortCrash => EIO,
    }
}

const MODES: [WriteMode; 3] = [WriteMode::Immediate, WriteMode::Bulk, WriteMode::Interval(Duration::ZERO)];

#[test]
fn any_operation_may_fail_and_nothing_acknowledged_is_lost() {
    Scenario::new(WriteMode::Immediate, 1).survives_each(None, Effect::Fail(EIO));
}

#[test]
fn the_machine_may_crash_at_any_operation_and_nothing_acknowledged_is_lost() {
    Scenario::new(WriteMode::Immediate, 1).survives_each(None, Effect::Crash);
}

#[test]
fn any_write_may_find_the_disk_full_or_be_short() {
    for mode in MODES {
        let scenario = Scenario::new(mode, 1);
        for on in [Operation::Apply, Operation::Flush] {
            scenario.survives_each(Some(on), Effect::Full);
            scenario.survives_each(Some(on), Effect::Fail(ENOSPC));
        }
        for effect in [Effect::Short(EIO), Effect::Short(ENOSPC), Effect::ShortCrash] {
            scenario.survives_each(Some(Operation::Apply), effect);
        }
    }
}

#[test]
fn two_writers_at_once_may_fail_or_crash_at_any_write() {
    for mode in MODES {
        let scenario = Scenario::new(mode, 2);
        for on in [Operation::Apply, Operation::Flush] {
            for effect in [Effect::Fail(EIO), Effect::Crash] {
                scenario.survives_each(Some(on), effect);
            }
        }
        scenario.survives_each(Some(Operation::Apply), Effect::ShortCrash);
    }
}

#[test]
fn what_is_written_without_waiting_survives_as_a_beginning() {
    for mode in [WriteMode::Bulk, WriteMode::Interval(Duration::MAX)] {
        let scenario = Scenario::new(mode, 1);
        for effect in [Effect::Fail(EIO), Effect::Crash] {
            scenario.survives_each(None, effect);
        }
    }
}
