//! PyTorch's own files: a zip archive since version 1.6, pickles in a row before.

use std::collections::BTreeMap;

use super::archive::{self, Entry};
use super::contents::{Contents, MAX_NAME_BYTES, MAX_TENSORS};
use super::error::{CheckpointError, CheckpointFault, damaged, ensure_within, shown};
use super::pickle::{self, MAX_PICKLE_BYTES, Unpickled};
use super::source::Source;
use super::tensor::{CheckpointTensor, Storage};
use super::value::{NamedStorage, Value};

/// Where training scripts put the weights among other things, the most usual first.
const USUAL_KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model", "net", "ema"];

/// Dictionaries one in the other that are looked into.
const MAX_NESTING: usize = 4;

/// What a file of before version 1.6 begins with, but for the number of the pickle's protocol behind the first byte:
/// the pickle of 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 13] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Whether a file begins like one of before version 1.6.
pub(super) fn is_old(start: &[u8]) -> bool {
    start.first() == Some(&0x80) && start.get(2..).is_some_and(|rest| rest.starts_with(&MAGIC))
}

/// Reads the list of tensors of an archive: `NAME/data.pkl` describes them, `NAME/data/KEY` are their values.
pub(super) fn read_archive(source: &Source, key: Option<&str>) -> Result<Contents, CheckpointError> {
    let entries = archive::entries(source)?;
    let of_root = |name: &str| {
        name.strip_suffix("data.pkl")
            .filter(|root| root.find('/').is_none_or(|at| at + 1 == root.len()))
            .map(str::to_owned)
    };
    let root = entries.keys().find_map(|name| of_root(name));
    let root = root.ok_or_else(|| damaged("entry \"data.pkl\"", CheckpointFault::Absent))?;
    let content = |name: &str| match entries.get(&format!("{root}{name}")) {
        Some(entry) => checked(source, name, *entry).map(Some),
        None => Ok(None),
    };
    if content("byteorder")?.is_some_and(|order| order != b"little") {
        return Err(CheckpointError::BigEndian);
    }
    let bytes = content("data.pkl")?.ok_or_else(|| damaged("entry \"data.pkl\"", CheckpointFault::Absent))?;
    let pickle = pickle::read(&bytes)?;
    let place = |storage: &NamedStorage| {
        let name = format!("data/{}", storage.key);
        let part = || format!("entry \"{}\"", shown(&name));
        let entry =
            entries.get(&format!("{root}{name}")).ok_or_else(|| damaged(part(), CheckpointFault::Absent))?;
        let needed = storage.count.checked_mul(storage.number.size() as u64);
        if needed.is_none_or(|needed| needed > entry.length) {
            return Err(damaged(part(), CheckpointFault::CutShort));
        }
        Ok(Storage {
            start: entry.start,
            count: storage.count,
            checksum: entry.checksum.map(|checksum| (checksum, entry.length)),
        })
    };
    let storages: Result<Vec<Storage>, CheckpointError> = pickle.storages().iter().map(place).collect();
    contents(&pickle, storages?, key)
}

fn checked(source: &Source, name: &str, entry: Entry) -> Result<Vec<u8>, CheckpointError> {
    ensure_within("bytes in its pickle", entry.length, MAX_PICKLE_BYTES)?;
    let part = format!("entry \"{}\"", shown(name));
    let bytes = source.bytes(&part, entry.start, entry.length)?;
    if entry.checksum.is_some_and(|checksum| crc32fast::hash(&bytes) != checksum) {
        return Err(damaged(part, CheckpointFault::Checksum));
    }
    Ok(bytes)
}

