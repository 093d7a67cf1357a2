//! A directory that is made beside its place, and takes it when it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::whole_file::{parent, sync};

/// A directory that is removed unless it is finished: neither an error nor a kill leaves half of one under the name
/// that was asked for.
#[derive(Debug)]
pub(crate) struct Building(PathBuf);

impl Building {
    /// Begins one for this place, which must be absent or an empty directory.
    pub(crate) fn beside(directory: &Path) -> anyhow::Result<Self> {
        let name = directory.file_name().context("the database needs a directory with a name of its own")?;
        let name = format!(".{}.making-{}", name.to_string_lossy(), std::process::id());
        let path = parent(directory).join(name);
        fs::create_dir_all(parent(directory))
            .and_then(|()| fs::create_dir(&path))
            .with_context(|| format!("directory {} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn finish(self, directory: &Path) -> anyhow::Result<()> {
        fs::rename(&self.0, directory)
            .and_then(|()| sync(parent(directory)))
            .with_context(|| format!("database {} cannot be put in place", directory.display()))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // Gone already when finished; and if it cannot be removed, the error under way says more.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Whether nothing is in the way of a new directory.
pub(crate) fn is_free(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => fs::symlink_metadata(directory).is_err(),
    }
}

/// Refuses a place inside of the database that a command must not touch.
pub(crate) fn ensure_outside(database: &Path, place: &Path) -> anyhow::Result<()> {
    let inside = match (database.canonicalize(), parent(place).canonicalize()) {
        (Ok(database), Ok(folder)) => folder.starts_with(database),
        (Err(_), _) | (_, Err(_)) => false,
    };
    anyhow::ensure!(
        !inside,
        "{} lies in the database {}; choose another place",
        place.display(),
        database.display()
    );
    Ok(())
}
