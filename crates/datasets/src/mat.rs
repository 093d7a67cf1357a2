//! MATLAB files of level 5 (`save -v7` and before), as far as numeric arrays go: found first, read in pieces later.
//!
//! The layout is that of the document "MAT-File Format" of MATLAB's makers: a header of 128 bytes, then elements of a tag (type and
//! number of bytes) and content, where an array is an element of elements: flags, dimensions, name, values. Every array
//! may lie in an element of its own that zlib compressed. The reader that crates have for such files takes a whole array
//! into memory, and SVHN's is two gigabytes; this one finds its place and hands out pieces, each checked before.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::ZlibDecoder;

use crate::DatasetError;
use crate::byte_source::ByteSource;

const HEADER_BYTES: u64 = 128;
const TAG_BYTES: u64 = 8;

/// Variables and other elements that are looked at.
const MOST_ELEMENTS: usize = 256;
const MOST_DIMENSIONS: u32 = 32;
/// Of a variable's name; MATLAB itself stops at 63.
const MOST_NAME_BYTES: u32 = 255;

const INT8: u32 = 1;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Classes of arrays that hold plain numbers, from double to 64-bit.
const NUMERIC: std::ops::RangeInclusive<u32> = 6..=15;
const COMPLEX: u32 = 0x0800;

/// How the values of an array are stored, which may be narrower than what they are in MATLAB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Int8,
    Uint8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Single,
    Double,
}

impl Store {
    fn of(kind: u32) -> Option<Self> {
        match kind {
            1 => Some(Self::Int8),
            2 => Some(Self::Uint8),
            3 => Some(Self::Int16),
            4 => Some(Self::Uint16),
            5 => Some(Self::Int32),
            6 => Some(Self::Uint32),
            7 => Some(Self::Single),
            9 => Some(Self::Double),
            _ => None,
        }
    }

    /// Bytes of a value.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Single => 4,
            Self::Double => 8,
        }
    }

    /// The value of these [`Store::size`] bytes, where it is a whole number from 0 to 255.
    pub(crate) fn small(self, bytes: &[u8]) -> Option<u8> {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        // A fraction, and with it what is no number, is refused; the conversion itself saturates.
        let whole = |value: f64| (value.fract() == 0.0).then(|| u8::try_from(value as i64).ok()).flatten();
        match self {
            // A negative number has its highest bit set and is too large as well.
            Self::Int8 => u8::try_from(bits).ok().filter(|value| *value < 0x80),
            Self::Uint8 | Self::Int16 | Self::Uint16 | Self::Int32 | Self::Uint32 => u8::try_from(bits).ok(),
            Self::Single => whole(f64::from(f32::from_bits(bits as u32))),
            Self::Double => whole(f64::from_bits(bits)),
        }
    }
}

/// A numeric array whose values are about to be read.
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<u64>,
    pub(crate) store: Store,
    /// Bytes of all values.
    pub(crate) bytes: u64,
    /// Stands before the next value.
    pub(crate) source: ByteSource,
    /// Where the array's element begins in the file.
    element: u64,
    padding: u64,
}

impl Array {
    /// The error that `expected` should stand where the source is.
    pub(crate) fn expected(&self, expected: &'static str) -> DatasetError {
        deviation(&self.source, self.element, expected)
    }

    /// Holds the array to its end after its values, and with it what compressed it to its checksum.
    pub(crate) fn expect_end(&mut self, records: u64) -> Result<(), DatasetError> {
        self.source.skip(self.padding)?;
        self.source.expect_end(records)
    }

    /// Reads an array up to its values; `None` for what is no numeric array or has none of the names wanted.
    fn find(mut source: ByteSource, element: u64, wanted: &[&str]) -> Result<Option<Self>, DatasetError> {
        let outer = Tag::read(&mut source, element)?;
        if outer.kind != MATRIX {
            return Err(deviation(&source, element, "the tag of an array before this byte"));
        }
        if outer.bytes == 0 {
            return Ok(None);
        }
        let end = source.offset() + u64::from(outer.bytes);
        let flags = Tag::read(&mut source, element)?;
        if flags.kind != UINT32 || flags.bytes != 8 {
            return Err(deviation(&source, element, "the 8 bytes of an array's flags"));
        }
        let bits = source.number_le()?;
        source.skip(4)?;
        if !NUMERIC.contains(&(bits & 0xff)) {
            return Ok(None);
        }
        let shape = Tag::read(&mut source, element)?;
        let count = shape.bytes / 4;
        if shape.kind != INT32 || !shape.bytes.is_multiple_of(4) || !(2..=MOST_DIMENSIONS).contains(&count) {
            return Err(deviation(&source, element, "2 to 32 dimensions of an array"));
        }
        let mut dimensions = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let side = source.number_le()?.cast_signed();
            let side =
                u64::try_from(side).map_err(|_| deviation(&source, element, "a dimension of 0 or more"))?;
            dimensions.push(side);
        }
        source.skip(shape.padding)?;
        let title = Tag::read(&mut source, element)?;
        if title.kind != INT8 || title.bytes > MOST_NAME_BYTES {
            return Err(deviation(&source, element, "the name of an array"));
        }
        let mut name = vec![0; title.bytes as usize];
        source.fill(&mut name)?;
        source.skip(title.padding)?;
        let Some(name) = wanted.iter().find(|wanted| wanted.as_bytes() == name) else { return Ok(None) };
        if bits & COMPLEX != 0 {
            return Err(deviation(&source, element, "real numbers"));
        }
        let values = Tag::read(&mut source, element)?;
        let store = Store::of(values.kind)
            .ok_or_else(|| deviation(&source, element, "numbers of at most 32 bits, or floats"))?;
        if source.offset() + u64::from(values.bytes) > end {
            return Err(deviation(&source, element, "values that end with their array"));
        }
        Ok(Some(Self {
            name: (*name).to_owned(),
            dimensions,
            store,
            bytes: u64::from(values.bytes),
            source,
            element,
            padding: values.padding,
        }))
    }
}

