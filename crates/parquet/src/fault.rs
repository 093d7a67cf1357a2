use parquet::errors::ParquetError;
use thiserror::Error;

/// Largest footer that is parsed, in bytes. Parsed it takes some hundred times its size at worst.
pub(crate) const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// Groups that may lie in each other in a schema: its parser descends by recursion, and a stack cannot grow.
pub(crate) const MAX_SCHEMA_DEPTH: usize = 32;

/// Most rows of one file.
pub const MAX_ROWS: u64 = 1 << 24;

/// What is wrong with a Parquet file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParquetFault {
    /// The file does not begin and end as Parquet files do.
    #[error("this is no Parquet file, or it is cut short; a file begins and ends with \"PAR1\"")]
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
    /// The file has too many rows.
    #[error("it is said to have {found} rows, at most {MAX_ROWS} are read; split the file")]
    TooManyRows {
        /// Rows announced.
        found: u64,
    },
    /// A footer or page header is damaged.
    #[error("a header is damaged; copy the file again")]
    Header,
    /// The parser refuses the contents.
    #[error("its contents are damaged or not understood; copy or write the file again")]
    Parser(#[source] ParquetError),
    /// The parser panicked.
    #[error("its contents are damaged so much that the parser gave up; copy or write the file again")]
    Panicked,
    /// None of the columns wanted is there.
    #[error(
        "it has no column {wanted} with one {kind} a row; its columns are {found}; name or rename the right one"
    )]
    NoColumn {
        /// The names looked for.
        wanted: String,
        /// What the column should hold.
        kind: &'static str,
        /// The first columns there are.
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

impl From<ParquetError> for ParquetFault {
    fn from(error: ParquetError) -> Self {
        let ParquetError::External(source) = error else { return Self::Parser(error) };
        // It may be one of ours on its way through the parser.
        match source.downcast::<Self>() {
            Ok(ours) => *ours,
            Err(source) => Self::Parser(ParquetError::External(source)),
        }
    }
}
