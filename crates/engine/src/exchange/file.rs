//! A Parquet file with images, opened with distrust.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lookalike_plugin_api::{Fingerprint, View};
use parquet::basic::Type as PhysicalType;
use parquet::data_type::ByteArrayType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use thiserror::Error;

use super::column::{Flat, Label, Lists};
use super::pages::Pages;
use super::row::Row;
use super::schema::{self, FORMAT_VERSION};
use super::thrift::{Input, Kind};

/// Largest footer that is parsed, in bytes. Parsed it takes some hundred times its size at worst.
const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// Groups that may lie in each other in a schema: its parser descends by recursion, and a stack cannot grow.
const MAX_SCHEMA_DEPTH: usize = 32;

/// Most feature values of one row group, 128 MiB: one row of a list may announce as many as its column has.
const MAX_GROUP_VALUES: u64 = 32 << 20;

/// What files begin and end with.
const MAGIC: [u8; 4] = *b"PAR1";

/// What is wrong with an exchange file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file does not begin and end as Parquet files do.
    #[error("this is no Parquet file, or it is cut short; a file ends with its metadata and \"PAR1\"")]
    NotParquet,
    /// The footer is too large.
    #[error(
        "its metadata is said to have {found} bytes, at most {MAX_FOOTER_BYTES} are read; split the file"
    )]
    Footer {
        /// Bytes announced.
        found: u64,
    },
    /// The schema's groups lie too deep in each other.
    #[error("its schema is deeper than {MAX_SCHEMA_DEPTH} groups; flatten it")]
    SchemaDepth,
    /// A footer or page header is damaged.
    #[error("a header is damaged; copy the file again")]
    Header,
    /// The parser refuses the contents.
    #[error("its contents are damaged or not understood; copy or write the file again")]
    Parser(#[source] ParquetError),
    /// The parser panicked.
    #[error("its contents are damaged so much that the parser gave up; copy or write the file again")]
    Panicked,
    /// There is no column of images.
    #[error(
        "it has no binary column \"image\" or \"image.bytes\"; its columns are {found}; rename the one with the \
         encoded images"
    )]
    NoImages {
        /// The first columns there are.
        found: String,
    },
    /// The file was written by a newer version.
    #[error(
        "its exchange format is {found}, this program reads up to {FORMAT_VERSION}; use the program that wrote it"
    )]
    Newer {
        /// The version found.
        found: String,
    },
    /// A column points outside the file.
    #[error("column \"{column}\" is said to lie outside the file; it is cut short or damaged")]
    Outside {
        /// The column.
        column: String,
    },
    /// A page is too large, or larger than what its bytes can hold.
    #[error("a page is said to have {found} bytes, at most {most} can be right; write smaller pages")]
    PageSize {
        /// Bytes announced.
        found: i64,
        /// Bytes that are possible.
        most: u64,
    },
    /// A page has more values than its place allows.
    #[error("a page is said to have {found} values, at most {most} can be right")]
    PageValues {
        /// Values announced.
        found: i64,
        /// Values that are possible.
        most: u64,
    },
    /// The pages are compressed in a way that is not supported.
    #[error(
        "column \"{column}\" is compressed with {found}; write the file uncompressed, with snappy or with gzip"
    )]
    Codec {
        /// The column.
        column: String,
        /// The compression.
        found: String,
    },
    /// The values are encoded in a way that is not supported.
    #[error(
        "a page has encoding {found} of the Parquet format; write the file with plain or dictionary encoding"
    )]
    Encoding {
        /// Its number in the format.
        found: i64,
    },
    /// Compressed bytes are damaged.
    #[error("a page cannot be decompressed; copy the file again")]
    Compressed,
    /// A column ends before its rows do.
    #[error("column \"{column}\" ends before its rows do; the file is damaged")]
    Rows {
        /// The column.
        column: String,
    },
}

impl From<ParquetError> for FileError {
    fn from(error: ParquetError) -> Self {
        let ParquetError::External(source) = error else { return Self::Parser(error) };
        // It may be one of ours on its way through the parser.
        match source.downcast::<Self>() {
            Ok(ours) => *ours,
            Err(source) => Self::Parser(ParquetError::External(source)),
        }
    }
}

/// Runs work in which the parser may panic on what it finds.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    // What the work leaves half done is dropped by whoever sees the error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(FileError::Panicked))
}

