//! Tables of images in Parquet files: which column is the image, the key, the label and the tags, and how the rows are
//! read from a file that nobody vouches for.
//!
//! A file is read as hostile. The parser of the `parquet` crate bounds its lists by the bytes that are there, but
//! neither the depth of a schema nor what a page or a dictionary announces, and it may panic on garbage. That is why
//! these guards are ours: the footer's size and the schema's depth are checked before it is parsed, pages are read,
//! checked and decompressed here and only then handed over, and a panic of the crate is caught and reported as damage.
//! What is allocated for one page is bounded by [`MAX_PAGE_BYTES`] and by what its compressed bytes can hold.
//!
//! Columns have at most one value a row, of binary or whole numbers, plain or with a dictionary; a view's features are
//! lists of floats. Pages may be uncompressed, or compressed with snappy or gzip.
//!
//! What it does not do: it decodes no image, stores nothing, writes no file.

mod class_names;
mod column;
mod fault;
mod file;
mod pages;
mod table;
mod thrift;

pub use column::{LabelValue, TableBytes};
pub use fault::{MAX_ROWS, ParquetFault};
pub use pages::MAX_PAGE_BYTES;
pub use table::{ImageTable, LabelColumn, TableColumns, TableFault, TableRow};
