//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;

use crate::error::Error;

/// Writes a file durably, in place of the one that may be there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    AtomicWriteFile::open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.commit()))
        .map_err(|source| Error::file("written", path, source))
}

/// The directory that something is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes a directory's list of names durable, where the platform can.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
