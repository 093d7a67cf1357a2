//! Collections as Parquet files, to hand images, labels, tags and feature rows to other programs and to take them back.
//!
//! A file has one row an exemplar: `key`, `image` (the encoded bytes), `media_type`, `height`, `width`, `channels`,
//! `label` (null when there is none), `tags` (a JSON object of numbers and texts), and for a feature view its rows as
//! lists of floats, `features_` and the view's name, with a seal that ties each to its image, `seal_` and the name. Its metadata names the format's version, the collection and the
//! model; see [`FORMAT_VERSION`].
//!
//! Files from elsewhere are read by `lookalike-parquet`, which distrusts them.

mod export;
mod images;
mod import;
mod row;
mod row_error;
mod schema;

pub use export::{ExportError, ExportOptions, ExportReport};
pub use images::{FileError, ParquetImages};
pub use import::ImportError;
pub use row_error::RowError;
pub use schema::FORMAT_VERSION;

#[cfg(test)]
mod tests;
