//! Where the files of a collection's segments lie: `features/VIEW/SPAN.rows`, both numbers in four hexadecimal
//! digits, beside the generations, none of which changes an id or a row.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Span;
use super::file::header_of;
use crate::Catalog;
use crate::generation::folder::{self, FolderError};

const FEATURES: &str = "features";
const EXTENSION: &str = "rows";
/// Separates these digests from any other of the same bytes. It must never change.
const IDENTITY: &str = "lookalike 2026 rows of one view of one collection";

/// The folder of a collection's segment files.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    uuid: [u8; 16],
    // Two savings at once would write the same temporary files.
    turn: Mutex<()>,
}

impl Shelf {
    /// The shelf of the collection in `home`, cleared of what cannot belong to its newest state: unfinished files,
    /// files that know ids which were not given away, and those of views that are not kept.
    ///
    /// An older log that was put back gives the same ids away a second time. Files that it does not know must be gone
    /// before it does, for afterwards nothing tells their rows from the new ones.
    pub(crate) fn open(home: &Path, uuid: [u8; 16], catalog: &Catalog) -> Self {
        let folder = home.join(FEATURES);
        if let Err(error) = clear(&folder, catalog) {
            tracing::warn!(?error, "files of feature rows cannot be looked at");
        }
        Self { folder, uuid, turn: Mutex::new(()) }
    }

    /// What a file of this view says about where it belongs.
    pub(crate) fn identity(&self, model: u16, view: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(IDENTITY);
        hasher.update(&self.uuid).update(&model.to_be_bytes()).update(view.as_bytes());
        hasher.finalize().into()
    }

    pub(crate) fn view_folder(&self, view: u16) -> PathBuf {
        self.folder.join(folder_name(view))
    }

    /// Removes the files of a view that is not kept any more.
    pub(crate) fn forget(&self, view: u16) {
        let _turn = self.turn();
        if let Err(error) = folder::remove(&self.view_folder(view)) {
            tracing::warn!(?error, "files of a view that was dropped stay behind");
        }
    }

    pub(crate) fn path(&self, view: u16, span: Span) -> PathBuf {
        self.view_folder(view).join(format!("{:04x}.{EXTENSION}", span.0))
    }

    /// Waits until nobody else writes or removes files.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn folder_name(view: u16) -> String {
    format!("{view:04x}")
}

fn clear(folder: &Path, catalog: &Catalog) -> Result<(), FolderError> {
    if !folder.is_dir() {
        return Ok(());
    }
    let next_id = catalog.next_id();
    let kept: Vec<String> = catalog.views.keys().map(|&number| folder_name(number)).collect();
    for view in folder::entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        if !kept.iter().any(|name| view.ends_with(name)) {
            folder::remove(&view)?;
            continue;
        }
        for path in folder::entries(&view)? {
            let is_unfinished = path.extension().is_some_and(|extension| extension == "tmp");
            let is_ahead = || matches!(header_of(&path), Ok(Some(header)) if header.covered > next_id);
            if is_unfinished || is_ahead() {
                tracing::warn!(path = %path.display(), "removing a file of feature rows that is not of this log");
                folder::remove_file(&path)?;
            }
        }
        folder::sync(&view)?;
    }
    Ok(())
}
