//! The file of a segment. Integers and values are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | magic |
//! | 8..12 | format version |
//! | 12..16 | values in a row |
//! | 16..48 | identity: a digest of the collection's uuid and the view's name |
//! | 48..52 | first id of the span |
//! | 52..56 | covered: the file has every row of the ids from the first to before this one |
//! | 56..60 | number of rows |
//! | 60..64 | CRC-32 of everything behind the rows |
//! | 64..124 | zeros |
//! | 124..128 | CRC-32 of the bytes before |
//! | 128.. | rows, each in its values; then their ids; then a CRC-32 for each 1 MiB of rows |
//!
//! The rows begin at a multiple of 64 bytes. Ids and checksums come behind them so that a file can be written in one
//! go, before it is known how many rows there are.

use std::ops::Range;

use lookalike_plugin_api::ExemplarId;
use thiserror::Error;

use crate::limits::MAX_DIMENSION;

const MAGIC: [u8; 8] = *b"LKL-ROWS";
const FORMAT: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 128;
const CRC_PLACE: usize = HEADER_BYTES - 4;
/// Row bytes under one checksum: small enough to be checked in parallel, large enough that the checksums are few.
pub(crate) const PIECE_BYTES: usize = 1 << 20;
/// Ids of a span.
pub(crate) const SPAN_IDS: u64 = 1 << 16;

/// Consecutive ids that share their upper 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u16);

impl Span {
    /// The spans that have at least one id below `next_id`.
    pub(crate) fn below(next_id: ExemplarId) -> impl Iterator<Item = Self> {
        let spans = u64::from(next_id).div_ceil(SPAN_IDS);
        (0..spans).map(|high| Self(high as u16))
    }

    pub(crate) fn first(self) -> ExemplarId {
        u32::from(self.0) << 16
    }

    /// Its ids that are given away when `next_id` is the next.
    pub(crate) fn given(self, next_id: ExemplarId) -> Range<ExemplarId> {
        let end = (u64::from(self.first()) + SPAN_IDS).min(next_id.into());
        self.first()..end as ExemplarId
    }

    /// Whether all of its ids are given away.
    pub(crate) fn is_sealed(self, next_id: ExemplarId) -> bool {
        u64::from(self.first()) + SPAN_IDS <= next_id.into()
    }
}

/// What a file must say to be of use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) identity: [u8; 32],
    pub(crate) dimension: u32,
    pub(crate) span: Span,
    /// The next id of the collection: no file can know it or a later one.
    pub(crate) next_id: ExemplarId,
}

/// Why a file is of no use.
#[derive(Debug, Error)]
pub(crate) enum Flaw {
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    #[error("it has {found} bytes, a header has {HEADER_BYTES}")]
    Short { found: usize },
    #[error("it is no file of feature rows")]
    Magic,
    #[error("it has format {found}, this program reads {FORMAT}")]
    Format { found: u32 },
    #[error("the checksum of its {what} is wrong")]
    Checksum { what: &'static str },
    #[error("it belongs to another collection or view")]
    Foreign,
    #[error("its {what} is {found}, expected {expected}")]
    Disagreement { what: &'static str, found: u64, expected: u64 },
    #[error("it covers ids before {found}, but only those before {next_id} were given away")]
    Ahead { found: ExemplarId, next_id: ExemplarId },
    #[error("its ids do not ascend within what it covers")]
    Ids,
    #[error("it lacks the row of exemplar {id}")]
    Lacking { id: ExemplarId },
    #[error("its row of exemplar {id} is not the stored one")]
    Outdated { id: ExemplarId },
}

impl Flaw {
    /// Whether the file will never be of use to this program. What cannot be read now may be readable later, a file in
    /// a newer format is of use to a newer program, and one that is ahead of a state to a newer state.
    pub(crate) fn is_lasting(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::Format { .. } | Self::Ahead { .. })
    }
}

/// The first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: [u8; 32],
    pub(crate) dimension: u32,
    pub(crate) first: ExemplarId,
    /// Every row of the ids `first..covered` is in the file.
    pub(crate) covered: ExemplarId,
    pub(crate) rows: u32,
    /// CRC-32 of what is behind the rows.
    pub(crate) index_crc: u32,
}

