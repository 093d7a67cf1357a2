use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::whole_file;

/// The beginning of a file that is being fetched, beside its place: its name with `.part` at the end.
///
/// One process at a time holds it. It stays when it is dropped, unless it is empty, so that the next fetch goes on.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    inherited: bool,
}

impl Part {
    /// The part of the file `whole`; `None` when another process holds it.
    pub(super) fn open(whole: &Path) -> io::Result<Option<Self>> {
        let mut path = whole.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Some(Self { path, file, length, inherited: length > 0 }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it begins with what an earlier fetch left.
    pub(super) fn is_inherited(&self) -> bool {
        self.inherited
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.length += piece.len() as u64;
        Ok(())
    }

    /// Begins again.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.inherited = false;
        Ok(())
    }

    /// Gives it the name of the whole file, durably.
    pub(super) fn keep(self, whole: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, whole)?;
        // The name too, where the platform can.
        if cfg!(unix) { File::open(whole_file::parent(whole))?.sync_all() } else { Ok(()) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.length == 0 {
            // An empty file that stays is harmless.
            let _removed = fs::remove_file(&self.path);
        }
    }
}
