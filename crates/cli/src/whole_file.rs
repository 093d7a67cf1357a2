//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;

/// Begins a file that must not be there yet. It gets its name, durably, when it is committed; dropped before, nothing is
/// left of it.
pub(crate) fn begin(path: &Path) -> anyhow::Result<AtomicWriteFile> {
    anyhow::ensure!(
        fs::symlink_metadata(path).is_err(),
        "{} is there already; choose another name, or remove it first",
        path.display()
    );
    AtomicWriteFile::open(path).with_context(|| format!("{} cannot be written", path.display()))
}

/// Gives a file that was begun its name.
pub(crate) fn commit(file: AtomicWriteFile, path: &Path) -> anyhow::Result<()> {
    file.commit().with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes a file durably, in place of the one that may be there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// The directory that something is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
