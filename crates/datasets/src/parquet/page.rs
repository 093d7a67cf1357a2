//! Pages of a column: their headers checked, their bytes decompressed.

use std::fs::File;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::ParquetFault;
use super::footer::{Chunk, Codec, read_at};
use super::thrift::{Input, Kind};

/// Largest page of a Parquet file that is read, compressed or not, in bytes. Writers close a page at a megabyte, but
/// some look only every thousand values.
pub const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Bytes read for a header at first, and if it proves longer: it may hold the largest and smallest value.
const HEADER_BYTES: [u64; 2] = [256, 1 << 20];

/// A byte of snappy gives at most this many: three bytes repeat 64.
const SNAPPY_RATIO: u64 = 22;

/// A page as it was stored, its bytes decompressed.
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    pub(super) values: u64,
    /// The number of the encoding in the format.
    pub(super) encoding: i64,
    pub(super) role: Role,
}

/// What the values of a page are, and where they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dictionary,
    /// Levels come first and say their length themselves.
    Data {
        level_encoding: i64,
    },
    /// This many bytes of levels come first.
    DataV2 {
        levels: usize,
    },
}

/// Reads the next page at the beginning of the chunk's range and moves past it; `None` at its end.
pub(super) fn next_page(file: &mut File, chunk: &mut Chunk) -> Result<Option<Page>, ParquetFault> {
    while !chunk.range.is_empty() {
        let header = header(file, chunk)?;
        let left = chunk.range.end - chunk.range.start;
        let stored = within(header.stored, left.min(MAX_PAGE_BYTES))?;
        let start = chunk.range.start;
        chunk.range.start += stored;
        let Some((kind, details)) = header.kind() else { continue };
        let mut bytes = vec![0; stored as usize];
        read_at(file, start, &mut bytes).map_err(ParquetFault::Read)?;
        let values = u64::try_from(details.numbers[1]).map_err(|_| ParquetFault::Header)?;
        let page = match kind {
            DICTIONARY => Page {
                bytes: decompressed(bytes, header.unpacked, chunk.codec)?,
                values,
                encoding: details.numbers[2],
                role: Role::Dictionary,
            },
            DATA_V2 => {
                let definition = within(details.numbers[5], stored)?;
                // Columns of at most one value a row have no other levels.
                let repetition = within(details.numbers[6], 0)?;
                let levels = definition + repetition;
                let packed = bytes.split_off(levels as usize);
                let codec = if details.packed && !packed.is_empty() { chunk.codec } else { Codec::None };
                let unpacked = header.unpacked.saturating_sub(levels.cast_signed());
                bytes.append(&mut decompressed(packed, unpacked, codec)?);
                let (encoding, role) = (details.numbers[4], Role::DataV2 { levels: levels as usize });
                Page { bytes, values, encoding, role }
            }
            _ => Page {
                bytes: decompressed(bytes, header.unpacked, chunk.codec)?,
                values,
                encoding: details.numbers[2],
                role: Role::Data { level_encoding: details.numbers[3] },
            },
        };
        return Ok(Some(page));
    }
    Ok(None)
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// What matters of the header of a page.
#[derive(Default)]
struct Header {
    kind: i64,
    unpacked: i64,
    stored: i64,
    data: Option<Details>,
    dictionary: Option<Details>,
    data_v2: Option<Details>,
}

/// The part of a header that only pages of one kind have: its numbers by their field.
#[derive(Clone, Copy)]
struct Details {
    numbers: [i64; 8],
    packed: bool,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Self, ParquetFault> {
        let mut header = Self { kind: -1, ..Self::default() };
        input.structure(|input, number, kind| {
            match (number, kind) {
                (1, Kind::Number) => header.kind = input.number()?,
                (2, Kind::Number) => header.unpacked = input.number()?,
                (3, Kind::Number) => header.stored = input.number()?,
                (5, Kind::Struct) => header.data = Some(Details::read(input)?),
                (7, Kind::Struct) => header.dictionary = Some(Details::read(input)?),
                (8, Kind::Struct) => header.data_v2 = Some(Details::read(input)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(header)
    }

    /// What kind of page it is, with that kind's details; `None` for pages without values.
    fn kind(&self) -> Option<(i64, Details)> {
        let details = match self.kind {
            DATA => self.data,
            DICTIONARY => self.dictionary,
            DATA_V2 => self.data_v2,
            _ => None,
        };
        details.map(|details| (self.kind, details))
    }
}

impl Details {
    fn read(input: &mut Input<'_>) -> Result<Self, ParquetFault> {
        let mut details = Self { numbers: [0; 8], packed: true };
        input.structure(|input, number, kind| {
            match (usize::try_from(number), kind) {
                (Ok(number @ 1..8), Kind::Number) => details.numbers[number] = input.number()?,
                (Ok(7), Kind::Bool(packed)) => details.packed = packed,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(details)
    }
}

/// Reads the header at the beginning of the range and moves past it.
fn header(file: &mut File, chunk: &mut Chunk) -> Result<Header, ParquetFault> {
    let left = chunk.range.end - chunk.range.start;
    for most in HEADER_BYTES {
        let mut bytes = vec![0; left.min(most) as usize];
        read_at(file, chunk.range.start, &mut bytes).map_err(ParquetFault::Read)?;
        let mut input = Input::new(&bytes);
        if let Ok(header) = Header::read(&mut input) {
            chunk.range.start += (bytes.len() - input.left()) as u64;
            return Ok(header);
        }
    }
    Err(ParquetFault::Header)
}

fn within(found: i64, most: u64) -> Result<u64, ParquetFault> {
    u64::try_from(found).ok().filter(|bytes| *bytes <= most).ok_or(ParquetFault::PageSize { found, most })
}

/// The bytes of a page, `expected` of them once they are decompressed.
fn decompressed(bytes: Vec<u8>, expected: i64, codec: Codec) -> Result<Vec<u8>, ParquetFault> {
    match codec {
        Codec::None => Ok(bytes),
        Codec::Snappy => {
            let most = (bytes.len() as u64 * SNAPPY_RATIO).min(MAX_PAGE_BYTES);
            let expected = within(expected, most)?;
            if snap::raw::decompress_len(&bytes).ok() != Some(expected as usize) {
                return Err(ParquetFault::Compressed);
            }
            snap::raw::Decoder::new().decompress_vec(&bytes).map_err(|_| ParquetFault::Compressed)
        }
        Codec::Gzip => {
            let expected = within(expected, MAX_PAGE_BYTES)?;
            let mut page = Vec::new();
            // It grows with what comes out, and a byte more than expected is enough to see that it is too much.
            let mut limited = MultiGzDecoder::new(&bytes[..]).take(expected + 1);
            let read = limited.read_to_end(&mut page).map_err(|_| ParquetFault::Compressed)?;
            if read as u64 == expected { Ok(page) } else { Err(ParquetFault::Compressed) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::gzip;

    #[test]
    fn a_page_is_as_long_as_its_header_says_or_refused() {
        let page: Vec<u8> = (0..1000).map(|number: u32| (number * number / 7) as u8).collect();
        let snappy = snap::raw::Encoder::new().compress_vec(&page).unwrap();
        for (packed, codec) in [(gzip(&page), Codec::Gzip), (snappy, Codec::Snappy)] {
            assert_eq!(decompressed(packed.clone(), 1000, codec).unwrap(), page);
            for length in [999, 1001] {
                let found = decompressed(packed.clone(), length, codec);
                assert!(matches!(found, Err(ParquetFault::Compressed)), "{found:?}");
            }
            for length in [-1, i64::MAX] {
                let found = decompressed(packed.clone(), length, codec);
                assert!(matches!(found, Err(ParquetFault::PageSize { .. })), "{found:?}");
            }
            let cut = decompressed(packed[..packed.len() / 2].to_vec(), 1000, codec);
            assert!(matches!(cut, Err(ParquetFault::Compressed)), "{cut:?}");
        }
    }

    #[test]
    fn snappy_that_announces_more_than_its_bytes_hold_is_refused_before_room_is_made() {
        // The length, 200 MiB, and nothing else.
        let bomb = vec![0x80, 0x80, 0x80, 0x64, 0];
        let found = decompressed(bomb, 200 << 20, Codec::Snappy);
        assert!(matches!(found, Err(ParquetFault::PageSize { most: 110, .. })), "{found:?}");
    }
}
