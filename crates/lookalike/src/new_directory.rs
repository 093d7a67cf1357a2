//! A directory that is made beside its place, and takes it when it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::file;

/// A directory that is removed unless it is finished: neither an error nor a kill leaves half of one under the name that
/// was asked for.
#[derive(Debug)]
pub struct NewDirectory(PathBuf);

impl NewDirectory {
    /// Begins one for this place, which must be absent or an empty directory when it is finished.
    ///
    /// # Errors
    ///
    /// [`Error::NoName`] when the place has no name of its own, such as `/`; [`Error::File`] when nothing can be made
    /// beside it.
    pub fn beside(place: &Path) -> Result<Self, Error> {
        let name = place.file_name().ok_or_else(|| Error::NoName { path: place.to_owned() })?;
        let name = format!(".{}.making-{}", name.to_string_lossy(), std::process::id());
        let path = file::parent(place).join(name);
        fs::create_dir_all(file::parent(place))
            .and_then(|()| fs::create_dir(&path))
            .map_err(|source| Error::file("made", &path, source))?;
        Ok(Self(path))
    }

    /// Where it is until it is finished.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it its place, durably.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when something else is there; the directory is removed then.
    pub fn finish(self, place: &Path) -> Result<(), Error> {
        fs::rename(&self.0, place)
            .and_then(|()| file::sync_directory(file::parent(place)))
            .map_err(|source| Error::file("put in place", place, source))
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        // Gone already when finished; and if it cannot be removed, the error under way says more.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Whether nothing is in the way of a new directory.
pub fn is_free(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => fs::symlink_metadata(directory).is_err(),
    }
}
