//! The views that a database keeps beside the clean one: a list in the folder of the model that makes their rows.
//!
//! ```text
//! models/NAME/views.json
//! models/NAME/DIGEST.trigger.safetensors    one for each view of a stored trigger
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lookalike_tmm::{Blend, StoredTrigger, TmmView, Transformation};
use serde::{Deserialize, Serialize};

use crate::whole_file;

const FILE: &str = "views.json";
const VERSION: u32 = 1;
/// Longest list that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// Most views of a model: each costs a forward pass per image.
pub(crate) const MOST_VIEWS: usize = 16;

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
pub(crate) fn load(folder: &Path) -> anyhow::Result<Vec<TmmView>> {
    let path = folder.join(FILE);
    let refused = || format!("the list of views {} is refused", path.display());
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => {
            let found = found.with_context(refused)?.len();
            anyhow::ensure!(
                found <= MOST_BYTES,
                "{} has {found} bytes, at most {MOST_BYTES} are read",
                path.display()
            );
        }
    }
    let json = fs::read_to_string(&path).with_context(refused)?;
    let list: ViewList = serde_json::from_str(&json).with_context(refused)?;
    anyhow::ensure!(
        list.version == VERSION,
        "the list of views {} is of version {}, this program reads {VERSION}; use a newer one",
        path.display(),
        list.version
    );
    anyhow::ensure!(
        list.views.len() <= MOST_VIEWS,
        "{} lists {} views, at most {MOST_VIEWS} are kept",
        path.display(),
        list.views.len()
    );
    list.views.into_iter().map(|entry| entry.view(folder).with_context(refused)).collect()
}

/// Whether there is a list in this folder.
pub(crate) fn is_kept(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Writes the list and the triggers that it names.
pub(crate) fn save(folder: &Path, views: &[TmmView]) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    let refused = || format!("the list of views {} cannot be written", path.display());
    let views = views.iter().map(|view| ViewEntry::of(folder, view)).collect::<Result<_, _>>()?;
    let json = serde_json::to_vec_pretty(&ViewList { version: VERSION, views }).with_context(refused)?;
    whole_file::write(&path, &json).with_context(refused)
}

/// The files of the views in this folder.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == FILE || name.ends_with(TRIGGER_ENDING) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

const TRIGGER_ENDING: &str = ".trigger.safetensors";

impl ViewEntry {
    fn of(folder: &Path, view: &TmmView) -> anyhow::Result<Self> {
        let kind = match view.transformation() {
            Transformation::Trigger { trigger, blend, omega } => {
                let file = format!("{}{TRIGGER_ENDING}", trigger.digest().short());
                trigger.save(&folder.join(&file))?;
                ViewKind::Trigger { file, blend: blend.to_string(), omega: *omega }
            }
            Transformation::Blur { deviation } => ViewKind::Blur { deviation: *deviation },
            Transformation::Mirror => ViewKind::Mirror,
            Transformation::Noise { seed, norm } => ViewKind::Noise { seed: *seed, norm: *norm },
        };
        Ok(Self { name: view.name().to_owned(), kind })
    }

    fn view(self, folder: &Path) -> anyhow::Result<TmmView> {
        let blend = |word: &str| {
            Blend::from_name(word)
                .with_context(|| format!("\"{word}\" is no blend; choose from {}", Blend::NAMES.join(", ")))
        };
        let transformation = match self.kind {
            ViewKind::Trigger { file, blend: word, omega } => {
                let is_plain = !file.contains(['/', '\\']) && file.ends_with(TRIGGER_ENDING);
                anyhow::ensure!(is_plain, "\"{file}\" is no trigger of a view");
                let path = folder.join(file);
                let trigger =
                    StoredTrigger::open(&path).with_context(|| format!("trigger {}", path.display()))?;
                Transformation::Trigger { trigger, blend: blend(&word)?, omega }
            }
            ViewKind::Blur { deviation } => Transformation::Blur { deviation },
            ViewKind::Mirror => Transformation::Mirror,
            ViewKind::Noise { seed, norm } => Transformation::Noise { seed, norm },
        };
        Ok(TmmView::new(self.name, transformation)?)
    }
}
