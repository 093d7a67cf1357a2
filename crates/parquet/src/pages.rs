//! Pages of a column, checked and decompressed before the parser sees them.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::ChunkReader;

use crate::fault::ParquetFault;
use crate::thrift::{Input, Kind};

/// Largest page that is read, compressed or not, in bytes. Writers close a page at a megabyte, but some only look every
/// thousand values.
pub const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Most values of a dictionary: each takes some ten times the 4 bytes that it has at least in the file.
const MAX_DICTIONARY_VALUES: i64 = 1 << 20;

/// Bytes read for a page header at first, and if it proves longer.
const HEADER_BYTES: [u64; 2] = [256, 1 << 20];

/// A byte of snappy holds at most this many: three bytes repeat 64.
const SNAPPY_RATIO: u64 = 22;

/// The pages of one column of a row group, in their order.
pub(crate) struct Pages {
    file: Arc<File>,
    /// What is left of the column's bytes.
    range: Range<u64>,
    codec: Codec,
    /// Values that pages may still have.
    values: u64,
    /// Whether a row may have several values; pages of other columns have no repetition levels.
    lists: bool,
    /// Whether there was a dictionary: the parser takes it for granted where values refer to one.
    dictionary: bool,
}

#[derive(Clone, Copy)]
enum Codec {
    None,
    Snappy,
    Gzip,
}

impl Pages {
    /// `None` when the compression is not supported.
    pub(crate) fn new(
        file: Arc<File>,
        range: Range<u64>,
        compression: Compression,
        values: u64,
        lists: bool,
    ) -> Option<Self> {
        let codec = match compression {
            Compression::UNCOMPRESSED => Codec::None,
            Compression::SNAPPY => Codec::Snappy,
            Compression::GZIP(_) => Codec::Gzip,
            Compression::LZO
            | Compression::BROTLI(_)
            | Compression::LZ4
            | Compression::ZSTD(_)
            | Compression::LZ4_RAW => return None,
        };
        Some(Self { file, range, codec, values, lists, dictionary: false })
    }

    fn next_page(&mut self) -> Result<Option<Page>, ParquetFault> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let header = self.header()?;
        let left = self.range.end - self.range.start;
        let most = left.min(MAX_PAGE_BYTES);
        let length = within(header.compressed, most)?;
        let bytes = self.file.get_bytes(self.range.start, length as usize)?;
        self.range.start += length;
        let page = header.into_page(bytes, self.codec, &mut self.values, self.lists)?;
        if page.is_dictionary_page() {
            self.dictionary = true;
        } else if page.encoding() != Encoding::PLAIN && !self.dictionary {
            return Err(ParquetFault::Header);
        }
        Ok(Some(page))
    }

    /// Reads the header at the beginning of the range and moves past it.
    fn header(&mut self) -> Result<Header, ParquetFault> {
        let left = self.range.end - self.range.start;
        let mut outcome = Err(ParquetFault::Header);
        for most in HEADER_BYTES {
            let bytes = self.file.get_bytes(self.range.start, left.min(most) as usize)?;
            outcome = Header::read(&bytes);
            if outcome.is_ok() || left <= most {
                break;
            }
        }
        let (header, length) = outcome?;
        self.range.start += length;
        Ok(header)
    }
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.next_page().map_err(|error| ParquetError::External(Box::new(error)))
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Err(ParquetError::NYI("these pages are read one after the other".to_owned()))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.get_next_page().map(|_| ())
    }

    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        // Elsewhere the reader finds the end of a record by the beginning of the next.
        Ok(self.range.is_empty())
    }
}

/// What matters of a page header. The numbers in the names of fields are those of the format's own description.
#[derive(Default)]
struct Header {
    compressed: i64,
    uncompressed: i64,
    data: Option<Details>,
    dictionary: Option<Details>,
    data_v2: Option<Details>,
}

/// What matters of the part of a header that only pages of one kind have, by field number.
struct Details {
    numbers: [i64; 8],
    compressed: bool,
}

