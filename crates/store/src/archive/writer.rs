use std::fmt;
use std::io::{Read, Write};
use std::path::{Component, Path};

use roaring::RoaringBitmap;

use super::ArchiveError;
use super::frame::{FULL_BYTES, Kind, Sink};
use crate::copy::{self, CopyError, Summing};
use crate::{Collection, MaintenanceError, store};

/// Writes an archive: collections and files, one after the other, then [`ArchiveWriter::finish`].
pub struct ArchiveWriter<W> {
    sink: Sink<W>,
    report: ArchiveReport,
}

/// What an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveReport {
    /// Names of its collections.
    pub collections: Vec<String>,
    /// Exemplars in them.
    pub exemplars: u64,
    /// Names of its files.
    pub files: Vec<String>,
    /// Its length in bytes.
    pub bytes: u64,
}

impl<W> fmt::Debug for ArchiveWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveWriter").field("report", &self.report).finish_non_exhaustive()
    }
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Stream`].
    pub fn new(stream: W) -> Result<Self, ArchiveError> {
        Ok(Self { sink: Sink::new(stream)?, report: ArchiveReport::default() })
    }

    /// Adds everything of a collection, as it is after the newest batch.
    ///
    /// Readers go on; writers, and [`Collection::list`], wait until it is done. `progress` is called with the bytes
    /// written so far; it must not use the collection.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Collection`] when it is damaged or cannot be read, [`ArchiveError::Stream`].
    pub fn collection(
        &mut self,
        collection: &Collection,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ArchiveError> {
        let name = collection.name();
        let failed = |source: MaintenanceError| ArchiveError::Collection { name: name.to_owned(), source };
        collection.counted().map_err(|error| failed(MaintenanceError::source(error)))?;
        let settled = collection.settle().map_err(|error| failed(error.into()))?;
        self.sink.frame(Kind::Collection, name.as_bytes())?;
        let mut sum = Summing::default();
        let mut full = Vec::with_capacity(FULL_BYTES + (16 << 10));
        let sink = &mut self.sink;
        copy::each(&collection.ground(), &RoaringBitmap::new(), |key, value| {
            sum.add(key, value);
            full.extend_from_slice(&(key.len() as u16).to_le_bytes());
            full.extend_from_slice(&(value.len() as u32).to_le_bytes());
            full.extend_from_slice(key);
            full.extend_from_slice(value);
            if full.len() >= FULL_BYTES {
                sink.frame(Kind::Entries, &full)?;
                full.clear();
                progress(sink.bytes);
            }
            Ok::<_, ArchiveError>(())
        })
        .map_err(|error| match error {
            CopyError::Target(error) => error,
            CopyError::Source(error) => failed(MaintenanceError::source(error)),
        })?;
        if !full.is_empty() {
            self.sink.frame(Kind::Entries, &full)?;
        }
        self.sink.frame(Kind::CollectionEnd, &sum.finish().to_bytes())?;
        self.report.collections.push(name.to_owned());
        self.report.exemplars += settled.catalog().len();
        progress(self.sink.bytes);
        Ok(())
    }

    /// Adds a file that belongs to the database, under a relative path: restoring puts it there.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::FileName`]; [`ArchiveError::Stream`] when either stream fails.
    pub fn file(&mut self, name: &str, mut content: impl Read) -> Result<(), ArchiveError> {
        if !is_allowed(name) {
            return Err(ArchiveError::FileName { name: name.to_owned() });
        }
        self.sink.frame(Kind::File, name.as_bytes())?;
        loop {
            let mut part = Vec::with_capacity(FULL_BYTES);
            let mut rest = content.by_ref().take(FULL_BYTES as u64);
            if rest.read_to_end(&mut part).map_err(ArchiveError::Stream)? == 0 {
                break;
            }
            self.sink.frame(Kind::FileContent, &part)?;
        }
        self.report.files.push(name.to_owned());
        Ok(())
    }

    /// Ends the archive. Without this it is not one. The stream is handed back flushed, but not synced.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Stream`].
    pub fn finish(self) -> Result<(W, ArchiveReport), ArchiveError> {
        let (stream, bytes) = self.sink.finish()?;
        Ok((stream, ArchiveReport { bytes, ..self.report }))
    }
}

/// Whether a file of this name may be put into a database: a relative path that does not begin where the store keeps
/// its own.
pub(super) fn is_allowed(name: &str) -> bool {
    let path = Path::new(name);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let first = path.components().next().and_then(|part| part.as_os_str().to_str());
    (1..=255).contains(&name.len())
        && is_plain
        && !name.contains('\\')
        && first.is_some_and(|first| !store::OWN_FILES.contains(&first))
}
