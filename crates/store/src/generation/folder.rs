//! Files and directories: what the standard library leaves out, with the path in every error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file operation that failed.
#[derive(Debug, Error)]
#[error("{action} {} failed; {}", path.display(), remedy(source))]
pub struct FolderError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FolderError {
    /// The operating system's answer to something that was tried on a file or directory.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The operating system's answer.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// What to do about a failed file operation.
fn remedy(error: &io::Error) -> &'static str {
    // The platform knows many more, which are about the disk or the program.
    if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        "make it writable for this user"
    } else if error.kind() == io::ErrorKind::StorageFull {
        "make room on the file system"
    } else {
        "check the path and the disk"
    }
}

/// Paths of everything directly in `folder`, ascending.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |source| FolderError::new("listing", folder, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

pub(crate) fn create(folder: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(folder).map_err(|source| FolderError::new("creating", folder, source))
}

/// Reads a file of at most `most` bytes; `None` if it is not there. Of a larger file only as much is read as shows
/// that it is larger.
pub(crate) fn read_small(file: &Path, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
    let failed = |source| FolderError::new("reading", file, source);
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(opened, most.saturating_add(1)), &mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes a file so that after a crash it is there whole or not at all.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let temporary = file.with_extension("tmp");
    let failed = |source| FolderError::new("writing", file, source);
    let mut handle = File::create(&temporary).map_err(failed)?;
    handle.write_all(bytes).map_err(failed)?;
    handle.sync_all().map_err(failed)?;
    drop(handle);
    fs::rename(&temporary, file).map_err(failed)?;
    file.parent().map_or(Ok(()), sync)
}

/// Removes a folder and all that is in it; one that is not there is no error.
pub(crate) fn remove(folder: &Path) -> Result<(), FolderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::new("removing", folder, error))
        }
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove_file(file: &Path) -> Result<(), FolderError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::new("removing", file, error))
        }
        _ => Ok(()),
    }
}

/// Makes the list of names in `folder` durable, where the platform can.
pub(crate) fn sync(folder: &Path) -> Result<(), FolderError> {
    if cfg!(unix) {
        let failed = |source| FolderError::new("syncing", folder, source);
        File::open(folder).map_err(failed)?.sync_all().map_err(failed)?;
    }
    Ok(())
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FolderError> {
    match path.parent() {
        // A relative path of one part lies in the working directory.
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

/// Makes everything in and under `folder` durable, and `folder` itself.
pub(crate) fn sync_all(folder: &Path) -> Result<(), FolderError> {
    for path in entries(folder)? {
        let failed = |source| FolderError::new("syncing", &path, source);
        let kind = fs::symlink_metadata(&path).map_err(failed)?;
        if kind.is_dir() {
            sync_all(&path)?;
        } else if kind.is_file() {
            // Some platforms sync only what is open for writing.
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .map_err(failed)?
                .sync_all()
                .map_err(failed)?;
        }
    }
    sync(folder)
}

/// Length of all files in and under `folder`, in bytes. Files that vanish meanwhile count nothing.
pub(crate) fn bytes(folder: &Path) -> Result<u64, FolderError> {
    let mut sum = 0;
    for path in entries(folder)? {
        match fs::symlink_metadata(&path) {
            Ok(kind) if kind.is_dir() => sum += bytes(&path)?,
            Ok(kind) => sum += kind.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FolderError::new("looking at", &path, error)),
        }
    }
    Ok(sum)
}

/// Bytes that may still be written to the file system of `folder`; `None` where the platform does not say.
#[cfg(unix)]
pub(crate) fn free_bytes(folder: &Path) -> Result<Option<u64>, FolderError> {
    let state = rustix::fs::statvfs(folder)
        .map_err(|errno| FolderError::new("looking at the free space of", folder, errno.into()))?;
    Ok(Some(state.f_bavail.saturating_mul(state.f_frsize)))
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_folder: &Path) -> Result<Option<u64>, FolderError> {
    Ok(None)
}

/// Whether `folder` lies on a file system on which power cuts were tried: ext4 (which shares its number with ext2
/// and ext3) or XFS.
#[cfg(target_os = "linux")]
pub(crate) fn on_tried_file_system(folder: &Path) -> Result<bool, FolderError> {
    const EXT4: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    let state = rustix::fs::statfs(folder)
        .map_err(|errno| FolderError::new("looking at the file system of", folder, errno.into()))?;
    Ok([EXT4, XFS].into_iter().any(|kind| u64::try_from(state.f_type).is_ok_and(|found| found == kind)))
}
