use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{CheckpointError, CheckpointFault, damaged};

/// Bytes that are read at once where a part of any size is gone through.
pub(super) const PIECE_BYTES: usize = 1 << 18;

/// An open file of known length.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { path: path.to_owned(), file, length: metadata.len() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether `length` bytes from `start` on lie in the file.
    pub(super) fn holds(&self, start: u64, length: u64) -> bool {
        start.checked_add(length).is_some_and(|end| end <= self.length)
    }

    /// Fills `bytes` from `start` on; `part` is what errors call them.
    pub(super) fn fill(&self, part: &str, start: u64, bytes: &mut [u8]) -> Result<(), CheckpointError> {
        if !self.holds(start, bytes.len() as u64) {
            return Err(damaged(part, CheckpointFault::CutShort));
        }
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|source| CheckpointError::Read { path: self.path.clone(), source })
    }

    /// `length` bytes from `start` on. Nothing is allocated unless they are there.
    pub(super) fn bytes(&self, part: &str, start: u64, length: u64) -> Result<Vec<u8>, CheckpointError> {
        let cut_short = || damaged(part, CheckpointFault::CutShort);
        if !self.holds(start, length) {
            return Err(cut_short());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| cut_short())?];
        self.fill(part, start, &mut bytes)?;
        Ok(bytes)
    }

    /// Goes through `length` bytes from `start` on, in pieces of [`PIECE_BYTES`].
    pub(super) fn pieces(
        &self,
        part: &str,
        start: u64,
        length: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(length).unwrap_or(PIECE_BYTES))];
        let mut done = 0;
        while done < length {
            let now = (length - done).min(piece.len() as u64);
            let piece = &mut piece[..now as usize];
            self.fill(part, start + done, piece)?;
            each(piece)?;
            done += now;
        }
        Ok(())
    }

    /// CRC-32, as zip archives have it, of `length` bytes from `start` on.
    pub(super) fn checksum(&self, part: &str, start: u64, length: u64) -> Result<u32, CheckpointError> {
        let mut hasher = crc32fast::Hasher::new();
        self.pieces(part, start, length, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finalize())
    }
}
