//! The metadata at the end of a file: where the columns wanted lie in each row group.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::thrift::{Input, Kind};
use super::{ParquetColumns, ParquetFault};

/// Largest footer that is parsed, in bytes.
pub(super) const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// Groups of a schema that may lie in each other.
pub(super) const MAX_SCHEMA_DEPTH: usize = 32;

const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_BYTES: u64 = MAGIC.len() as u64;

/// The field that holds the encoded image where `image` is a struct.
const IMAGE_BYTES: &str = "bytes";

/// What is read of a file's metadata.
pub(super) struct Footer {
    pub(super) image: Leaf,
    pub(super) label: Option<Leaf>,
    pub(super) groups: Vec<Group>,
}

/// A column of at most one value a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its number among all columns.
    index: usize,
    pub(super) physical: Physical,
    /// The definition level of a value that is there; 0 when all are.
    pub(super) defined: u32,
}

/// How values are stored, of those that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Int32,
    Int64,
    Bytes,
}

pub(super) struct Group {
    pub(super) rows: u64,
    pub(super) image: Chunk,
    pub(super) label: Option<Chunk>,
}

/// The pages of a column in a row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) range: Range<u64>,
    pub(super) codec: Codec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Snappy,
    Gzip,
}

impl Codec {
    fn of(number: i64) -> Result<Self, ParquetFault> {
        let found = match number {
            0 => return Ok(Self::None),
            1 => return Ok(Self::Snappy),
            2 => return Ok(Self::Gzip),
            3 => "LZO",
            4 => "Brotli",
            5 | 7 => "LZ4",
            6 => "Zstandard",
            _ => "something unknown",
        };
        Err(ParquetFault::Codec { found })
    }
}

impl Footer {
    pub(super) fn read(file: &mut File, columns: &ParquetColumns) -> Result<Self, ParquetFault> {
        let (bytes, end) = footer(file)?;
        let mut image = Search::new(&columns.image);
        let mut label = Search::new(&columns.label);
        let mut names = Names::default();
        leaves(&bytes, |path, leaf| {
            names.add(path);
            let Some(leaf) = leaf else { return };
            match path {
                [name] | [name, IMAGE_BYTES] if leaf.physical == Physical::Bytes => image.offer(name, leaf),
                _ => {}
            }
            if let [name] = path {
                label.offer(name, leaf);
            }
        })?;
        let found = names.to_string();
        let image = image.found.map(|(_, leaf)| leaf).ok_or_else(|| ParquetFault::NoColumn {
            wanted: quoted(&columns.image),
            kind: "binary value",
            found: found.clone(),
        })?;
        let label = match label.found {
            Some((_, leaf)) => Some(leaf),
            None if columns.label.is_empty() => None,
            None => {
                let wanted = quoted(&columns.label);
                return Err(ParquetFault::NoColumn { wanted, kind: "text or whole number", found });
            }
        };
        Ok(Self { image, label, groups: groups(&bytes, image, label, end)? })
    }
}

/// The bytes of the footer, and where it begins in the file.
fn footer(file: &mut File) -> Result<(Vec<u8>, u64), ParquetFault> {
    let length = file.metadata().map_err(ParquetFault::Read)?.len();
    let least = 2 * MAGIC_BYTES + 4;
    if length < least {
        return Err(ParquetFault::NotParquet);
    }
    let mut first = [0; 4];
    let mut last = [0; 8];
    read_at(file, 0, &mut first).map_err(ParquetFault::Read)?;
    read_at(file, length - 8, &mut last).map_err(ParquetFault::Read)?;
    let [a, b, c, d, last @ ..] = last;
    if first != *MAGIC || last != *MAGIC {
        return Err(ParquetFault::NotParquet);
    }
    let found = u64::from(u32::from_le_bytes([a, b, c, d]));
    if found > MAX_FOOTER_BYTES {
        return Err(ParquetFault::Footer { found });
    }
    if found > length - least {
        return Err(ParquetFault::NotParquet);
    }
    let start = length - 8 - found;
    let mut bytes = vec![0; found as usize];
    read_at(file, start, &mut bytes).map_err(ParquetFault::Read)?;
    Ok((bytes, start))
}

pub(super) fn read_at(file: &mut File, start: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(buffer)
}

/// The best place so far for one of several names.
struct Search<'a> {
    names: &'a [String],
    /// Its rank among the names; the lower the better.
    found: Option<(usize, Leaf)>,
}

impl<'a> Search<'a> {
    fn new(names: &'a [String]) -> Self {
        Self { names, found: None }
    }

    fn offer(&mut self, name: &str, leaf: Leaf) {
        let rank = self.names.iter().position(|wanted| wanted == name);
        if let Some(rank) = rank.filter(|rank| self.found.is_none_or(|(best, _)| *rank < best)) {
            self.found = Some((rank, leaf));
        }
    }
}

/// Names of the first columns, for people.
#[derive(Default)]
struct Names {
    shown: Vec<String>,
    more: bool,
}

impl Names {
    fn add(&mut self, path: &[&str]) {
        const SHOWN: usize = 8;
        if self.shown.len() < SHOWN {
            let letters = path.iter().flat_map(|part| [".", part]).flat_map(str::chars);
            self.shown.push(letters.skip(1).take(64).collect());
        } else {
            self.more = true;
        }
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.shown.is_empty() { "none" } else { "" })?;
        f.write_str(&self.shown.join(", "))?;
        f.write_str(if self.more { ", ..." } else { "" })
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
}

/// A group of the schema that is open.
struct Open<'a> {
    name: &'a str,
    /// Children still to come.
    children: i64,
    defined: u32,
    repeated: bool,
}

