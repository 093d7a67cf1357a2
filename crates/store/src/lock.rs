use std::fs::{File, TryLockError};
use std::path::Path;

use crate::OpenError;
use crate::generation::folder::FolderError;

/// The file in the directory of a database that is locked while it is open.
pub(crate) const LOCK: &str = "LOCK";

/// The lock of a database. It ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a process that is being started has the file too, for a moment.
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "the lock ends with its file");
        }
    }
}

/// Locks a database for this process.
pub(crate) fn lock(root: &Path) -> Result<Lock, OpenError> {
    let path = root.join(LOCK);
    let failed = |source| FolderError::new("locking", &path, source);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error).into()),
    }
}
