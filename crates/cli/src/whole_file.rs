//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file under way, under its name with `.tmp` behind it. Unless it is finished, it is removed.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl WholeFile {
    /// Begins a file that must not be there yet.
    pub(crate) fn begin(path: &Path) -> anyhow::Result<(Self, File)> {
        anyhow::ensure!(
            fs::symlink_metadata(path).is_err(),
            "{} is there already; choose another name, or remove it first",
            path.display()
        );
        let temporary =
            temporary(path).with_context(|| format!("{} is no name for a file", path.display()))?;
        let file =
            File::create(&temporary).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok((Self { path: path.to_owned(), temporary, finished: false }, file))
    }

    /// Makes it durable and gives it its name.
    pub(crate) fn finish(mut self, file: &File) -> anyhow::Result<()> {
        file.sync_all()
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .and_then(|()| sync(parent(&self.path)))
            .with_context(|| format!("{} cannot be written", self.path.display()))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.finished {
            // If it cannot be removed, the error under way says more.
            let _removed = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a file durably, in place of the one that may be there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path).ok_or(io::ErrorKind::InvalidFilename)?;
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync(parent(path))
}

fn temporary(path: &Path) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(".tmp");
    Some(path.with_file_name(name))
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
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
