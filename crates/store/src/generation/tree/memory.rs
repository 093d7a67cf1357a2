//! Trees in memory, on disks that fail on command and forget in a crash what was not flushed.
//!
//! They are less kind than sled may be: a scan sees half of what is applied meanwhile, a batch that failed stays half
//! visible until the tree is opened again, and a flush makes nothing durable that came after it was called.

mod fault;
mod log;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

pub(crate) use fault::{EIO, ENOSPC, Effect, Fault, Operation};
use fault::{Strike, failure};
use log::{Log, Map};
use lookalike_plugin_api::SplitMix64;

use super::backend::{Backend, KeyValue, Obstacle, Pairs};
use super::{Bytes, Changes};
use crate::generation::folder::{self, FolderError};
use crate::{Doubt, StoreConfig, TreeError};

/// Stands for the log among the files, with its length: whoever deletes the folder deletes the tree.
const FILE: &str = "db";

/// A machine with its disks, and the backend whose trees are on them. A clone is the same machine.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Machine>);

#[derive(Debug)]
struct Machine {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// By the folder of the tree.
    disks: BTreeMap<PathBuf, Log>,
    counts: [u64; Operation::ALL.len()],
    fault: Option<Fault>,
    is_crashed: bool,
    is_full: bool,
    /// Flushes wait.
    is_gated: bool,
    /// Trees of earlier lives are dead.
    life: u64,
    free_bytes: Option<u64>,
    random: SplitMix64,
    /// Writes to a tree after one that failed.
    broken_rules: u64,
}

struct MemoryTree {
    memory: Memory,
    map: Arc<RwLock<Map>>,
    folder: PathBuf,
    file: File,
    life: u64,
    failed: Mutex<bool>,
}

