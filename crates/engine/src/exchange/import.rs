use std::fs::File;
use std::sync::{Mutex, PoisonError};

use lookalike_parquet::TableFault;
use lookalike_plugin_api::Budget;
use thiserror::Error;

use super::images::{FileError, ParquetImages};
use crate::collection::Collection;
use crate::ingest::{IngestError, IngestOptions, IngestProgress, IngestReport};

/// Why a file was not imported, or not whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read at all; nothing was stored.
    #[error("the file cannot be imported; nothing was stored")]
    File(#[from] FileError),
    /// Rows of the file cannot be read.
    #[error("some rows of the file cannot be read; {} of the others were stored", report.stored())]
    Rows {
        /// What became of the others.
        report: Box<IngestReport>,
        /// The first of them, and what is wrong.
        #[source]
        source: TableFault,
    },
    /// Storing failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl Collection {
    /// Stores the rows of a Parquet file in their order, as [`Collection::ingest_with`] would; [`ParquetImages`] says which
    /// columns are read. `name` begins the keys that are made for rows without one: the file's name, best of all. Rows
    /// with features that the collection's own model made are not embedded again.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] when the file is no Parquet file, has no images, is of a newer format, or its metadata is
    /// damaged; [`ImportError::Rows`] when damage shows up later, with all that can be read stored;
    /// [`ImportError::Ingest`] when the model or the disk fails.
    pub fn import_parquet(
        &self,
        from: File,
        name: &str,
        options: &IngestOptions,
        budget: &Budget,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, ImportError> {
        let images = ParquetImages::open(from, name)?.of_model(&self.fingerprint());
        let first_fault = Mutex::new(None);
        let rows = images.filter_map(|row| match row {
            Ok(incoming) => Some(incoming),
            Err(fault) => {
                first_fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
                None
            }
        });
        let report = self.ingest_incoming(rows, options, budget, progress)?;
        match first_fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(report),
            Some(source) => Err(ImportError::Rows { report: Box::new(report), source }),
        }
    }
}
