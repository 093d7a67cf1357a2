use std::io;

use thiserror::Error;

use super::footer::{MAX_FOOTER_BYTES, MAX_SCHEMA_DEPTH};

/// What is wrong with a Parquet file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParquetFault {
    /// The file does not begin and end as Parquet files do.
    #[error("this is no Parquet file, or it is cut short; a file begins and ends with \"PAR1\"")]
    NotParquet,
    /// Reading failed.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
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
    /// The footer or the header of a page is damaged.
    #[error("a header is damaged; fetch the file again")]
    Header,
    /// None of the columns wanted is there.
    #[error("it has no column {wanted} with one {kind} a row; its columns are {found}; name the right one")]
    NoColumn {
        /// The names looked for.
        wanted: String,
        /// What the column should hold.
        kind: &'static str,
        /// The first columns there are.
        found: String,
    },
    /// A column lies outside the file.
    #[error("a column is said to lie outside the file; it is cut short or damaged")]
    Outside,
    /// The pages are compressed in a way that is not supported.
    #[error("it is compressed with {found}; write it uncompressed, with snappy or with gzip")]
    Codec {
        /// The compression.
        found: &'static str,
    },
    /// The values are encoded in a way that is not supported.
    #[error(
        "a page has encoding {found} of the Parquet format; write the file with plain or dictionary encoding"
    )]
    Encoding {
        /// Its number in the format.
        found: i64,
    },
    /// A page is too large, or larger than what its bytes can hold.
    #[error("a page is said to have {found} bytes, at most {most} can be right; write smaller pages")]
    PageSize {
        /// Bytes announced.
        found: i64,
        /// Bytes that are possible.
        most: u64,
    },
    /// Compressed bytes are damaged.
    #[error("a page cannot be decompressed; fetch the file again")]
    Compressed,
    /// The values of a page end too early or make no sense.
    #[error("the values of a page are damaged; fetch the file again")]
    Values,
    /// A column ends before its rows do.
    #[error("a column ends before its rows do; the file is damaged")]
    Rows,
}
