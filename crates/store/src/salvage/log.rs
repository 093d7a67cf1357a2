//! What a damaged log of sled 0.34 still holds, read without sled: that one refuses the whole log for one bad message,
//! and writes when it opens. There is no other reader of these logs, which is why this one is ours.
//!
//! A log is a row of segments of 1 MiB: a header of 20 bytes, then messages. A message has a CRC-32, a kind, its length,
//! the number of its segment in the order of writing (which says, with its place in the segment, when it was written),
//! and the page it is about. Of the kinds, two hold entries: a node is all that a page has, a link one key set or
//! removed. Segments are used again, so that messages of different times lie side by side: what a segment was given
//! last may end in the middle of an older message, and whole older ones may follow. Played in the order of their
//! writing, the messages give what the tree held, but for those that are damaged. Every value of ours has a checksum
//! over itself and its key, so that nothing wrong is taken for right.

mod message;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use message::{Body, Header};

use crate::error::TreeFault;
use crate::generation::folder::FolderError;
use crate::generation::tree::{Bytes, Changes, KeyValue, Obstacle, Pairs};
use crate::{Doubt, TreeError, value};

const SEGMENT_BYTES: usize = 1 << 20;
const SEGMENT_HEADER_BYTES: usize = 20;
/// What is read at once where a disk fails: one of its sectors, mostly.
const PIECE_BYTES: usize = 4_096;
/// No message begins in the last bytes of a full segment.
const LEAST_MESSAGE_ROOM: usize = 32;

/// The entries of a log. Per entry it takes some 100 bytes of memory; values stay in the file.
pub(super) struct Log {
    entries: Arc<BTreeMap<Vec<u8>, Place>>,
    file: Arc<Mutex<File>>,
    /// Places at which bytes are no message.
    pub(super) damaged: u64,
}

/// Where a value lies in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
}

/// A message that is whole.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// When it was written, in bytes of log before it.
    time: u64,
    page: u64,
    is_node: bool,
    body: Place,
}

impl Found {
    fn segment(&self) -> u64 {
        self.time / SEGMENT_BYTES as u64
    }
}

impl Log {
    /// Reads all of a log.
    pub(super) fn read(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::new("reading", path, source);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let (mut found, mut ends, mut damaged) = (Vec::new(), Vec::new(), 0);
        for offset in (0..length).step_by(SEGMENT_BYTES) {
            let place = Place { offset, length: (length - offset).min(SEGMENT_BYTES as u64) as u32 };
            let segment = read_at(&mut file, place).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), offset, %error, "a part of a log cannot be read");
                damaged += 1;
                read_in_pieces(&mut file, place)
            });
            let gaps = scan(&segment, offset, &mut found);
            damaged += gaps.within;
            ends.extend(gaps.end);
        }
        // Only the newest segment may be full of what it was before.
        let newest = found.iter().map(Found::segment).max();
        damaged += ends.into_iter().filter(|&end| Some(end) != newest).count() as u64;
        found.sort_unstable_by_key(|message| message.time);
        let mut play = Play { file: &mut file, entries: BTreeMap::new(), prefixes: HashMap::new() };
        for message in found {
            // What lies in a bad part of the disk is lost, and nothing else.
            damaged += u64::from(play.message(message).is_err());
        }
        let entries = Arc::new(play.entries);
        Ok(Self { entries, file: Arc::new(Mutex::new(file)), damaged })
    }
}

/// What is no message in a segment.
#[derive(Debug, Default)]
struct Gaps {
    /// Those between messages of one time.
    within: u64,
    /// The number of the segment when it was last written, if it does not end with a message.
    end: Option<u64>,
}

/// Finds the messages of a segment that begins at `offset`.
fn scan(segment: &[u8], offset: u64, found: &mut Vec<Found>) -> Gaps {
    let mut gaps = Gaps::default();
    let (mut at, mut number, mut is_gap) = (SEGMENT_HEADER_BYTES, 0, false);
    while at < segment.len() && at + LEAST_MESSAGE_ROOM <= SEGMENT_BYTES {
        let Some((header, body)) = Header::read(&segment[at..]) else {
            // A message that is cut off is the same to the eye as one that is damaged, and as what was there before.
            // Whole ones may follow. Zeros are what was never written.
            is_gap |= segment[at] != 0;
            at += 1;
            continue;
        };
        gaps.within += u64::from(is_gap && header.segment >= number);
        is_gap = false;
        number = header.segment.max(number);
        if let Some(is_node) = header.is_node() {
            found.push(Found {
                time: header.segment.saturating_mul(SEGMENT_BYTES as u64).saturating_add(at as u64),
                page: header.page,
                is_node,
                body: Place { offset: offset + (at + header.bytes) as u64, length: body.len() as u32 },
            });
        }
        at += header.bytes + body.len();
        if header.is_cap() {
            break;
        }
    }
    gaps.end = is_gap.then_some(number);
    gaps
}

