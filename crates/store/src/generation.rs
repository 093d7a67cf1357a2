//! Folders of a collection:
//!
//! ```text
//! NAME/CURRENT                name of the generation in use; replaced in one step, so that there always is one
//! NAME/g000001/READY          the generation was made to its end
//! NAME/g000001/ground/        its tree
//! NAME/g000001/ACKNOWLEDGED   number of the last acknowledged batch
//! NAME/features/              rows in files, derived from the tree
//! NAME/DROPPED                the collection is being removed
//! ```
//!
//! Generations that `CURRENT` does not name were being made when the process ended, or were replaced: they go when
//! the collection is opened.

pub(crate) mod acknowledged;
pub(crate) mod folder;
pub(crate) mod tree;

use std::path::{Path, PathBuf};

use self::folder::FolderError;
use crate::Damage;

const CURRENT: &str = "CURRENT";
const READY: &str = "READY";
const DROPPED: &str = "DROPPED";
const GROUND: &str = "ground";
const READY_TEXT: &[u8] = b"lookalike generation, format 1\n";
const CURRENT_MOST_BYTES: u64 = 64;
const DIGITS: usize = 6;

/// The name of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(u32);

impl Number {
    pub(crate) const FIRST: Self = Self(1);

    fn parse(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('g').filter(|digits| digits.len() == DIGITS)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Self)).flatten()
    }

    fn name(self) -> String {
        format!("g{:0DIGITS$}", self.0)
    }

    /// The generation after this one; the numbers of all but the current are free.
    pub(crate) fn next(self) -> Self {
        Self(self.0 % 999_999 + 1)
    }

    pub(crate) fn folder(self, home: &Path) -> PathBuf {
        home.join(self.name())
    }
}

/// Where the tree of a generation is.
pub(crate) fn ground(generation: &Path) -> PathBuf {
    generation.join(GROUND)
}

/// Whether a collection was created to its end in `home`.
pub(crate) fn exists(home: &Path) -> bool {
    !home.join(DROPPED).exists() && (home.join(CURRENT).is_file() || has_lost_current(home))
}

/// Whether there was a collection with acknowledged batches in `home` that nobody dropped.
fn has_lost_current(home: &Path) -> bool {
    generations(home).is_ok_and(|paths| {
        paths
            .iter()
            .any(|path| matches!(unready(path), Ok(None)) && !matches!(acknowledged::read(path), Ok(Some(0))))
    })
}

/// Paths of the generations in `home`.
fn generations(home: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let is_one =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(Number::parse).is_some();
    Ok(folder::entries(home)?.into_iter().filter(is_one).collect())
}

/// The generation in use. `None` if the file that names it is damaged.
pub(crate) fn current(home: &Path) -> Result<Option<Number>, FolderError> {
    let bytes = folder::read_small(&home.join(CURRENT), CURRENT_MOST_BYTES)?.unwrap_or_default();
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    Ok(text.and_then(Number::parse))
}

/// The folder of the generation in use, or, where nothing says which that is, of the newest that has a tree.
pub(crate) fn newest(home: &Path) -> Result<Option<PathBuf>, FolderError> {
    let current = current(home)?.map(|number| number.folder(home));
    let has_tree = |path: &PathBuf| ground(path).is_dir();
    let all = generations(home)?;
    let is_whole = |path: &&PathBuf| has_tree(path) && matches!(unready(path), Ok(None));
    let newest = all.iter().rfind(is_whole).or_else(|| all.iter().rfind(|path| has_tree(path)));
    Ok(current.filter(has_tree).or_else(|| newest.cloned()))
}

/// Makes a generation that is ready the one in use.
pub(crate) fn set_current(home: &Path, number: Number) -> Result<(), FolderError> {
    folder::write_whole(&home.join(CURRENT), format!("{}\n", number.name()).as_bytes())
}

/// Makes the collection in `home` none, and removes its generations before what says so.
pub(crate) fn drop_all(home: &Path) -> Result<(), FolderError> {
    folder::write_whole(&home.join(DROPPED), b"")?;
    folder::remove_file(&home.join(CURRENT))?;
    generations(home)?.iter().try_for_each(|path| folder::remove(path))?;
    folder::sync(home)
}

/// Notes that a generation was made to its end, and makes all of it durable.
pub(crate) fn set_ready(generation: &Path) -> Result<(), FolderError> {
    folder::write_whole(&generation.join(READY), READY_TEXT)?;
    folder::sync_all(generation)?;
    generation.parent().map_or(Ok(()), folder::sync)
}

/// What keeps a generation from having been made to its end; `None` if nothing does.
pub(crate) fn unready(generation: &Path) -> Result<Option<Damage>, FolderError> {
    let ready = folder::read_small(&generation.join(READY), READY_TEXT.len() as u64)?;
    Ok((ready.as_deref() != Some(READY_TEXT)).then_some(Damage::Missing { what: "file READY" }))
}

/// Removes every generation but `kept`.
pub(crate) fn remove_others(home: &Path, kept: Number) -> Result<(), FolderError> {
    for path in folder::entries(home)? {
        let number = path.file_name().and_then(|name| name.to_str()).and_then(Number::parse);
        if number.is_some_and(|number| number != kept) {
            folder::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_names_of_six_digits() {
        assert_eq!(Number::FIRST.name(), "g000001");
        assert_eq!(Number::parse("g000041"), Some(Number(41)));
        for wrong in ["g1", "g00000x", "000001", "g+00001", "g0000001"] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Number(999_999).next(), Number::FIRST);
    }
}
