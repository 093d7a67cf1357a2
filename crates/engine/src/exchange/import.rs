use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::vec;

use lookalike_plugin_api::Budget;
use thiserror::Error;

use super::file::{ExchangeFile, FileError, Group, guarded};
use super::row::Row;
use crate::collection::Collection;
use crate::ingest::{Incoming, IngestError, IngestOptions, IngestProgress, IngestReport};

/// Rows read at once. They share the memory of their pages, so this is about the number of calls, not about memory.
const READ_ROWS: usize = 64;

/// Why a file was not imported, or not to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read at all; nothing was stored.
    #[error("the file cannot be imported; nothing was stored")]
    File(#[from] FileError),
    /// The file cannot be read to its end.
    #[error("the file cannot be read beyond row {rows}; {} of the rows before it were stored", report.stored())]
    Rows {
        /// Rows read.
        rows: u64,
        /// What became of them.
        report: Box<IngestReport>,
        /// What is wrong.
        #[source]
        source: FileError,
    },
    /// Storing failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl Collection {
    /// Stores the rows of a Parquet file in their order, as [`Collection::ingest_with`] would.
    ///
    /// Any file will do that has a binary column `image` of encoded images, or a struct `image` with a binary `bytes`
    /// as Hugging Face data sets have it. Of the other columns these are used where they are there: `key` (text; where
    /// it is missing or null the key is `row-0000001` and so on, after the row's number), `label` (text, or a whole
    /// number, which becomes its digits), and `tags` (a JSON object of numbers and texts). Rows of features are used
    /// when the file's metadata names the very model of the collection and the row's seal fits it and its image, as
    /// [`Collection::export_parquet`] writes them; all other images are embedded. Pages may be uncompressed or compressed
    /// with snappy or gzip, and in plain or dictionary encoding.
    ///
    /// A row whose image is missing, too large or damaged, or whose texts are outside the store's limits, is a refusal
    /// in the report. Memory is bounded whatever the file says: by one page of each column used, at most 512 MiB where
    /// the file is that large, and by two batches of an ingest.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] when the file is no Parquet file, has no images, is of a newer format, or its metadata is
    /// damaged; [`ImportError::Rows`] when damage shows up later, with everything before it stored;
    /// [`ImportError::Ingest`] when the model or the disk fails.
    pub fn import_parquet(
        &self,
        from: File,
        options: &IngestOptions,
        budget: &Budget,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, ImportError> {
        let file = guarded(|| ExchangeFile::open(from, &self.fingerprint()))?;
        let fault = Mutex::new(None);
        let rows =
            Rows { file, next_group: 0, group: None, read: Vec::new().into_iter(), number: 0, fault: &fault };
        let report = self.ingest_incoming(rows, options, budget, progress)?;
        match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(report),
            Some((rows, source)) => Err(ImportError::Rows { rows, report: Box::new(report), source }),
        }
    }
}

/// The rows of a file; they end where it cannot be read any further.
struct Rows<'a> {
    file: ExchangeFile,
    next_group: usize,
    group: Option<Group>,
    read: vec::IntoIter<Row>,
    /// Rows given out.
    number: u64,
    /// Rows given out before something was wrong, and what it was.
    fault: &'a Mutex<Option<(u64, FileError)>>,
}

impl Rows<'_> {
    /// Reads on; false at the end.
    fn advance(&mut self) -> Result<bool, FileError> {
        loop {
            if let Some(group) = &mut self.group {
                self.read = group.next(READ_ROWS)?.into_iter();
                if self.read.len() > 0 {
                    return Ok(true);
                }
            }
            if self.next_group == self.file.groups() {
                return Ok(false);
            }
            self.group = Some(self.file.group(self.next_group)?);
            self.next_group += 1;
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        if self.read.len() == 0 {
            match guarded(|| self.advance()) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.number, error));
                    // Nothing is read after a fault.
                    self.group = None;
                    self.next_group = self.file.groups();
                    return None;
                }
            }
        }
        let row = self.read.next()?;
        self.number += 1;
        Some(row.into_incoming(self.number))
    }
}
