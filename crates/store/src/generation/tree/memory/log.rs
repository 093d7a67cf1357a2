//! The log on a disk in memory: one record for each batch. Its parts are in little-endian:
//!
//! ```text
//! length of the body u32, crc32 of the body u32, body: changes
//! change: length of the key u32, key, length of the value u32 (all ones: removed), value
//! ```

use std::collections::BTreeMap;

use lookalike_plugin_api::SplitMix64;

use crate::generation::tree::Bytes;

/// What is in a tree.
pub(super) type Map = BTreeMap<Vec<u8>, Bytes>;

/// A key with its value, or with nothing where it is removed.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

const REMOVED: u32 = u32::MAX;
/// Garbage that is let be.
const SPARE_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    bytes: Vec<u8>,
    synced: usize,
}

impl Log {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes the first bytes durable.
    pub(super) fn sync(&mut self, length: usize) {
        self.synced = self.synced.max(length);
    }

    /// Loses what a crash may lose.
    pub(super) fn crash(&mut self, random: &mut SplitMix64) {
        let length = self.bytes.len();
        self.bytes.truncate(self.synced + random.below(length - self.synced + 1));
        if random.below(4) == 0 {
            self.bytes.resize(length, 0);
        }
        self.synced = self.bytes.len();
    }

    /// What the log says. An end that is no whole record is cut off.
    pub(super) fn replay(&mut self) -> Map {
        let mut map = Map::new();
        let mut rest = &self.bytes[..];
        while let Some((writes, behind)) = decode(rest) {
            make(&mut map, writes);
            rest = behind;
        }
        let whole = self.bytes.len() - rest.len();
        self.bytes.truncate(whole);
        self.synced = self.synced.min(whole);
        map
    }

    /// Begins anew with what is there, unless most of the log is needed.
    pub(super) fn tidy(&mut self, map: &Map) {
        let needed: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.bytes.len() > 4 * needed + SPARE_BYTES {
            let writes: Vec<Write> =
                map.iter().map(|(key, value)| (key.clone(), Some(value.to_vec()))).collect();
            self.bytes = encode(&writes);
            self.synced = self.bytes.len();
        }
    }
}

/// Makes changes.
pub(super) fn make(map: &mut Map, writes: impl IntoIterator<Item = Write>) {
    for (key, value) in writes {
        match value {
            Some(value) => map.insert(key, Bytes::from(value)),
            None => map.remove(&key),
        };
    }
}

/// The record of a batch.
pub(super) fn encode(writes: &[Write]) -> Vec<u8> {
    let mut record = vec![0; 8];
    for (key, value) in writes {
        put(&mut record, key.len() as u32, key);
        match value {
            Some(value) => put(&mut record, value.len() as u32, value),
            None => put(&mut record, REMOVED, &[]),
        }
    }
    let (length, crc) = (record.len() as u32 - 8, crc32fast::hash(&record[8..]));
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    record
}

fn put(record: &mut Vec<u8>, length: u32, bytes: &[u8]) {
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(bytes);
}

/// The first record, and what is behind it; `None` if it is not whole.
fn decode(bytes: &[u8]) -> Option<(Vec<Write>, &[u8])> {
    let (length, bytes) = take_number(bytes)?;
    let (crc, bytes) = take_number(bytes)?;
    let (mut body, behind) = bytes.split_at_checked(length as usize)?;
    // Zeros would be a record of nothing.
    if body.is_empty() || crc32fast::hash(body) != crc {
        return None;
    }
    let mut writes = Vec::new();
    while !body.is_empty() {
        let (length, rest) = take_number(body)?;
        let (key, rest) = rest.split_at_checked(length as usize)?;
        let (length, rest) = take_number(rest)?;
        let value = if length == REMOVED { None } else { Some(rest.split_at_checked(length as usize)?) };
        writes.push((key.to_vec(), value.map(|(value, _)| value.to_vec())));
        body = value.map_or(rest, |(_, rest)| rest);
    }
    Some((writes, behind))
}

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}
