use std::fs::File;

use lookalike_parquet::{ImageTable, ParquetFault, TableColumns, TableFault};
use lookalike_plugin_api::{Fingerprint, View};
use thiserror::Error;

use super::row::into_incoming;
use super::schema::{self, FORMAT_VERSION};
use crate::ingest::Incoming;

/// Why the images of a file cannot be read at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file is no table of images.
    #[error(transparent)]
    Table(#[from] ParquetFault),
    /// The file was written by a newer version.
    #[error(
        "its exchange format is {found}, this program reads up to {FORMAT_VERSION}; use the program that wrote it"
    )]
    Newer {
        /// The version found.
        found: String,
    },
}

/// The images of a Parquet file as [`Collection::ingest_incoming`](crate::Collection::ingest_incoming) takes them, in the
/// order of the rows.
///
/// Any file will do that has a binary column `image` (or `img`, or `bytes`) of encoded images, or a struct of that name
/// with a binary `bytes` as Hugging Face data sets have it. Of the other columns these are used where they are there:
/// `key` (text; where it is missing or null the key is the file's name and the row, `train-00000/0000042`), `label` (or
/// `labels`, `fine_label`, `class`: text, or a whole number, which becomes its digits), and `tags` (a JSON object of
/// numbers and texts). With [`ParquetImages::of_model`] rows of features are used when the file's metadata names the very
/// model and the row's seal fits it and its image, as
/// [`Collection::export_parquet`](crate::Collection::export_parquet) writes them. Pages may be uncompressed or compressed
/// with snappy or gzip, and in plain or dictionary encoding.
///
/// A row whose image is missing or too large, or whose texts are outside the store's limits, is refused in its place. A
/// damaged row is a fault: the rest of its row group is lost, and the next group follows. Memory is bounded whatever the
/// file says: by one page of each column used.
#[derive(Debug)]
pub struct ParquetImages {
    table: ImageTable,
    name: String,
}

impl ParquetImages {
    /// Opens a file; `name` begins the keys that are made.
    ///
    /// # Errors
    ///
    /// [`FileError`] when it is no Parquet file, has no images or too many rows, is of a newer format, or its metadata is
    /// damaged.
    pub fn open(file: File, name: &str) -> Result<Self, FileError> {
        let table = ImageTable::open(file, &TableColumns::default())?;
        if let Some(found) = table.entry(schema::FORMAT)
            && found.parse::<u32>().is_ok_and(|found| found > FORMAT_VERSION)
        {
            return Err(FileError::Newer { found: found.to_owned() });
        }
        Ok(Self { table, name: name.to_owned() })
    }

    /// The same with the feature rows of the clean view, where this model made them.
    #[must_use]
    pub fn of_model(self, fingerprint: &Fingerprint) -> Self {
        let Self { table, name } = self;
        if !schema::model(fingerprint).iter().all(|(key, expected)| table.entry(key) == Some(expected)) {
            return Self { table, name };
        }
        let (rows, seal) = (schema::features(View::CLEAN), schema::seals(View::CLEAN));
        Self { table: table.with_features(&rows, &seal, fingerprint.dimension as usize), name }
    }

    /// Rows that the file announces; it may have fewer.
    pub fn announced(&self) -> u64 {
        self.table.announced()
    }
}

impl Iterator for ParquetImages {
    type Item = Result<Incoming, TableFault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.table.next()?.map(|row| into_incoming(row, &self.name)))
    }
}
