//! A Parquet file, opened with distrust.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, SchemaDescriptor};

use crate::fault::{MAX_FOOTER_BYTES, MAX_SCHEMA_DEPTH, ParquetFault};
use crate::pages::Pages;
use crate::thrift::{Input, Kind};

/// What files begin and end with.
const MAGIC: [u8; 4] = *b"PAR1";

/// Runs work in which the parser may panic on what it finds.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetFault>) -> Result<T, ParquetFault> {
    // What the work leaves half done is dropped by whoever sees the error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(ParquetFault::Panicked))
}

/// A file with its metadata. The parser may panic on what it finds: callers work in [`guarded`].
pub(crate) struct TableFile {
    file: Arc<File>,
    /// Where pages end and the footer begins.
    end: u64,
    metadata: ParquetMetaData,
}

impl TableFile {
    pub(crate) fn open(file: File) -> Result<Self, ParquetFault> {
        let length = file.len();
        let end = check_footer(&file, length)?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        Ok(Self { file: Arc::new(file), end, metadata })
    }

    /// An entry of the file's own metadata.
    pub(crate) fn entry(&self, key: &str) -> Option<&str> {
        let entries = self.metadata.file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// The path of a column, with dots between its parts.
    pub(crate) fn name_of(&self, column: usize) -> String {
        self.schema().column(column).path().string()
    }

    pub(crate) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows that a group announces.
    pub(crate) fn group_rows(&self, group: usize) -> Result<u64, ParquetFault> {
        u64::try_from(self.metadata.row_group(group).num_rows()).map_err(|_| ParquetFault::Header)
    }

    /// The column with one value a row at `path`, if it is of one of these types.
    pub(crate) fn flat(&self, path: &[&str], types: &[PhysicalType]) -> Option<usize> {
        self.position(|column| {
            column.max_rep_level() == 0
                && column.path().parts().iter().eq(path)
                && types.contains(&column.physical_type())
        })
    }

    /// The column of lists of floats of this name.
    pub(crate) fn float_lists(&self, name: &str) -> Option<usize> {
        self.position(|column| {
            column.path().parts().first().is_some_and(|first| first == name)
                && column.physical_type() == PhysicalType::FLOAT
                && column.max_rep_level() == 1
        })
    }

    fn position(&self, wanted: impl Fn(&ColumnDescriptor) -> bool) -> Option<usize> {
        self.schema().columns().iter().position(|column| wanted(column))
    }

    fn schema(&self) -> &SchemaDescriptor {
        self.metadata.file_metadata().schema_descr()
    }

    /// A column of a row group with its pages, which have at most `values` values together.
    pub(crate) fn column(
        &self,
        group: usize,
        column: usize,
        values: u64,
    ) -> Result<(ColumnDescPtr, Pages), ParquetFault> {
        let chunk = self.metadata.row_group(group).column(column);
        let name = || chunk.column_path().string();
        let data = chunk.data_page_offset();
        // Some writers say 0 where there is no dictionary.
        let dictionary = chunk.dictionary_page_offset().filter(|offset| (1..data).contains(offset));
        let start = u64::try_from(dictionary.unwrap_or(data)).ok();
        let start = start.filter(|start| *start >= MAGIC.len() as u64);
        let bytes = u64::try_from(chunk.compressed_size()).ok();
        let range = start.zip(bytes).and_then(|(start, bytes)| Some(start..start.checked_add(bytes)?));
        let range = range.filter(|range| range.end <= self.end);
        let range = range.ok_or_else(|| ParquetFault::Outside { column: name() })?;
        let column = chunk.column_descr_ptr();
        let lists = column.max_rep_level() > 0;
        let pages = Pages::new(Arc::clone(&self.file), range, chunk.compression(), values, lists)
            .ok_or_else(|| ParquetFault::Codec { column: name(), found: chunk.compression().to_string() })?;
        Ok((column, pages))
    }

    /// Names of the first columns, for people.
    pub(crate) fn names(&self) -> String {
        const SHOWN: usize = 8;
        let columns = self.schema();
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
}

/// Checks what the parser of the footer does not check itself, and gives the place where the footer begins.
fn check_footer(file: &File, length: u64) -> Result<u64, ParquetFault> {
    let ends = (MAGIC.len() * 2 + 4) as u64;
    if length < ends || file.get_bytes(0, MAGIC.len())? != MAGIC[..] {
        return Err(ParquetFault::NotParquet);
    }
    let last = file.get_bytes(length - 8, 8)?;
    let (&[a, b, c, d], magic) = last.split_first_chunk().ok_or(ParquetFault::NotParquet)?;
    if magic != MAGIC {
        return Err(ParquetFault::NotParquet);
    }
    let found = u64::from(u32::from_le_bytes([a, b, c, d]));
    if found > MAX_FOOTER_BYTES {
        return Err(ParquetFault::Footer { found });
    }
    if found > length - ends {
        return Err(ParquetFault::NotParquet);
    }
    let start = length - 8 - found;
    check_schema(&file.get_bytes(start, found as usize)?)?;
    Ok(start)
}

/// Refuses a schema that is too deep, before a parser descends into it.
fn check_schema(footer: &[u8]) -> Result<(), ParquetFault> {
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
                return Err(ParquetFault::Header);
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
                return Err(ParquetFault::SchemaDepth);
            }
        }
        Ok(true)
    })
}