/// What an element is and how long.
struct Tag {
    kind: u32,
    bytes: u32,
    /// Bytes that fill up the element.
    padding: u64,
}

impl Tag {
    fn read(source: &mut ByteSource, element: u64) -> Result<Self, DatasetError> {
        let first = source.number_le()?;
        let (kind, small) = (first & 0xffff, first >> 16);
        if small == 0 {
            let bytes = source.number_le()?;
            return Ok(Self { kind, bytes, padding: u64::from(bytes.wrapping_neg() % 8) });
        }
        // Up to four bytes of content share the tag's eight.
        if small > 4 {
            return Err(deviation(source, element, "at most 4 bytes in a small element"));
        }
        Ok(Self { kind, bytes: small, padding: u64::from(4 - small) })
    }
}

fn deviation(source: &ByteSource, element: u64, expected: &'static str) -> DatasetError {
    DatasetError::Mat { path: source.path().to_owned(), element, offset: source.offset(), expected }
}

/// The numeric arrays of the file at `path` that have one of these names, in the file's order.
pub(crate) fn arrays(path: &Path, wanted: &[&str]) -> Result<Vec<Array>, DatasetError> {
    let failed = |source| DatasetError::Open { path: path.to_owned(), source };
    let length = File::open(path).and_then(|file| file.metadata()).map_err(failed)?.len();
    check_header(path)?;
    let mut found = Vec::new();
    let mut start = HEADER_BYTES;
    for _ in 0..MOST_ELEMENTS {
        if start == length {
            return Ok(found);
        }
        let mut tag = part(path, start, TAG_BYTES)?;
        let (kind, bytes) = (tag.number_le()?, u64::from(tag.number_le()?));
        let content = start + TAG_BYTES;
        let end = content + bytes;
        if end > length {
            return Err(DatasetError::Truncated { path: path.to_owned(), found: length, expected: end });
        }
        let source = match kind {
            COMPRESSED => {
                let packed = ZlibDecoder::new(reader(path, content, bytes)?);
                Some(ByteSource::over(path, Box::new(packed), 0))
            }
            MATRIX => Some(part(path, start, TAG_BYTES + bytes)?),
            _ => None,
        };
        if let Some(source) = source {
            found.extend(Array::find(source, start, wanted)?);
        }
        // Only compressed elements are not filled up to eight bytes.
        start = if kind == COMPRESSED { end } else { content + bytes.next_multiple_of(8) };
    }
    Err(DatasetError::Mat {
        path: path.to_owned(),
        element: start,
        offset: start,
        expected: "the end of the file after 256 elements",
    })
}

fn check_header(path: &Path) -> Result<(), DatasetError> {
    let mut header = [0; HEADER_BYTES as usize];
    part(path, 0, HEADER_BYTES)?.fill(&mut header)?;
    let expected = match &header[124..] {
        [0, 1, b'I', b'M'] => return Ok(()),
        [1, 0, b'M', b'I'] => "a little-endian file; save it on another machine",
        [0, 2, b'I', b'M'] => "version 1, this is HDF5; save it with -v7",
        _ => "version 1 and \"IM\"; is it a .mat file?",
    };
    Err(DatasetError::Mat { path: path.to_owned(), element: 0, offset: 124, expected })
}

/// The bytes of the file from `start` on.
fn part(path: &Path, start: u64, bytes: u64) -> Result<ByteSource, DatasetError> {
    Ok(ByteSource::over(path, Box::new(reader(path, start, bytes)?), start))
}

fn reader(path: &Path, start: u64, bytes: u64) -> Result<impl Read + Send + 'static, DatasetError> {
    let failed = |source| DatasetError::Open { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    Ok(BufReader::with_capacity(1 << 16, file).take(bytes))
}