/// Reads the list of tensors of an old file: pickles of a magic number, the protocol's version, the machine, the
/// tensors and the keys of the storages, then per storage the count of its numbers and these.
pub(super) fn read_old(source: &Source, key: Option<&str>) -> Result<Contents, CheckpointError> {
    let bytes = source.bytes("the pickle", 0, source.length().min(MAX_PICKLE_BYTES))?;
    let mut at = 0;
    let mut next = || {
        let read = pickle::read(bytes.get(at..).unwrap_or_default())?;
        at += read.length();
        Ok::<_, CheckpointError>(read)
    };
    let (_magic, _version) = (next()?, next()?);
    let machine = next()?;
    if machine.entries(machine.root()).any(|entry| entry == ("little_endian", Value::Bool(false))) {
        return Err(CheckpointError::BigEndian);
    }
    let (pickle, keys) = (next()?, next()?);
    let keys =
        keys.texts(keys.root()).ok_or_else(|| damaged("the list of storages", CheckpointFault::Malformed))?;
    let known: BTreeMap<&str, (usize, &NamedStorage)> = pickle
        .storages()
        .iter()
        .enumerate()
        .map(|(place, storage)| (storage.key.as_str(), (place, storage)))
        .collect();
    let mut storages: Vec<Option<Storage>> = vec![None; known.len()];
    let mut start = at as u64;
    for key in keys {
        let part = format!("storage \"{}\"", shown(key));
        let (place, storage) =
            *known.get(key).ok_or_else(|| damaged(part.as_str(), CheckpointFault::Malformed))?;
        let mut count = [0; 8];
        source.fill(&part, start, &mut count)?;
        let count = u64::from_le_bytes(count);
        let length = count.checked_mul(storage.number.size() as u64);
        let length = length.ok_or_else(|| damaged(part.as_str(), CheckpointFault::Malformed))?;
        start += 8;
        if count != storage.count {
            return Err(damaged(part, CheckpointFault::Malformed));
        }
        if !source.holds(start, length) {
            return Err(damaged(part, CheckpointFault::CutShort));
        }
        storages[place] = Some(Storage { start, count, checksum: None });
        start += length;
    }
    let storages: Option<Vec<Storage>> = storages.into_iter().collect();
    let storages = storages.ok_or_else(|| damaged("the list of storages", CheckpointFault::Malformed))?;
    contents(&pickle, storages, key)
}

/// The tensors of the state dict in a pickle.
fn contents(
    pickle: &Unpickled<'_>,
    storages: Vec<Storage>,
    key: Option<&str>,
) -> Result<Contents, CheckpointError> {
    let state = state(pickle, key)?;
    let mut tensors = Vec::new();
    let mut others = Vec::new();
    for (name, value) in pickle.entries(state) {
        ensure_within("bytes in a tensor's name", name.len() as u64, MAX_NAME_BYTES as u64)?;
        let Value::Tensor(place) = value else {
            others.push(name.to_owned());
            continue;
        };
        ensure_within("tensors", tensors.len() as u64 + 1, MAX_TENSORS as u64)?;
        let found = pickle.tensor(place).and_then(|tensor| {
            let (named, storage) = (pickle.storages().get(tensor.storage)?, storages.get(tensor.storage)?);
            Some((tensor, named.number, storage.count))
        });
        let (tensor, number, count) =
            found.ok_or_else(|| damaged("the pickle", CheckpointFault::Malformed))?;
        tensors.push(CheckpointTensor::within(name, tensor, number, count)?);
    }
    Ok(Contents { storages, tensors, others })
}

/// The dictionary with tensors in it: under the key that is asked for, at the top, or under a usual key.
fn state(pickle: &Unpickled<'_>, key: Option<&str>) -> Result<Value, CheckpointError> {
    let known = |value| pickle.entries(value).map(|(name, _)| shown(name)).collect::<Vec<_>>();
    let under = |value, key: &str| {
        pickle.entries(value).filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    };
    let mut state = pickle.root();
    if let Some(key) = key {
        let missing = || CheckpointError::Key { key: key.to_owned(), known: known(state) };
        state = under(state, key).ok_or_else(missing)?;
    }
    for _ in 0..MAX_NESTING {
        if pickle.entries(state).any(|(_, value)| matches!(value, Value::Tensor(_))) {
            return Ok(state);
        }
        match USUAL_KEYS.iter().find_map(|key| under(state, key)) {
            Some(inner) => state = inner,
            None => break,
        }
    }
    Err(CheckpointError::NoTensors { known: known(state) })
}
