//! A column of a row group, one value after the other.

use std::fs::File;
use std::ops::Range;

use super::ParquetFault;
use super::footer::{Chunk, Leaf, Physical};
use super::hybrid::Hybrid;
use super::page::{Page, Role, next_page};

/// Encodings by their numbers in the format.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
}

pub(super) struct Column {
    chunk: Chunk,
    leaf: Leaf,
    dictionary: Option<Dictionary>,
    page: Option<Data>,
}

/// The values that pages refer to.
struct Dictionary {
    bytes: Vec<u8>,
    /// Narrow, as a page is, to need no more than twice the room of the shortest values.
    places: Vec<Range<u32>>,
}

/// A page of values.
struct Data {
    bytes: Vec<u8>,
    /// Rows not read yet.
    left: u64,
    /// Whether each row has a value; `None` when all have.
    levels: Option<Hybrid>,
    values: Values,
}

enum Values {
    /// One after the other from this byte on.
    Plain(usize),
    /// As places in the dictionary.
    Places(Hybrid),
}

impl Column {
    pub(super) fn new(chunk: Chunk, leaf: Leaf) -> Self {
        Self { chunk, leaf, dictionary: None, page: None }
    }

    /// The value of the next row, `None` where it has none.
    pub(super) fn next(&mut self, file: &mut File) -> Result<Option<Value<'_>>, ParquetFault> {
        while self.page.as_ref().is_none_or(|page| page.left == 0) {
            self.page = None;
            let page = next_page(file, &mut self.chunk)?.ok_or(ParquetFault::Rows)?;
            if page.role == Role::Dictionary {
                self.dictionary = Some(Dictionary::new(page, self.leaf.physical)?);
            } else {
                self.page = Some(Data::new(page, self.leaf.defined)?);
            }
        }
        let page = self.page.as_mut().ok_or(ParquetFault::Rows)?;
        page.left -= 1;
        if let Some(levels) = &mut page.levels
            && levels.next(&page.bytes)? != self.leaf.defined
        {
            return Ok(None);
        }
        let (bytes, place) = match &mut page.values {
            Values::Plain(at) => {
                let place = place(&page.bytes, *at, self.leaf.physical)?;
                *at = place.end;
                (&page.bytes, place)
            }
            Values::Places(places) => {
                let place = places.next(&page.bytes)? as usize;
                let dictionary = self.dictionary.as_ref().ok_or(ParquetFault::Values)?;
                let place = dictionary.places.get(place).ok_or(ParquetFault::Values)?;
                (&dictionary.bytes, place.start as usize..place.end as usize)
            }
        };
        let bytes = &bytes[place];
        Ok(Some(match self.leaf.physical {
            Physical::Bytes => Value::Bytes(bytes),
            Physical::Int32 => {
                let wide = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                Value::Number(i64::from(wide.cast_signed()))
            }
            Physical::Int64 => {
                let wide = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
                Value::Number(wide.cast_signed())
            }
        }))
    }
}

impl Dictionary {
    fn new(page: Page, physical: Physical) -> Result<Self, ParquetFault> {
        if ![PLAIN, PLAIN_DICTIONARY].contains(&page.encoding) {
            return Err(ParquetFault::Encoding { found: page.encoding });
        }
        let mut places = Vec::new();
        let mut at = 0;
        // Every value takes four bytes or more, so that damage shows before the list outgrows the page.
        for _ in 0..page.values {
            let place = place(&page.bytes, at, physical)?;
            at = place.end;
            places.push(place.start as u32..place.end as u32);
        }
        Ok(Self { bytes: page.bytes, places })
    }
}

impl Data {
    fn new(page: Page, defined: u32) -> Result<Self, ParquetFault> {
        let bytes = page.bytes;
        let width = u32::BITS - defined.leading_zeros();
        let (levels, start) = match page.role {
            Role::DataV2 { levels } if defined > 0 => (Some(0..levels), levels),
            Role::DataV2 { levels } => (None, levels),
            Role::Data { level_encoding } if defined > 0 => {
                if level_encoding != RLE {
                    return Err(ParquetFault::Encoding { found: level_encoding });
                }
                let levels = place(&bytes, 0, Physical::Bytes)?;
                (Some(levels.clone()), levels.end)
            }
            Role::Data { .. } | Role::Dictionary => (None, 0),
        };
        let levels = levels.map(|levels| Hybrid::new(levels.start, levels.end, width)).transpose()?;
        let values = match page.encoding {
            PLAIN => Values::Plain(start),
            // A page whose rows have no values may be empty.
            PLAIN_DICTIONARY | RLE_DICTIONARY => {
                let width = bytes.get(start).copied().unwrap_or_default();
                Values::Places(Hybrid::new((start + 1).min(bytes.len()), bytes.len(), u32::from(width))?)
            }
            found => return Err(ParquetFault::Encoding { found }),
        };
        Ok(Self { bytes, left: page.values, levels, values })
    }
}

/// The place of the value that is stored plainly at a byte.
fn place(bytes: &[u8], at: usize, physical: Physical) -> Result<Range<usize>, ParquetFault> {
    let (start, length) = match physical {
        Physical::Int32 => (at, 4),
        Physical::Int64 => (at, 8),
        Physical::Bytes => {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(ParquetFault::Values)?;
            (at + 4, u32::from_le_bytes(*length) as usize)
        }
    };
    let end = start.checked_add(length).filter(|end| *end <= bytes.len());
    Ok(start..end.ok_or(ParquetFault::Values)?)
}
