//! The views that a database keeps beside the clean one: a list in the folder of the model that makes their rows.
//!
//! ```text
//! models/NAME/views.json
//! models/NAME/DIGEST.trigger.safetensors    one for each view of a stored trigger
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lookalike_tmm::{Blend, StoredTrigger, TmmView, Transformation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, MAX_LIST_BYTES, MAX_VIEWS, VIEW_LIST_VERSION, ViewListError};
use crate::file;

const FILE: &str = "views.json";
const TRIGGER_ENDING: &str = ".trigger.safetensors";

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewList {
    version: u32,
    views: Vec<ViewEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ViewEntry {
    name: String,
    #[serde(flatten)]
    kind: ViewKind,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ViewKind {
    Trigger { file: String, blend: String, omega: f32 },
    Blur { deviation: f32 },
    Mirror,
    Noise { seed: u64, norm: f32 },
}

/// The views of the model in this folder.
pub(crate) fn load(folder: &Path) -> Result<Vec<TmmView>, Error> {
    let path = folder.join(FILE);
    read(folder, &path).map_err(|source| Error::ViewList { path, source: Box::new(source) })
}

fn read(folder: &Path, path: &Path) -> Result<Vec<TmmView>, ViewListError> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(ViewListError::Read)?.len(),
    };
    if found > MAX_LIST_BYTES {
        return Err(ViewListError::TooLong { found });
    }
    let json = fs::read_to_string(path).map_err(ViewListError::Read)?;
    let list: ViewList = serde_json::from_str(&json).map_err(ViewListError::Json)?;
    if list.version != VIEW_LIST_VERSION {
        return Err(ViewListError::Version { found: list.version });
    }
    if list.views.len() > MAX_VIEWS {
        return Err(ViewListError::TooMany { found: list.views.len() });
    }
    list.views.into_iter().map(|entry| entry.view(folder)).collect()
}

/// Whether there is a list in this folder.
pub(crate) fn is_kept(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Writes the triggers of the views, then the list that names them.
pub(crate) fn save(folder: &Path, views: &[TmmView]) -> Result<(), Error> {
    let path = folder.join(FILE);
    let refused = |source| Error::ViewList { path: path.clone(), source: Box::new(source) };
    let views = views.iter().map(|view| ViewEntry::new(folder, view)).collect::<Result<_, _>>();
    let list = ViewList { version: VIEW_LIST_VERSION, views: views.map_err(refused)? };
    let json = serde_json::to_vec_pretty(&list).map_err(ViewListError::Json).map_err(refused)?;
    file::write(&path, &json)
}

/// The files of the views in this folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = |source| Error::file("listed", folder, source);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == FILE || name.ends_with(TRIGGER_ENDING) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl ViewEntry {
    fn new(folder: &Path, view: &TmmView) -> Result<Self, ViewListError> {
        let kind = match view.transformation() {
            Transformation::Trigger { trigger, blend, omega } => {
                let file = format!("{}{TRIGGER_ENDING}", trigger.digest().short());
                let path = folder.join(&file);
                trigger
                    .save(&path)
                    .map_err(|source| ViewListError::Trigger { path, source: Box::new(source) })?;
                ViewKind::Trigger { file, blend: blend.to_string(), omega: *omega }
            }
            Transformation::Blur { deviation } => ViewKind::Blur { deviation: *deviation },
            Transformation::Mirror => ViewKind::Mirror,
            Transformation::Noise { seed, norm } => ViewKind::Noise { seed: *seed, norm: *norm },
        };
        Ok(Self { name: view.name().to_owned(), kind })
    }

    fn view(self, folder: &Path) -> Result<TmmView, ViewListError> {
        let transformation = match self.kind {
            ViewKind::Trigger { file, blend, omega } => {
                if file.contains(['/', '\\']) || !file.ends_with(TRIGGER_ENDING) {
                    return Err(ViewListError::TriggerName { found: file });
                }
                let path = folder.join(file);
                let trigger = StoredTrigger::open(&path)
                    .map_err(|source| ViewListError::Trigger { path, source: Box::new(source) })?;
                let blend = Blend::from_name(&blend).ok_or(ViewListError::Blend { found: blend })?;
                Transformation::Trigger { trigger, blend, omega }
            }
            ViewKind::Blur { deviation } => Transformation::Blur { deviation },
            ViewKind::Mirror => Transformation::Mirror,
            ViewKind::Noise { seed, norm } => Transformation::Noise { seed, norm },
        };
        Ok(TmmView::new(self.name, transformation)?)
    }
}