/// A file with its metadata and the columns that are of use, by their number.
pub(super) struct ExchangeFile {
    file: Arc<File>,
    length: u64,
    metadata: ParquetMetaData,
    image: usize,
    key: Option<usize>,
    label: Option<usize>,
    tags: Option<usize>,
    /// Only when the rows were made by the collection's model.
    features: Option<usize>,
    seal: Option<usize>,
    dimension: usize,
}

impl ExchangeFile {
    pub(super) fn open(file: File, fingerprint: &Fingerprint) -> Result<Self, FileError> {
        let length = file.len();
        check_footer(&file, length)?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        let entries = metadata.file_metadata().key_value_metadata().map_or(&[][..], Vec::as_slice);
        if let Some(found) = schema::format_of(entries)
            && found.parse::<u32>().is_ok_and(|found| found > FORMAT_VERSION)
        {
            return Err(FileError::Newer { found: found.to_owned() });
        }
        let of_model = schema::is_of_model(entries, fingerprint);
        let columns = metadata.file_metadata().schema_descr();
        let image = binary(columns, &[schema::IMAGE])
            .or_else(|| binary(columns, &[schema::IMAGE, schema::IMAGE_BYTES]))
            .ok_or_else(|| FileError::NoImages { found: names(columns) })?;
        let key = binary(columns, &[schema::KEY]);
        let tags = binary(columns, &[schema::TAGS]);
        let label = position(columns, |column| {
            let kinds = [PhysicalType::BYTE_ARRAY, PhysicalType::INT32, PhysicalType::INT64];
            is_at(column, &[schema::LABEL]) && kinds.contains(&column.physical_type())
        });
        let name = schema::features(View::CLEAN);
        let features = position(columns, |column| {
            column.path().parts().first() == Some(&name)
                && column.physical_type() == PhysicalType::FLOAT
                && column.max_rep_level() == 1
        })
        .filter(|_| of_model);
        let seal = binary(columns, &[&schema::seals(View::CLEAN)]).filter(|_| features.is_some());
        let dimension = fingerprint.dimension as usize;
        Ok(Self {
            file: Arc::new(file),
            length,
            metadata,
            image,
            key,
            label,
            tags,
            features,
            seal,
            dimension,
        })
    }

    pub(super) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Opens the columns of a row group.
    pub(super) fn group(&self, number: usize) -> Result<Group, FileError> {
        let group = self.metadata.row_group(number);
        let rows = u64::try_from(group.num_rows()).map_err(|_| FileError::Header)?;
        let values = rows.saturating_mul(self.dimension as u64).min(MAX_GROUP_VALUES);
        let flat = |column: usize| self.pages(group, column, rows);
        let label = match self.label {
            Some(column) => Some(Label::open(group.column(column).column_descr_ptr(), flat(column)?)),
            None => None,
        };
        let text = |column: Option<usize>| -> Result<Option<Flat<_>>, FileError> {
            column.map(|c| Ok(Flat::new(group.column(c).column_descr_ptr(), flat(c)?))).transpose()
        };
        let features = match self.features {
            Some(column) => Some(Lists::new(
                group.column(column).column_descr_ptr(),
                self.pages(group, column, values)?,
                self.dimension,
            )),
            None => None,
        };
        Ok(Group {
            rows,
            image: Flat::new(group.column(self.image).column_descr_ptr(), flat(self.image)?),
            key: text(self.key)?,
            label,
            tags: text(self.tags)?,
            features,
            seal: text(self.seal)?,
        })
    }

    /// The pages of a column, which have at most `values` values together.
    fn pages(&self, group: &RowGroupMetaData, column: usize, values: u64) -> Result<Pages, FileError> {
        let chunk = group.column(column);
        let name = || chunk.column_path().string();
        let data = chunk.data_page_offset();
        // Some writers say 0 where there is no dictionary.
        let dictionary = chunk.dictionary_page_offset().filter(|offset| (1..data).contains(offset));
        let start = u64::try_from(dictionary.unwrap_or(data)).ok();
        let bytes = u64::try_from(chunk.compressed_size()).ok();
        let range = start.zip(bytes).and_then(|(start, bytes)| Some(start..start.checked_add(bytes)?));
        let range = range.filter(|range| range.end <= self.length);
        let range = range.ok_or_else(|| FileError::Outside { column: name() })?;
        Pages::new(Arc::clone(&self.file), range, chunk.compression(), values)
            .ok_or_else(|| FileError::Codec { column: name(), found: chunk.compression().to_string() })
    }
}

