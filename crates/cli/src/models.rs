//! The models inside a database: the one that each collection is served by and the one it can roll back to, so that a
//! database needs nothing beside itself.
//!
//! ```text
//! models/NAME/weights.safetensors    NAME is made of the fingerprint
//! models/NAME/weights.json
//! models/NAME/views.json             and the triggers that it names, where views beside the clean one are kept
//! ```
//!
//! The weights are written last: a folder without them is no model. Databases of format 1 have one model, in `model`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lookalike_engine::ModelRole;
use lookalike_engine::plugin_api::Fingerprint;
use lookalike_store::{Catalog, Store};
use lookalike_tmm::{TmmView, Transformation};
use lookalike_vision::{ComputeConfig, Model, ModelManifest};

use crate::args::GlobalArgs;
use crate::kept_views;
use crate::model_files::ModelFiles;
use crate::opened::compute;
use crate::whole_file;

const FOLDER: &str = "models";
const OLD_FOLDER: &str = "model";
const WEIGHTS: &str = "weights.safetensors";

/// Digits of a folder's name.
const NAME_DIGITS: usize = 16;

/// The folders with models of one database.
#[derive(Debug)]
pub(crate) struct Models {
    database: PathBuf,
    compute: ComputeConfig,
}

impl Models {
    pub(crate) fn of(database: &Path, global: &GlobalArgs) -> Self {
        Self { database: database.to_owned(), compute: compute(global) }
    }

    /// The model that should be the one of this fingerprint; `None` if there is none. Whether it is that one, only its
    /// own fingerprint says: somebody may have exchanged the files.
    pub(crate) fn load(&self, wanted: &Fingerprint) -> anyhow::Result<Option<Model>> {
        let places = [self.folder(wanted), self.database.join(OLD_FOLDER)];
        places.iter().find(|folder| is_model(folder)).map(|folder| self.open(folder)).transpose()
    }

    /// The very model of this fingerprint.
    pub(crate) fn load_exactly(&self, wanted: &Fingerprint) -> anyhow::Result<Model> {
        match self.load(wanted)? {
            Some(model) if model.fingerprint() == wanted => Ok(model),
            Some(_) | None => Err(self.missing(wanted)),
        }
    }

    /// The error for a model that is not there.
    pub(crate) fn missing(&self, wanted: &Fingerprint) -> anyhow::Error {
        let database = self.database.display();
        anyhow::anyhow!(
            "database {database} does not carry the model {wanted}; \
             give it its files with \"lookalike rebuild {database} --model FILE\""
        )
    }

    /// Whether the database keeps models: one made by a program that brings its own does not.
    pub(crate) fn are_kept(&self) -> bool {
        [FOLDER, OLD_FOLDER].iter().any(|folder| self.database.join(folder).is_dir())
    }

    /// Whether there are files for this fingerprint, or of a model that is not known without loading it.
    pub(crate) fn has(&self, wanted: &Fingerprint) -> bool {
        is_model(&self.folder(wanted)) || is_model(&self.database.join(OLD_FOLDER))
    }

    /// The model whose files were written last; `None` if there is no model at all.
    pub(crate) fn newest(&self) -> anyhow::Result<Option<Model>> {
        let written =
            |folder: &PathBuf| fs::metadata(folder.join(WEIGHTS)).and_then(|file| file.modified()).ok();
        self.folders()?
            .iter()
            .max_by_key(|folder| written(folder))
            .map(|folder| self.open(folder))
            .transpose()
    }

    /// Writes a model's files, unless they are there.
    pub(crate) fn save(&self, files: &ModelFiles, fingerprint: &Fingerprint) -> anyhow::Result<()> {
        let folder = self.folder(fingerprint);
        fs::create_dir_all(&folder)
            .and_then(|()| whole_file::sync(&self.database))
            .and_then(|()| whole_file::sync(&self.database.join(FOLDER)))
            .map_err(anyhow::Error::from)
            .and_then(|()| files.write(&folder.join(WEIGHTS)))
            .with_context(|| format!("the model cannot be copied to {}", folder.display()))
    }

    /// Puts the model of a database of format 1 where the others are.
    pub(crate) fn move_old(&self) -> anyhow::Result<()> {
        let old = self.database.join(OLD_FOLDER);
        if !is_model(&old) {
            return Ok(());
        }
        let folder = self.folder(self.open(&old)?.fingerprint());
        let moved = if is_model(&folder) {
            remove(&old)
        } else {
            fs::create_dir_all(&folder).and_then(|()| fs::rename(&old, &folder))
        };
        moved
            .and_then(|()| whole_file::sync(&self.database.join(FOLDER)))
            .and_then(|()| whole_file::sync(&self.database))
            .with_context(|| format!("the model cannot be moved to {}", folder.display()))
    }