impl Header {
    /// The header at the beginning of `bytes`, and its length.
    fn read(bytes: &[u8]) -> Result<(Self, u64), ParquetFault> {
        let mut header = Self::default();
        let mut kind_of_page = -1;
        let mut input = Input::new(bytes);
        input.structure(|input, number, kind| {
            match (number, kind) {
                (1, Kind::Number) => kind_of_page = input.number()?,
                (2, Kind::Number) => header.uncompressed = input.number()?,
                (3, Kind::Number) => header.compressed = input.number()?,
                (5, Kind::Struct) => header.data = Some(Details::read(input)?),
                (7, Kind::Struct) => header.dictionary = Some(Details::read(input)?),
                (8, Kind::Struct) => header.data_v2 = Some(Details::read(input)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        // A header may carry the parts of several kinds; the one that it names counts.
        match kind_of_page {
            0 => (header.dictionary, header.data_v2) = (None, None),
            2 => (header.data, header.data_v2) = (None, None),
            3 => (header.data, header.dictionary) = (None, None),
            _ => return Err(ParquetFault::Header),
        }
        Ok((header, (bytes.len() - input.left()) as u64))
    }

    fn into_page(
        self,
        bytes: Bytes,
        codec: Codec,
        values: &mut u64,
        lists: bool,
    ) -> Result<Page, ParquetFault> {
        if let Some(dictionary) = self.dictionary {
            let buf = decompressed(bytes, self.uncompressed, codec)?;
            // Every value of a plain dictionary has at least 4 bytes.
            let most = (buf.len() as u64 / 4).min(MAX_DICTIONARY_VALUES as u64);
            let num_values = values_within(dictionary.numbers[1], most)?;
            let encoding = encoding(dictionary.numbers[2])?;
            return Ok(Page::DictionaryPage { buf, num_values, encoding, is_sorted: false });
        }
        let details = self.data.as_ref().or(self.data_v2.as_ref()).ok_or(ParquetFault::Header)?;
        let num_values = values_within(details.numbers[1], *values)?;
        *values -= u64::from(num_values);
        if self.data.is_some() {
            let buf = decompressed(bytes, self.uncompressed, codec)?;
            return Ok(Page::DataPage {
                buf,
                num_values,
                encoding: encoding(details.numbers[2])?,
                def_level_encoding: level_encoding(details.numbers[3])?,
                rep_level_encoding: level_encoding(details.numbers[4])?,
                statistics: None,
            });
        }
        // Levels come first and are not compressed.
        let most = (bytes.len() as u64).min(u64::from(u32::MAX));
        let definition = within(details.numbers[5], most)?;
        let repetition = within(details.numbers[6], if lists { most } else { 0 })?;
        let levels = within((definition + repetition).cast_signed(), most)?;
        let buf = if details.compressed && bytes.len() as u64 > levels {
            let values = self.uncompressed.saturating_sub(levels.cast_signed());
            let values = decompressed(bytes.slice(levels as usize..), values, codec)?;
            Bytes::from([&bytes[..levels as usize], &values].concat())
        } else {
            bytes
        };
        Ok(Page::DataPageV2 {
            buf,
            num_values,
            encoding: encoding(details.numbers[4])?,
            num_nulls: values_within(details.numbers[2], u64::from(num_values))?,
            num_rows: values_within(details.numbers[3], u64::from(num_values))?,
            def_levels_byte_len: definition as u32,
            rep_levels_byte_len: repetition as u32,
            is_compressed: false,
            statistics: None,
        })
    }
}

impl Details {
    fn read(input: &mut Input<'_>) -> Result<Self, ParquetFault> {
        let mut details = Self { numbers: [0; 8], compressed: true };
        input.structure(|input, number, kind| {
            match (usize::try_from(number), kind) {
                (Ok(number @ 1..8), Kind::Number) => details.numbers[number] = input.number()?,
                (Ok(7), Kind::Bool(compressed)) => details.compressed = compressed,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(details)
    }
}

fn within(found: i64, most: u64) -> Result<u64, ParquetFault> {
    u64::try_from(found).ok().filter(|bytes| *bytes <= most).ok_or(ParquetFault::PageSize { found, most })
}

fn values_within(found: i64, most: u64) -> Result<u32, ParquetFault> {
    let values = u32::try_from(found).ok().filter(|values| u64::from(*values) <= most);
    values.ok_or(ParquetFault::PageValues { found, most })
}

/// The encodings that cannot make something large out of a few announced numbers.
fn encoding(found: i64) -> Result<Encoding, ParquetFault> {
    match found {
        0 => Ok(Encoding::PLAIN),
        2 => Ok(Encoding::PLAIN_DICTIONARY),
        8 => Ok(Encoding::RLE_DICTIONARY),
        found => Err(ParquetFault::Encoding { found }),
    }
}

#[expect(deprecated, reason = "old files have levels in bit-packed encoding")]
fn level_encoding(found: i64) -> Result<Encoding, ParquetFault> {
    match found {
        // Columns without levels need not name an encoding.
        0 | 3 => Ok(Encoding::RLE),
        4 => Ok(Encoding::BIT_PACKED),
        found => Err(ParquetFault::Encoding { found }),
    }
}

/// The bytes of a page, `expected` of them once decompressed.
fn decompressed(bytes: Bytes, expected: i64, codec: Codec) -> Result<Bytes, ParquetFault> {
    match codec {
        Codec::None => Ok(bytes),
        Codec::Snappy => {
            let most = (bytes.len() as u64 * SNAPPY_RATIO).min(MAX_PAGE_BYTES);
            let expected = within(expected, most)?;
            if snap::raw::decompress_len(&bytes).ok() != Some(expected as usize) {
                return Err(ParquetFault::Compressed);
            }
            let page = snap::raw::Decoder::new().decompress_vec(&bytes);
            Ok(page.map_err(|_| ParquetFault::Compressed)?.into())
        }
        Codec::Gzip => {
            let expected = within(expected, MAX_PAGE_BYTES)?;
            let mut page = Vec::new();
            // It grows with what comes out, and a byte more than expected is enough to see that it is too much.
            let mut limited = flate2::read::MultiGzDecoder::new(&bytes[..]).take(expected + 1);
            let read = limited.read_to_end(&mut page).map_err(|_| ParquetFault::Compressed)?;
            if read as u64 == expected { Ok(page.into()) } else { Err(ParquetFault::Compressed) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn a_page_is_as_long_as_its_header_says_or_refused() {
        let page: Vec<u8> = (0..1000).map(|number: u32| (number * number / 7) as u8).collect();
        let snappy = snap::raw::Encoder::new().compress_vec(&page).unwrap();
        for (packed, codec) in [(gzip(&page), Codec::Gzip), (snappy, Codec::Snappy)] {
            let packed = Bytes::from(packed);
            assert_eq!(decompressed(packed.clone(), 1000, codec).unwrap(), page);
            for length in [999, 1001] {
                let found = decompressed(packed.clone(), length, codec);
                assert!(matches!(found, Err(ParquetFault::Compressed)), "{found:?}");
            }
            for length in [-1, i64::MAX] {
                let found = decompressed(packed.clone(), length, codec);
                assert!(matches!(found, Err(ParquetFault::PageSize { .. })), "{found:?}");
            }
            let cut = decompressed(packed.slice(..packed.len() / 2), 1000, codec);
            assert!(matches!(cut, Err(ParquetFault::Compressed)), "{cut:?}");
        }
    }

    #[test]
    fn pages_of_columns_without_lists_have_no_repetition_levels() {
        // Kind 3, 8 bytes of either size; version 2: 1 value, none null, 1 row, plain, levels of 0 and 2 bytes.
        let bytes =
            [0x15, 6, 0x15, 16, 0x15, 16, 0x5c, 0x15, 2, 0x15, 0, 0x15, 2, 0x15, 0, 0x15, 0, 0x15, 4, 0, 0];
        let page = |lists| {
            let (header, length) = Header::read(&bytes).unwrap();
            assert_eq!(length, bytes.len() as u64);
            header.into_page(Bytes::from_static(&[0; 8]), Codec::None, &mut 1, lists)
        };
        assert!(page(true).is_ok());
        let found = page(false).map(|_| ());
        assert!(matches!(found, Err(ParquetFault::PageSize { found: 2, most: 0 })), "{found:?}");
    }

    #[test]
    fn snappy_that_announces_more_than_its_bytes_hold_is_refused_before_room_is_made() {
        // The length, 200 MiB, and nothing else.
        let bomb = Bytes::from_static(&[0x80, 0x80, 0x80, 0x64, 0]);
        let found = decompressed(bomb, 200 << 20, Codec::Snappy);
        assert!(matches!(found, Err(ParquetFault::PageSize { most: 110, .. })), "{found:?}");
    }
}
