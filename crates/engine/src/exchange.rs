//! Collections as Parquet files, to hand images, labels, tags and feature rows to other programs and to take them back.
//!
//! A file has one row an exemplar: `key`, `image` (the encoded bytes), `media_type`, `height`, `width`, `channels`,
//! `label` (null when there is none), `tags` (a JSON object of numbers and texts), and for a feature view its rows as
//! lists of floats, `features_` and the view's name, with a seal that ties each to its image, `seal_` and the name. Its metadata names the format's version, the collection and the
//! model; see [`FORMAT_VERSION`].
//!
//! # Files from elsewhere
//!
//! A file is read as hostile. The parser of the `parquet` crate bounds its lists by the bytes that are there, but
//! neither the depth of a schema nor what a page or a dictionary announces, and it may panic on garbage. Therefore the
//! footer's size and the schema's depth are checked before it is parsed, pages are read, checked and decompressed here
//! and only then handed over, and a panic of the crate is caught and reported as damage. What is allocated for one
//! page is bounded by a constant and by what its compressed bytes can hold.

mod column;
mod export;
mod file;
mod import;
mod pages;
mod row;
mod schema;
mod thrift;

pub use export::{ExportError, ExportOptions, ExportReport};
pub use file::FileError;
pub use import::ImportError;
pub use row::RowError;
pub use schema::FORMAT_VERSION;

#[cfg(test)]
mod tests;
