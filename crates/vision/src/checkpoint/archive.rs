//! The list of entries of a zip archive, as `PyTorch` writes it: stored, never compressed or encrypted, with sizes
//! of 64 bits where they are needed (APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3). A library for such archives unpacks and decrypts too, which
//! these never need: what is not here cannot be a way in.

use std::collections::BTreeMap;

use super::error::{CheckpointError, CheckpointFault, damaged, ensure_within, shown};
use super::source::Source;

/// Largest number of entries: a few per tensor of the largest network.
const MAX_ENTRIES: u64 = 1 << 17;

/// Most bytes of the list of entries.
const MAX_DIRECTORY_BYTES: u64 = 1 << 24;

/// What a zip archive begins with.
pub(super) const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";

const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const WIDE_END: [u8; 4] = *b"PK\x06\x06";
const WIDE_END_LOCATOR: [u8; 4] = *b"PK\x06\x07";

const LOCAL_HEADER_BYTES: u64 = 30;
const DIRECTORY_ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;
const WIDE_END_BYTES: u64 = 56;
const LOCATOR_BYTES: u64 = 20;

/// Longest comment after the end record.
const MAX_COMMENT_BYTES: u64 = 0xFFFF;

/// Number of the extra field with sizes of 64 bits.
const WIDE_SIZES: u16 = 1;

/// What a size of 32 bits says when it does not fit.
const IS_WIDE: u64 = 0xFFFF_FFFF;

/// What a count of 16 bits says when it does not fit.
const IS_WIDE_COUNT: u64 = 0xFFFF;

const LIST: &str = "the archive's list of entries";

/// A stored file of an archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// First byte of its content.
    pub(super) start: u64,
    /// Bytes of its content.
    pub(super) length: u64,
    /// CRC-32 of the content; `None` where the writer left it out, which `PyTorch` can be told to do.
    pub(super) checksum: Option<u32>,
}

/// The entries of the archive by name.
pub(super) fn entries(source: &Source) -> Result<BTreeMap<String, Entry>, CheckpointError> {
    let (count, start, length) = directory(source)?;
    ensure_within("entries", count, MAX_ENTRIES)?;
    ensure_within("bytes of entry names", length, MAX_DIRECTORY_BYTES)?;
    let bytes = source.bytes(LIST, start, length)?;
    let mut rest = Fields(&bytes);
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (name, entry) = entry(&mut rest, source)?;
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// Number of entries, and where their list is.
fn directory(source: &Source) -> Result<(u64, u64, u64), CheckpointError> {
    let tail_length = source.length().min(END_BYTES as u64 + MAX_COMMENT_BYTES);
    let tail_start = source.length() - tail_length;
    let tail = source.bytes(LIST, tail_start, tail_length)?;
    let at = tail
        .windows(END_BYTES)
        .rposition(|window| window.starts_with(&END))
        .ok_or_else(|| damaged(LIST, CheckpointFault::CutShort))?;
    let mut end = Fields(&tail[at..]);
    end.skip(10)?;
    let (count, length, start) = (u64::from(end.u16()?), u64::from(end.u32()?), u64::from(end.u32()?));
    if start != IS_WIDE && length != IS_WIDE && count != IS_WIDE_COUNT {
        return Ok((count, start, length));
    }
    let cut_short = || damaged(LIST, CheckpointFault::CutShort);
    let locator_start = (tail_start + at as u64).checked_sub(LOCATOR_BYTES).ok_or_else(cut_short)?;
    let locator = source.bytes(LIST, locator_start, LOCATOR_BYTES)?;
    let mut locator = Fields(&locator);
    locator.expect(WIDE_END_LOCATOR)?;
    locator.skip(4)?;
    let wide = source.bytes(LIST, locator.u64()?, WIDE_END_BYTES)?;
    let mut wide = Fields(&wide);
    wide.expect(WIDE_END)?;
    wide.skip(28)?;
    let (count, length, start) = (wide.u64()?, wide.u64()?, wide.u64()?);
    Ok((count, start, length))
}

/// The next entry of the list.
fn entry(rest: &mut Fields<'_>, source: &Source) -> Result<(String, Entry), CheckpointError> {
    let mut fields = Fields(rest.take(DIRECTORY_ENTRY_BYTES)?);
    fields.expect(DIRECTORY_ENTRY)?;
    fields.skip(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(4)?;
    let checksum = fields.u32()?;
    let (packed, unpacked) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let lengths = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
    fields.skip(8)?;
    let offset = u64::from(fields.u32()?);
    let name = String::from_utf8_lossy(rest.take(lengths[0])?).into_owned();
    let mut sizes = [unpacked, packed, offset];
    widen(Fields(rest.take(lengths[1])?), &mut sizes)?;
    rest.skip(lengths[2])?;
    let [unpacked, packed, offset] = sizes;
    let part = format!("entry \"{}\"", shown(&name));
    if method != 0 || flags & 1 != 0 {
        return Err(damaged(part, CheckpointFault::Compressed));
    }
    if packed != unpacked {
        return Err(damaged(part, CheckpointFault::Malformed));
    }
    let header = source.bytes(&part, offset, LOCAL_HEADER_BYTES)?;
    let mut header = Fields(&header);
    if header.expect(LOCAL_HEADER).is_err() {
        return Err(damaged(part, CheckpointFault::Malformed));
    }
    header.skip(22)?;
    let names = u64::from(header.u16()?) + u64::from(header.u16()?);
    // A header was read there, so that neither sum can be too large.
    let start = offset + LOCAL_HEADER_BYTES + names;
    if !source.holds(start, unpacked) {
        return Err(damaged(part, CheckpointFault::CutShort));
    }
    Ok((name, Entry { start, length: unpacked, checksum: (checksum != 0).then_some(checksum) }))
}

/// Replaces sizes that did not fit 32 bits by those of the extra fields, where they stand in this order.
fn widen(mut extra: Fields<'_>, sizes: &mut [u64; 3]) -> Result<(), CheckpointError> {
    while !extra.0.is_empty() {
        let (number, length) = (extra.u16()?, extra.u16()?);
        let mut field = Fields(extra.take(usize::from(length))?);
        if number == WIDE_SIZES {
            for size in sizes.iter_mut().filter(|size| **size == IS_WIDE) {
                *size = field.u64()?;
            }
        }
    }
    Ok(())
}

/// Little-endian numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CheckpointError> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or_else(|| damaged(LIST, CheckpointFault::CutShort))?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), CheckpointError> {
        self.take(length).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| damaged(LIST, CheckpointFault::CutShort))
    }

    fn expect(&mut self, signature: [u8; 4]) -> Result<(), CheckpointError> {
        if self.array()? == signature { Ok(()) } else { Err(damaged(LIST, CheckpointFault::Malformed)) }
    }

    fn u16(&mut self) -> Result<u16, CheckpointError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, CheckpointError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CheckpointError> {
        self.array().map(u64::from_le_bytes)
    }
}