/// The open columns of a row group.
pub(super) struct Group {
    /// Rows not read yet.
    rows: u64,
    image: Flat<ByteArrayType>,
    key: Option<Flat<ByteArrayType>>,
    label: Option<Label>,
    tags: Option<Flat<ByteArrayType>>,
    features: Option<Lists>,
    seal: Option<Flat<ByteArrayType>>,
}

impl Group {
    /// The next rows, at most `most`; none at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Row>, FileError> {
        let count = self.rows.min(most as u64) as usize;
        let images = self.image.read(count)?;
        let mut rows: Vec<Row> = images.into_iter().map(Row::of_image).collect();
        if let Some(keys) = &mut self.key {
            rows.iter_mut().zip(keys.read(count)?).for_each(|(row, key)| row.key = key);
        }
        if let Some(labels) = &mut self.label {
            rows.iter_mut().zip(labels.read(count)?).for_each(|(row, label)| row.label = label);
        }
        if let Some(tags) = &mut self.tags {
            rows.iter_mut().zip(tags.read(count)?).for_each(|(row, tags)| row.tags = tags);
        }
        if let Some(features) = &mut self.features {
            rows.iter_mut().zip(features.read(count)?).for_each(|(row, features)| row.features = features);
        }
        if let Some(seals) = &mut self.seal {
            rows.iter_mut().zip(seals.read(count)?).for_each(|(row, seal)| row.seal = seal);
        }
        self.rows -= count as u64;
        Ok(rows)
    }
}

/// Checks what the parser of the footer does not check itself.
fn check_footer(file: &File, length: u64) -> Result<(), FileError> {
    let ends = (MAGIC.len() * 2 + 4) as u64;
    if length < ends || file.get_bytes(0, MAGIC.len())? != MAGIC[..] {
        return Err(FileError::NotParquet);
    }
    let last = file.get_bytes(length - 8, 8)?;
    let (&[a, b, c, d], magic) = last.split_first_chunk().ok_or(FileError::NotParquet)?;
    if magic != MAGIC {
        return Err(FileError::NotParquet);
    }
    let found = u64::from(u32::from_le_bytes([a, b, c, d]));
    if found > MAX_FOOTER_BYTES {
        return Err(FileError::Footer { found });
    }
    let start = (length - 8).checked_sub(found).ok_or(FileError::NotParquet)?;
    check_schema(&file.get_bytes(start, found as usize)?)
}

/// Refuses a schema that is too deep, before a parser descends into it.
fn check_schema(footer: &[u8]) -> Result<(), FileError> {
    /// Numbers of the format's own description.
    const SCHEMA: i16 = 2;
    const CHILDREN: i16 = 5;

    // How many children are still to come in each group that is open.
    let mut open: Vec<i64> = Vec::new();
    Input::new(footer).structure(|input, number, kind| {
        if number != SCHEMA || kind != Kind::List {
            return Ok(false);
        }
        let (kind, count) = input.list()?;
        for _ in 0..count {
            let mut children = 0;
            if kind != Kind::Struct {
                return Err(FileError::Header);
            }
            input.structure(|input, number, kind| {
                let taken = number == CHILDREN && kind == Kind::Number;
                if taken {
                    children = input.number()?;
                }
                Ok(taken)
            })?;
            while open.last() == Some(&0) {
                open.pop();
            }
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > MAX_SCHEMA_DEPTH {
                return Err(FileError::SchemaDepth);
            }
        }
        Ok(true)
    })
}

fn binary(columns: &SchemaDescriptor, path: &[&str]) -> Option<usize> {
    position(columns, |column| is_at(column, path) && column.physical_type() == PhysicalType::BYTE_ARRAY)
}

fn position(columns: &SchemaDescriptor, wanted: impl Fn(&ColumnDescriptor) -> bool) -> Option<usize> {
    columns.columns().iter().position(|column| wanted(column))
}

/// Whether a column lies at `path` and has one value a row.
fn is_at(column: &ColumnDescriptor, path: &[&str]) -> bool {
    column.max_rep_level() == 0 && column.path().parts().iter().eq(path)
}

/// Names of the first columns, for people.
fn names(columns: &SchemaDescriptor) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = columns
        .columns()
        .iter()
        .take(SHOWN)
        .map(|column| column.path().string().chars().take(64).collect())
        .collect();
    if columns.num_columns() > SHOWN {
        names.push("...".to_owned());
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