    /// Removes the models that no collection has a use for.
    pub(crate) fn keep_used(&self, store: &Store) -> anyhow::Result<()> {
        let mut used = Vec::new();
        for name in store.collection_names()? {
            if let Some(collection) = store.collection(&name)? {
                used.extend(in_use(&collection.catalog()).into_iter().map(|model| self.folder(&model)));
            }
        }
        for folder in self.folders()? {
            if folder.starts_with(self.database.join(FOLDER)) && !used.contains(&folder) {
                remove(&folder).with_context(|| format!("model {} cannot be removed", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Every file of every model: its path within the database, and the whole path.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        for folder in self.folders()? {
            let weights = folder.join(WEIGHTS);
            let views = kept_views::files(&folder)?;
            for path in views.into_iter().chain([ModelManifest::path_beside(&weights), weights]) {
                let name = path.strip_prefix(&self.database)?.iter().map(|part| part.to_string_lossy());
                files.push((name.collect::<Vec<_>>().join("/"), path.clone()));
            }
        }
        Ok(files)
    }

    /// Copies every model into another database.
    pub(crate) fn copy_to(&self, other: &Path) -> anyhow::Result<()> {
        for (name, from) in self.files()? {
            let to = other.join(name);
            let failed = || format!("{} cannot be copied to {}", from.display(), to.display());
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).with_context(failed)?;
            }
            fs::read(&from).and_then(|bytes| whole_file::write(&to, &bytes)).with_context(failed)?;
        }
        Ok(())
    }

    /// The views that a model's rows are kept in beside the clean one.
    pub(crate) fn views(&self, fingerprint: &Fingerprint) -> anyhow::Result<Vec<TmmView>> {
        kept_views::load(&self.folder(fingerprint))
    }

    /// Keeps these views of a model from now on.
    pub(crate) fn save_views(&self, fingerprint: &Fingerprint, views: &[TmmView]) -> anyhow::Result<()> {
        let folder = self.folder(fingerprint);
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        kept_views::save(&folder, views)
    }

    /// Gives a model the views of the one that it takes the place of, unless it has its own. Triggers stay behind: they
    /// are fitted to their model.
    pub(crate) fn hand_on_views(&self, from: &Fingerprint, to: &Fingerprint) -> anyhow::Result<()> {
        if from == to || kept_views::is_kept(&self.folder(to)) {
            return Ok(());
        }
        let mut views = self.views(from)?;
        views.retain(|view| !matches!(view.transformation(), Transformation::Trigger { .. }));
        if views.is_empty() { Ok(()) } else { self.save_views(to, &views) }
    }

    /// Path of the weights of a model.
    pub(crate) fn weights(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.folder(fingerprint).join(WEIGHTS)
    }

    fn folder(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.database.join(FOLDER).join(folder_name(fingerprint))
    }

    /// Folders with a model in them.
    fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let home = self.database.join(FOLDER);
        let mut folders = vec![self.database.join(OLD_FOLDER)];
        match fs::read_dir(&home) {
            Ok(entries) => {
                for entry in entries {
                    folders.push(entry?.path());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be listed", home.display())),
        }
        folders.retain(|folder| is_model(folder));
        folders.sort();
        Ok(folders)
    }

    fn open(&self, folder: &Path) -> anyhow::Result<Model> {
        Model::open(&folder.join(WEIGHTS), self.compute)
            .with_context(|| format!("the model of database {} is refused", self.database.display()))
    }
}

/// The models that a collection is served by, can return to or is being rebuilt with.
pub(crate) fn in_use(catalog: &Catalog) -> Vec<Fingerprint> {
    let models = catalog.models().into_iter().filter(|model| model.role != ModelRole::Dropped);
    models.map(|model| model.fingerprint).collect()
}

fn is_model(folder: &Path) -> bool {
    folder.join(WEIGHTS).is_file()
}

/// Removes a model; killed in between, what is left is no model.
fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(WEIGHTS)).and_then(|()| fs::remove_dir_all(folder))
}

fn folder_name(fingerprint: &Fingerprint) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(fingerprint.model.len() as u64).to_le_bytes());
    hasher.update(fingerprint.model.as_bytes());
    hasher.update(&fingerprint.weights.0);
    hasher.update(&fingerprint.preprocessing.0);
    hasher.update(&fingerprint.dimension.to_le_bytes());
    hasher.finalize().to_hex()[..NAME_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use lookalike_engine::plugin_api::Digest;

    use super::*;

    fn fingerprint() -> Fingerprint {
        let (weights, preprocessing) = (Digest([1; 32]), Digest([2; 32]));
        Fingerprint { model: "m".to_owned(), weights, preprocessing, dimension: 8 }
    }

    #[test]
    fn every_part_of_a_fingerprint_counts_for_the_name_of_its_folder() {
        let others = [
            Fingerprint { model: "n".to_owned(), ..fingerprint() },
            Fingerprint { weights: Digest([3; 32]), ..fingerprint() },
            Fingerprint { preprocessing: Digest([3; 32]), ..fingerprint() },
            Fingerprint { dimension: 9, ..fingerprint() },
        ];
        let name = folder_name(&fingerprint());
        assert_eq!(name, folder_name(&fingerprint()));
        assert_eq!(name.len(), NAME_DIGITS);
        assert!(others.iter().all(|other| folder_name(other) != name));
    }
}