/// Where the parts of a file lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) values: Range<usize>,
    pub(crate) ids: Range<usize>,
    pub(crate) checksums: Range<usize>,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[16..48].copy_from_slice(&self.identity);
        let numbers = [
            (8, FORMAT),
            (12, self.dimension),
            (48, self.first),
            (52, self.covered),
            (56, self.rows),
            (60, self.index_crc),
        ];
        for (place, number) in numbers {
            bytes[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..CRC_PLACE]);
        bytes[CRC_PLACE..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header and checks that it can be true at all: whoever believes it allocates or reads no more than
    /// a span of the longest rows has.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(Flaw::Short { found: bytes.len() })?;
        if bytes[..8] != MAGIC {
            return Err(Flaw::Magic);
        }
        let number = |place: usize| {
            u32::from_le_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
        };
        // The format first: what the rest means is that format's own business.
        if number(8) != FORMAT {
            return Err(Flaw::Format { found: number(8) });
        }
        if number(CRC_PLACE) != crc32fast::hash(&bytes[..CRC_PLACE]) {
            return Err(Flaw::Checksum { what: "header" });
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(&bytes[16..48]);
        let header = Self {
            identity,
            dimension: number(12),
            first: number(48),
            covered: number(52),
            rows: number(56),
            index_crc: number(60),
        };
        let ids = u64::from(header.covered).saturating_sub(header.first.into());
        let span = u64::from(header.first) % SPAN_IDS;
        if ids > SPAN_IDS || span != 0 || u64::from(header.rows) > ids {
            return Err(Flaw::Ids);
        }
        if !(1..=MAX_DIMENSION).contains(&(header.dimension as usize)) {
            let (found, expected) = (header.dimension.into(), MAX_DIMENSION as u64);
            return Err(Flaw::Disagreement { what: "dimension", found, expected });
        }
        Ok(header)
    }

    /// Checks that the file is the expected one.
    pub(crate) fn check(&self, expected: &Expected) -> Result<(), Flaw> {
        if self.identity != expected.identity {
            return Err(Flaw::Foreign);
        }
        let numbers = [
            ("dimension", self.dimension, expected.dimension),
            ("first id", self.first, expected.span.first()),
        ];
        for (what, found, expected) in numbers {
            if found != expected {
                return Err(Flaw::Disagreement { what, found: found.into(), expected: expected.into() });
            }
        }
        if self.covered > expected.next_id {
            return Err(Flaw::Ahead { found: self.covered, next_id: expected.next_id });
        }
        Ok(())
    }

    pub(crate) fn layout(&self) -> Layout {
        let rows = self.rows as usize;
        let values = HEADER_BYTES..HEADER_BYTES + rows * self.dimension as usize * size_of::<f32>();
        let ids = values.end..values.end + rows * size_of::<ExemplarId>();
        let pieces = values.len().div_ceil(PIECE_BYTES);
        let checksums = ids.end..ids.end + pieces * size_of::<u32>();
        Layout { values, ids, checksums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_was_and_no_flipped_bit_goes_unseen() {
        let header = Header {
            identity: [7; 32],
            dimension: 512,
            first: 3 << 16,
            covered: (3 << 16) + 500,
            rows: 499,
            index_crc: 0xDEAD_BEEF,
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes).unwrap(), header);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
        assert!(matches!(Header::decode(&bytes[1..]), Err(Flaw::Short { found: 127 })));
    }

    #[test]
    fn spans_end_with_the_last_id_that_can_be_given_away() {
        assert_eq!(Span::below(0).count(), 0);
        assert_eq!(Span::below(65_536).collect::<Vec<_>>(), [Span(0)]);
        assert_eq!(Span::below(65_537).count(), 2);
        assert_eq!(Span::below(u32::MAX).last(), Some(Span(0xFFFF)));
        assert_eq!(Span(0xFFFF).given(u32::MAX), 0xFFFF_0000..u32::MAX);
        assert!(Span(0).is_sealed(65_536) && !Span(1).is_sealed(65_537) && !Span(0xFFFF).is_sealed(u32::MAX));
    }
}