impl Memory {
    /// A machine without disks, whose choices follow from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_disks(BTreeMap::new(), seed)
    }

    fn with_disks(disks: BTreeMap<PathBuf, Log>, seed: u64) -> Self {
        let state = State {
            disks,
            counts: [0; Operation::ALL.len()],
            fault: None,
            is_crashed: false,
            is_full: false,
            is_gated: false,
            life: 0,
            free_bytes: None,
            random: SplitMix64::new(seed),
            broken_rules: 0,
        };
        Self(Arc::new(Machine { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// A machine with copies of the disks as they are now.
    pub(crate) fn fork(&self, seed: u64) -> Self {
        Self::with_disks(self.lock().disks.clone(), seed)
    }

    /// Begins to count, and lets an operation go wrong.
    pub(crate) fn arm(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        state.counts = [0; Operation::ALL.len()];
        state.fault = fault;
    }

    /// Operations since counting began.
    pub(crate) fn count(&self, on: Option<Operation>) -> u64 {
        self.lock().count(on)
    }

    /// Waits until an operation was begun so many times since counting began.
    pub(crate) fn wait_for(&self, on: Operation, count: u64) {
        let mut state = self.lock();
        while state.count(Some(on)) < count {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether nothing works until [`Memory::restart`].
    pub(crate) fn has_crashed(&self) -> bool {
        self.lock().is_crashed
    }

    /// Keeps flushes waiting, or lets them go on.
    pub(crate) fn gate_flushes(&self, is_gated: bool) {
        self.lock().is_gated = is_gated;
        self.0.changed.notify_all();
    }

    /// Ends [`Effect::Full`].
    pub(crate) fn make_space(&self) {
        self.lock().is_full = false;
    }

    /// What a tree says of the space on its disk.
    pub(crate) fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.lock().free_bytes = free_bytes;
    }

    /// Crashes the machine and starts it again. Of what was not flushed a beginning is left on the disks, torn
    /// anywhere, and perhaps nothing but zeros where the rest was. Trees that are open stay dead.
    pub(crate) fn restart(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        state.life += 1;
        state.fault = None;
        (state.is_crashed, state.is_full, state.is_gated) = (false, false, false);
        for log in state.disks.values_mut() {
            log.crash(&mut state.random);
        }
        self.0.changed.notify_all();
    }

    /// Writes that came after one that had failed on the same tree.
    pub(crate) fn broken_rules(&self) -> u64 {
        self.lock().broken_rules
    }

    /// Keys on the disk of the tree in `folder`.
    pub(crate) fn keys(&self, folder: &Path) -> Vec<Vec<u8>> {
        self.lock().disks.get_mut(folder).map(|log| log.replay().into_keys().collect()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation of a tree of one life. What goes wrong with it is the second part.
    fn begin(&self, operation: Operation, life: u64) -> (MutexGuard<'_, State>, Option<Strike>) {
        let mut state = self.lock();
        state.counts[operation as usize] += 1;
        self.0.changed.notify_all();
        while operation == Operation::Flush && state.is_gated && state.life == life {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let strike = state.strike(operation, life);
        (state, strike)
    }
}

impl State {
    fn count(&self, on: Option<Operation>) -> u64 {
        on.map_or_else(|| self.counts.iter().sum(), |on| self.counts[on as usize])
    }

    fn strike(&mut self, operation: Operation, life: u64) -> Option<Strike> {
        if self.is_crashed || self.life != life {
            return Some(Strike { errno: EIO, is_short: false });
        }
        if let Some(Fault { on, nth, effect }) = self.fault
            && on.is_none_or(|on| on == operation)
            && self.count(on) == nth
        {
            match effect {
                Effect::Fail(errno) => return Some(Strike { errno, is_short: false }),
                Effect::Short(errno) => return Some(Strike { errno, is_short: true }),
                Effect::Full => self.is_full = true,
                Effect::Crash | Effect::ShortCrash => {
                    self.is_crashed = true;
                    return Some(Strike { errno: EIO, is_short: effect == Effect::ShortCrash });
                }
            }
        }
        (self.is_full && operation.is_write()).then_some(Strike { errno: ENOSPC, is_short: false })
    }
}

impl Backend for Memory {
    fn open(&self, folder: &Path, _config: &StoreConfig) -> Result<Box<dyn KeyValue>, Obstacle> {
        folder::create(folder)?;
        let life = self.lock().life;
        let (mut state, strike) = self.begin(Operation::Open, life);
        if let Some(strike) = strike {
            return Err(strike.error().into());
        }
        let path = folder.join(FILE);
        if !path.is_file() {
            state.disks.insert(folder.to_owned(), Log::default());
        }
        let file = File::create(&path).map_err(|error| FolderError::new("creating", &path, error))?;
        let log = state.disks.entry(folder.to_owned()).or_default();
        let map = log.replay();
        log.tidy(&map);
        Ok(Box::new(MemoryTree {
            memory: self.clone(),
            map: Arc::new(RwLock::new(map)),
            folder: folder.to_owned(),
            file,
            life,
            failed: Mutex::default(),
        }))
    }

    fn exists(&self, folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }
}

impl MemoryTree {
    /// Notes whether a write failed, after which there must be none.
    fn ended(&self, state: &mut State, outcome: Result<(), TreeError>) -> Result<(), TreeError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        state.broken_rules += u64::from(*failed);
        *failed |= outcome.is_err();
        outcome
    }
}

impl KeyValue for MemoryTree {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, TreeError> {
        if let (_, Some(strike)) = self.memory.begin(Operation::Get, self.life) {
            return Err(strike.error());
        }
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Result<Pairs, TreeError> {
        let (memory, map, life) = (self.memory.clone(), Arc::clone(&self.map), self.life);
        let mut from = Some(from);
        Ok(Box::new(std::iter::from_fn(move || {
            let begin = from.take()?;
            if let (_, Some(strike)) = memory.begin(Operation::Range, life) {
                return Some(Err(strike.error()));
            }
            let map = map.read().unwrap_or_else(PoisonError::into_inner);
            let (key, value) = map.range((begin, to.clone())).next()?;
            from = Some(Bound::Excluded(key.clone()));
            Some(Ok((Bytes::from(key.as_slice()), value.clone())))
        })))
    }

    fn apply(&self, changes: Changes) -> Result<(), TreeError> {
        let writes: Vec<_> = changes.into_writes().collect();
        let record = log::encode(&writes);
        let (mut state, strike) = self.memory.begin(Operation::Apply, self.life);
        let (written, visible) = match strike {
            None => (record.len(), writes.len()),
            Some(strike) if state.life == self.life => {
                let written = if strike.is_short { state.random.below(record.len()) } else { 0 };
                (written, state.random.below(writes.len() + 1))
            }
            Some(_) => (0, 0),
        };
        if let Some(log) = state.disks.get_mut(&self.folder) {
            log.append(&record[..written]);
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        log::make(&mut map, writes.into_iter().take(visible));
        self.ended(&mut state, strike.map_or(Ok(()), |strike| Err(strike.error())))
    }

    fn flush(&self) -> Result<(), TreeError> {
        let length = self.memory.lock().disks.get(&self.folder).map_or(0, Log::len);
        let (mut state, strike) = self.memory.begin(Operation::Flush, self.life);
        let outcome = match strike {
            Some(strike) => Err(strike.error()),
            None => self.file.set_len(length as u64).map_err(failure),
        };
        if outcome.is_ok()
            && let Some(log) = state.disks.get_mut(&self.folder)
        {
            log.sync(length);
        }
        self.ended(&mut state, outcome)
    }

    fn probe(&self, changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        self.apply(changes)?;
        self.flush()?;
        Ok(None)
    }

    fn free_bytes(&self) -> Result<Option<u64>, FolderError> {
        Ok(self.memory.lock().free_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(keys: &[u8]) -> Changes {
        let mut changes = Changes::default();
        for &key in keys {
            changes.put_sealed(vec![key], vec![key; 100]);
        }
        changes
    }

    #[test]
    fn a_crash_leaves_what_was_flushed_and_whole_batches_of_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (mut more, mut less) = (false, false);
        for seed in 0..40 {
            let memory = Memory::new(seed);
            let path = folder.path().join(seed.to_string());
            let tree = memory.open(&path, &StoreConfig::default()).unwrap();
            tree.apply(changes(&[1, 2])).unwrap();
            tree.flush().unwrap();
            for key in [3, 5, 7] {
                tree.apply(changes(&[key, key + 1])).unwrap();
            }
            memory.restart();
            assert!(tree.get(&[1]).is_err());
            memory.open(&path, &StoreConfig::default()).unwrap();
            let keys: Vec<u8> = memory.keys(&path).into_iter().map(|key| key[0]).collect();
            assert!(keys.len() >= 2 && keys.len().is_multiple_of(2));
            assert!(keys.iter().copied().eq(1..=keys.len() as u8));
            more |= keys.len() > 2;
            less |= keys.len() < 8;
        }
        assert!(more && less);
    }

    #[test]
    fn a_short_write_is_cut_off_when_the_tree_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(1);
        let tree = memory.open(folder.path(), &StoreConfig::default()).unwrap();
        tree.apply(changes(&[1])).unwrap();
        memory.arm(Some(Fault { on: Some(Operation::Apply), nth: 1, effect: Effect::Short(EIO) }));
        tree.apply(changes(&[2])).unwrap_err();
        assert_eq!(memory.broken_rules(), 0);
        tree.flush().unwrap();
        assert_eq!(memory.broken_rules(), 1);
        let tree = memory.open(folder.path(), &StoreConfig::default()).unwrap();
        tree.apply(changes(&[3])).unwrap();
        assert_eq!(memory.keys(folder.path()), [[1], [3]]);
    }
}
