use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::IMAGE_EXTENSIONS;
use crate::{DatasetError, Sample, SampleImage, Samples};

/// A folder tree of image files whose sub-folders are the labels.
///
/// The key is the file's path below `folder` and the label the path of its sub-folder, each with `/` between the
/// parts; files in `folder` itself have no label. Samples come in the order of their keys. Files are known by their
/// extensions, in either case; the others are listed by [`Samples::skipped`]. Symbolic links are followed, but no
/// folder is visited twice, and its own place goes before a link's.
///
/// The images are not decoded here: each sample names its file.
///
/// # Errors
///
/// [`DatasetError::Open`] when `folder` cannot be listed and [`DatasetError::Empty`] when there is no image below it.
/// A sub-folder that cannot be listed, or a name that is not UTF-8, is an error among the samples, before them.
pub fn image_folder(folder: &Path) -> Result<Samples, DatasetError> {
    read(folder, label_of)
}

/// A folder tree of image files whose sub-folders mean nothing: as [`image_folder`], and no sample has a label.
///
/// For sets that only serve to be unlike the labelled ones (out of distribution), and for images nobody has sorted.
///
/// # Errors
///
/// As [`image_folder`].
pub fn unlabelled_folder(folder: &Path) -> Result<Samples, DatasetError> {
    read(folder, |_| None)
}

/// The label of an image with this path below the top of its set: its folder's path; none at the top itself.
pub(crate) fn label_of(key: &str) -> Option<String> {
    key.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

fn read(folder: &Path, label_of: fn(&str) -> Option<String>) -> Result<Samples, DatasetError> {
    let mut walk = Walk::default();
    walk.visit(folder, "").map_err(|source| DatasetError::Open { path: folder.to_owned(), source })?;
    while let Some((path, key)) = walk.folders.pop_front().or_else(|| walk.links.pop_front()) {
        if let Err(source) = walk.visit(&path, &key) {
            walk.errors.push(DatasetError::Open { path, source });
        }
    }
    if walk.files.is_empty() && walk.errors.is_empty() {
        return Err(DatasetError::Empty { folder: folder.to_owned(), skipped: walk.skipped.len() });
    }
    walk.files.sort_unstable();
    walk.skipped.sort_unstable();
    let length = (walk.files.len() + walk.errors.len()) as u64;
    let files = walk.files.into_iter().map(move |(key, path)| {
        Ok(Sample { label: label_of(&key), key, image: SampleImage::File(path), tags: Vec::new() })
    });
    let records = walk.errors.into_iter().map(Err).chain(files);
    Ok(Samples::new(records, Some(length)).with_skipped(walk.skipped))
}

/// What was found so far, and what is still to be visited.
#[derive(Default)]
struct Walk {
    files: Vec<(String, PathBuf)>,
    skipped: Vec<PathBuf>,
    errors: Vec<DatasetError>,
    folders: VecDeque<(PathBuf, String)>,
    /// Links to folders wait until all real folders are done, so that a folder's files keep its own label.
    links: VecDeque<(PathBuf, String)>,
    visited: HashSet<PathBuf>,
}

impl Walk {
    fn visit(&mut self, folder: &Path, key: &str) -> io::Result<()> {
        if !self.visited.insert(folder.canonicalize()?) {
            return Ok(());
        }
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let Ok(metadata) = fs::metadata(&path) else {
                // A link that leads nowhere or in a circle.
                self.skipped.push(path);
                continue;
            };
            let Ok(name) = entry.file_name().into_string() else {
                self.errors.push(DatasetError::FileName { path });
                continue;
            };
            let key = if key.is_empty() { name } else { format!("{key}/{name}") };
            if metadata.is_dir() {
                let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                let queue = if link { &mut self.links } else { &mut self.folders };
                queue.push_back((path, key));
            } else if metadata.is_file() && is_image(&path) {
                self.files.push((key, path));
            } else {
                self.skipped.push(path);
            }
        }
        Ok(())
    }
}

pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension
        .is_some_and(|extension| IMAGE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests;