/// An element of the schema as it stands in the footer.
struct Element<'a> {
    name: &'a str,
    physical: i64,
    repetition: i64,
    children: i64,
}

impl<'a> Element<'a> {
    fn read(input: &mut Input<'a>) -> Result<Self, ParquetFault> {
        let mut element = Self { name: "", physical: -1, repetition: 0, children: 0 };
        input.structure(|input, number, kind| {
            match (number, kind) {
                (1, Kind::Number) => element.physical = input.number()?,
                (3, Kind::Number) => element.repetition = input.number()?,
                (4, Kind::Binary) => {
                    let name = std::str::from_utf8(input.binary()?);
                    element.name = name.map_err(|_| ParquetFault::Header)?;
                }
                (5, Kind::Number) => element.children = input.number()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(element)
    }
}

/// Calls `each` with the path of every column, in their order, and with the column where it can be read.
fn leaves(bytes: &[u8], mut each: impl FnMut(&[&str], Option<Leaf>)) -> Result<(), ParquetFault> {
    // The first element is the root, which is in no path.
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut index = 0;
    Input::new(bytes).structure(|input, number, kind| {
        if (number, kind) != (2, Kind::List) {
            return Ok(false);
        }
        input.structures(|input| {
            let element = Element::read(input)?;
            while open.pop_if(|group| group.children == 0).is_some() {}
            let (mut defined, mut repeated) = (0, false);
            if let Some(group) = open.last_mut() {
                group.children -= 1;
                (defined, repeated) = (group.defined, group.repeated);
                defined += u32::from(element.repetition == 1);
                repeated |= element.repetition == 2;
            }
            if element.children > 0 {
                let children = element.children;
                open.push(Open { name: element.name, children, defined, repeated });
                return if open.len() > MAX_SCHEMA_DEPTH { Err(ParquetFault::SchemaDepth) } else { Ok(()) };
            }
            let physical = match element.physical {
                1 => Some(Physical::Int32),
                2 => Some(Physical::Int64),
                6 => Some(Physical::Bytes),
                _ => None,
            };
            let leaf = physical.filter(|_| !repeated).map(|physical| Leaf { index, physical, defined });
            let path: Vec<&str> = open.iter().skip(1).map(|group| group.name).chain([element.name]).collect();
            each(&path, leaf);
            index += 1;
            Ok(())
        })?;
        Ok(true)
    })
}

/// The row groups with the columns wanted, all of them before `end`.
fn groups(bytes: &[u8], image: Leaf, label: Option<Leaf>, end: u64) -> Result<Vec<Group>, ParquetFault> {
    let mut groups = Vec::new();
    Input::new(bytes).structure(|input, number, kind| {
        if (number, kind) != (4, Kind::List) {
            return Ok(false);
        }
        input.structures(|input| {
            groups.push(group(input, image, label, end)?);
            Ok(())
        })?;
        Ok(true)
    })?;
    Ok(groups)
}

fn group(input: &mut Input<'_>, image: Leaf, label: Option<Leaf>, end: u64) -> Result<Group, ParquetFault> {
    let (mut rows, mut image_chunk, mut label_chunk) = (0, None, None);
    input.structure(|input, number, kind| {
        match (number, kind) {
            (1, Kind::List) => {
                let mut index = 0;
                input.structures(|input| {
                    let raw = RawChunk::read(input)?;
                    if index == image.index {
                        image_chunk = Some(raw);
                    } else if label.is_some_and(|label| index == label.index) {
                        label_chunk = Some(raw);
                    }
                    index += 1;
                    Ok(())
                })?;
            }
            (3, Kind::Number) => rows = input.number()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let image = image_chunk.ok_or(ParquetFault::Header)?.check(end)?;
    let label = match label {
        Some(_) => Some(label_chunk.ok_or(ParquetFault::Header)?.check(end)?),
        None => None,
    };
    let rows = u64::try_from(rows).map_err(|_| ParquetFault::Header)?;
    Ok(Group { rows, image, label })
}

/// A column of a row group as it stands in the footer.
#[derive(Default)]
struct RawChunk {
    codec: i64,
    bytes: i64,
    data: i64,
    dictionary: i64,
}

impl RawChunk {
    fn read(input: &mut Input<'_>) -> Result<Self, ParquetFault> {
        let mut chunk = Self::default();
        input.structure(|input, number, kind| {
            if (number, kind) != (3, Kind::Struct) {
                return Ok(false);
            }
            input.structure(|input, number, kind| {
                match (number, kind) {
                    (4, Kind::Number) => chunk.codec = input.number()?,
                    (7, Kind::Number) => chunk.bytes = input.number()?,
                    (9, Kind::Number) => chunk.data = input.number()?,
                    (11, Kind::Number) => chunk.dictionary = input.number()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            Ok(true)
        })?;
        Ok(chunk)
    }

    fn check(&self, end: u64) -> Result<Chunk, ParquetFault> {
        // Some writers say 0 where there is no dictionary.
        let has_dictionary = (1..self.data).contains(&self.dictionary);
        let start = if has_dictionary { self.dictionary } else { self.data };
        let start = u64::try_from(start).ok().filter(|start| *start >= MAGIC_BYTES);
        let bytes = u64::try_from(self.bytes).ok();
        let range = start.zip(bytes).and_then(|(start, bytes)| Some(start..start.checked_add(bytes)?));
        let range = range.filter(|range| range.end <= end).ok_or(ParquetFault::Outside)?;
        Ok(Chunk { range, codec: Codec::of(self.codec)? })
    }
}
