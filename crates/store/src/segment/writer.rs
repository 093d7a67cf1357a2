use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lookalike_plugin_api::ExemplarId;

use super::SegmentError;
use super::format::{HEADER_BYTES, Header, PIECE_BYTES};
use crate::generation::folder::{self, FolderError};

/// A segment's file in the making. It gets its name when it is complete; dropped before, it leaves nothing.
pub(crate) struct SegmentWriter<'a> {
    path: &'a Path,
    temporary: PathBuf,
    file: File,
    header: Header,
    ids: Vec<u8>,
    // Row bytes that are not yet written.
    piece: Vec<u8>,
    checksums: Vec<u8>,
    is_complete: bool,
}

impl<'a> SegmentWriter<'a> {
    /// Begins the file `path`. What `header` says of rows is not looked at.
    pub(crate) fn create(path: &'a Path, header: Header) -> Result<Self, FolderError> {
        let temporary = path.with_extension("tmp");
        let failed = |source| FolderError::new("writing", &temporary, source);
        let mut file = File::create(&temporary).map_err(failed)?;
        // A header that is no header, until all is written.
        file.write_all(&[0; HEADER_BYTES]).map_err(failed)?;
        Ok(Self {
            path,
            temporary,
            file,
            header: Header { rows: 0, ..header },
            ids: Vec::new(),
            piece: Vec::with_capacity(PIECE_BYTES),
            checksums: Vec::new(),
            is_complete: false,
        })
    }

    /// Adds a row. Ids must ascend from call to call and lie within what the header covers.
    pub(crate) fn push(&mut self, id: ExemplarId, row: &[f32]) -> Result<(), FolderError> {
        debug_assert_eq!(row.len(), self.header.dimension as usize);
        self.ids.extend(id.to_le_bytes());
        self.header.rows += 1;
        for value in row {
            self.piece.extend(value.to_le_bytes());
            if self.piece.len() == PIECE_BYTES {
                self.write_piece()?;
            }
        }
        Ok(())
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.header.rows == 0
    }

    fn write_piece(&mut self) -> Result<(), FolderError> {
        self.checksums.extend(crc32fast::hash(&self.piece).to_le_bytes());
        let failed = |source| FolderError::new("writing", &self.temporary, source);
        self.file.write_all(&self.piece).map_err(failed)?;
        self.piece.clear();
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), SegmentError> {
        if !self.piece.is_empty() {
            self.write_piece()?;
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.ids);
        crc.update(&self.checksums);
        self.header.index_crc = crc.finalize();
        self.complete().map_err(|source| FolderError::new("writing", self.path, source))?;
        self.is_complete = true;
        Ok(self.path.parent().map_or(Ok(()), folder::sync)?)
    }

    fn complete(&mut self) -> std::io::Result<()> {
        self.file.write_all(&self.ids)?;
        self.file.write_all(&self.checksums)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header.encode())?;
        self.file.sync_all()?;
        fs::rename(&self.temporary, self.path)
    }
}

impl Drop for SegmentWriter<'_> {
    fn drop(&mut self) {
        if !self.is_complete
            && let Err(error) = folder::remove_file(&self.temporary)
        {
            tracing::warn!(?error, "a file of feature rows that was not completed stays behind");
        }
    }
}