/// Messages being played.
struct Play<'a> {
    file: &'a mut File,
    entries: BTreeMap<Vec<u8>, Place>,
    /// What the keys of a page begin with, which links leave out.
    prefixes: HashMap<u64, Vec<u8>>,
}

impl Play<'_> {
    fn message(&mut self, message: Found) -> std::io::Result<()> {
        let bytes = read_at(self.file, message.body)?;
        let place = |value: &[u8]| {
            let within = value.as_ptr() as usize - bytes.as_ptr() as usize;
            Place { offset: message.body.offset + within as u64, length: value.len() as u32 }
        };
        match Body::read(&bytes, message.is_node) {
            Some(Body::Leaf { low, high, prefix, entries }) => {
                let gone: Vec<Vec<u8>> = match high {
                    [] => self.entries.range(low.to_vec()..),
                    high if low < high => self.entries.range(low.to_vec()..high.to_vec()),
                    _ => return Ok(()),
                }
                .map(|(key, _)| key.clone())
                .collect();
                for key in gone {
                    self.entries.remove(&key);
                }
                for (key, value) in entries {
                    let key = [prefix, key].concat();
                    if value::check("value", &key, value).is_ok() {
                        self.entries.insert(key, place(value));
                    }
                }
                self.prefixes.insert(message.page, prefix.to_vec());
            }
            Some(Body::Set { key, value }) => {
                if let Some(key) = self.whole_key(message.page, key, value) {
                    self.entries.insert(key, place(value));
                }
            }
            Some(Body::Removed { key }) => {
                let prefix = self.prefixes.get(&message.page).map_or(&[][..], Vec::as_slice);
                self.entries.remove(&[prefix, key].concat());
            }
            Some(Body::Other) | None => {}
        }
        Ok(())
    }

    /// The key of a link, whose checksum tells whether the prefix is the right one.
    fn whole_key(&self, page: u64, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let known = self.prefixes.get(&page).map_or(&[][..], Vec::as_slice);
        let others = self.prefixes.values().map(Vec::as_slice);
        let mut keys = [known, &[]].into_iter().chain(others).map(|prefix| [prefix, key].concat());
        keys.find(|key| value::check("value", key, value).is_ok())
    }
}

fn read_at(file: &mut File, place: Place) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; place.length as usize];
    file.seek(SeekFrom::Start(place.offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads what can be read; the rest is zeros.
fn read_in_pieces(file: &mut File, place: Place) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(place.length as usize);
    for start in (0..place.length).step_by(PIECE_BYTES) {
        let length = (place.length - start).min(PIECE_BYTES as u32);
        let piece = read_at(file, Place { offset: place.offset + u64::from(start), length });
        bytes.extend(piece.unwrap_or_else(|_| vec![0; length as usize]));
    }
    bytes
}

fn read_value(file: &Mutex<File>, place: Place) -> Result<Bytes, TreeError> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = read_at(&mut file, place).map_err(|error| TreeError::from(TreeFault::Sled(error.into())))?;
    Ok(bytes.into())
}

impl KeyValue for Log {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, TreeError> {
        self.entries.get(key).map(|&place| read_value(&self.file, place)).transpose()
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Result<Pairs, TreeError> {
        let (entries, file) = (Arc::clone(&self.entries), Arc::clone(&self.file));
        let mut from = from;
        Ok(Box::new(std::iter::from_fn(move || {
            let (key, place) = entries.range((from.clone(), to.clone())).next()?;
            from = Bound::Excluded(key.clone());
            Some(read_value(&file, *place).map(|value| (key.as_slice().into(), value)))
        })))
    }

    fn apply(&self, _changes: Changes) -> Result<(), TreeError> {
        Err(TreeFault::ReadOnlyLog.into())
    }

    fn flush(&self) -> Result<(), TreeError> {
        Err(TreeFault::ReadOnlyLog.into())
    }

    fn probe(&self, _changes: Changes) -> Result<Option<Doubt>, Obstacle> {
        Err(TreeError::from(TreeFault::ReadOnlyLog).into())
    }

    fn free_bytes(&self) -> Result<Option<u64>, FolderError> {
        Ok(None)
    }
}
