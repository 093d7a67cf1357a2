//! The models inside a database: those that its collections are served by and can roll back to, so that a database needs
//! nothing beside itself.
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

use lookalike_plugin_api::Fingerprint;
use lookalike_store::{Catalog, ModelRole, Store};
use lookalike_tmm::{TmmView, Transformation};
use lookalike_vision::{ComputeConfig, Model, ModelManifest};

use crate::error::Error;
use crate::file;
use crate::model_files::ModelFiles;
use crate::view_list;

const FOLDER: &str = "models";
const OLD_FOLDER: &str = "model";
const WEIGHTS: &str = "weights.safetensors";

/// Digits of a folder's name.
const NAME_DIGITS: usize = 16;

/// The folders with models of one database. Nothing of it locks the database: hold its
/// [`Store`](lookalike_store::Store) while files are written.
#[derive(Debug, Clone)]
pub struct StoredModels {
    database: PathBuf,
    compute: ComputeConfig,
}

impl StoredModels {
    /// Those of the database in this directory, to be run as `compute` says.
    pub fn new(database: &Path, compute: ComputeConfig) -> Self {
        Self { database: database.to_owned(), compute }
    }

    /// The model that should be the one of this fingerprint; `None` if there is none. Whether it is that one, only its
    /// own fingerprint says: somebody may have exchanged the files.
    ///
    /// # Errors
    ///
    /// [`Error::StoredModel`] when its files are refused.
    pub fn load(&self, wanted: &Fingerprint) -> Result<Option<Model>, Error> {
        self.places(wanted).iter().find(|folder| is_model(folder)).map(|folder| self.open(folder)).transpose()
    }

    /// The very model of this fingerprint.
    ///
    /// # Errors
    ///
    /// [`Error::MissingModel`] when its files are not there, or are another's.
    pub fn load_exactly(&self, wanted: &Fingerprint) -> Result<Model, Error> {
        match self.load(wanted)? {
            Some(model) if model.fingerprint() == wanted => Ok(model),
            Some(_) | None => Err(self.missing(wanted)),
        }
    }

    /// The manifest of a model, if it is there and can be read; the network is not loaded for it.
    pub(crate) fn manifest(&self, wanted: &Fingerprint) -> Option<ModelManifest> {
        let folder = self.places(wanted).into_iter().find(|folder| is_model(folder))?;
        ModelManifest::beside(&folder.join(WEIGHTS)).ok()
    }

    /// The error for a model that is not there.
    pub fn missing(&self, wanted: &Fingerprint) -> Error {
        Error::MissingModel { database: self.database.clone(), wanted: Box::new(wanted.clone()) }
    }

    /// Whether the database keeps models: one made by a program that brings its own does not.
    pub fn are_kept(&self) -> bool {
        [FOLDER, OLD_FOLDER].iter().any(|folder| self.database.join(folder).is_dir())
    }

    /// Whether there are files for this fingerprint, or of a model that is not known without loading it.
    pub fn has(&self, wanted: &Fingerprint) -> bool {
        self.places(wanted).iter().any(|folder| is_model(folder))
    }

    /// The model whose files were written last; `None` if there is no model at all.
    ///
    /// # Errors
    ///
    /// [`Error::StoredModel`] when its files are refused.
    pub fn newest(&self) -> Result<Option<Model>, Error> {
        let written =
            |folder: &PathBuf| fs::metadata(folder.join(WEIGHTS)).and_then(|file| file.modified()).ok();
        self.folders()?
            .iter()
            .max_by_key(|folder| written(folder))
            .map(|folder| self.open(folder))
            .transpose()
    }

    /// Path of the weights of a model.
    pub fn weights(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.folder(fingerprint).join(WEIGHTS)
    }

    /// The views that a model's rows are kept in beside the clean one.
    ///
    /// # Errors
    ///
    /// [`Error::ViewList`] when their list or a trigger that it names cannot be used.
    pub fn views(&self, fingerprint: &Fingerprint) -> Result<Vec<TmmView>, Error> {
        view_list::load(&self.folder(fingerprint))
    }

    /// Every file of every model: its path within the database with `/` between the parts, and the whole path.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when a folder cannot be listed.
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let mut files = Vec::new();
        for folder in self.folders()? {
            let weights = folder.join(WEIGHTS);
            let views = view_list::files(&folder)?;
            for path in views.into_iter().chain([ModelManifest::path_beside(&weights), weights]) {
                // All of them are below the directory.
                let below = path.strip_prefix(&self.database).unwrap_or(&path);
                let names: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                files.push((names.join("/"), path.clone()));
            }
        }
        Ok(files)
    }

    /// Copies every model into another database.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when a file cannot be read or written.
    pub fn copy_to(&self, other: &Path) -> Result<(), Error> {
        for (name, from) in self.files()? {
            let to = other.join(name);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|source| Error::file("made", folder, source))?;
            }
            let bytes = fs::read(&from).map_err(|source| Error::file("read", &from, source))?;
            file::write(&to, &bytes)?;
        }
        Ok(())
    }

    /// Puts the model of a database of format 1 where the others are.
    ///
    /// # Errors
    ///
    /// [`Error::StoredModel`] when its files are refused; [`Error::File`] when they cannot be moved.
    pub fn move_old(&self) -> Result<(), Error> {
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
            .and_then(|()| file::sync_directory(&self.database.join(FOLDER)))
            .and_then(|()| file::sync_directory(&self.database))
            .map_err(|source| Error::file("moved", &old, source))
    }

    /// Writes a model's files.
    pub(crate) fn save(&self, files: &ModelFiles, fingerprint: &Fingerprint) -> Result<(), Error> {
        let folder = self.folder(fingerprint);
        fs::create_dir_all(&folder)
            .and_then(|()| file::sync_directory(&self.database))
            .and_then(|()| file::sync_directory(&self.database.join(FOLDER)))
            .map_err(|source| Error::file("made", &folder, source))?;
        files.write(&folder.join(WEIGHTS))
    }

    /// Removes the models that no collection has a use for.
    pub(crate) fn keep_used(&self, store: &Store) -> Result<(), Error> {
        let mut used = Vec::new();
        for name in store.collection_names()? {
            if let Some(collection) = store.collection(&name)? {
                used.extend(models_in_use(&collection.catalog()).iter().map(|model| self.folder(model)));
            }
        }
        for folder in self.folders()? {
            if folder.starts_with(self.database.join(FOLDER)) && !used.contains(&folder) {
                remove(&folder).map_err(|source| Error::file("removed", &folder, source))?;
            }
        }
        Ok(())
    }

    /// Keeps these views of a model from now on.
    pub(crate) fn save_views(&self, fingerprint: &Fingerprint, views: &[TmmView]) -> Result<(), Error> {
        let folder = self.folder(fingerprint);
        fs::create_dir_all(&folder).map_err(|source| Error::file("made", &folder, source))?;
        view_list::save(&folder, views)
    }

    /// Gives a model the views of the one that it takes the place of, unless it has its own. Triggers stay behind: they
    /// are fitted to their model.
    pub(crate) fn hand_on_views(&self, from: &Fingerprint, to: &Fingerprint) -> Result<(), Error> {
        if from == to || view_list::is_kept(&self.folder(to)) {
            return Ok(());
        }
        let mut views = self.views(from)?;
        views.retain(|view| !matches!(view.transformation(), Transformation::Trigger { .. }));
        if views.is_empty() { Ok(()) } else { self.save_views(to, &views) }
    }

    /// Where a model may be, the likelier place first.
    fn places(&self, wanted: &Fingerprint) -> [PathBuf; 2] {
        [self.folder(wanted), self.database.join(OLD_FOLDER)]
    }

    fn folder(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.database.join(FOLDER).join(folder_name(fingerprint))
    }

    /// Folders with a model in them.
    fn folders(&self) -> Result<Vec<PathBuf>, Error> {
        let home = self.database.join(FOLDER);
        let listed = fs::read_dir(&home)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
        let mut folders = match listed {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::file("listed", &home, source)),
        };
        folders.push(self.database.join(OLD_FOLDER));
        folders.retain(|folder| is_model(folder));
        folders.sort();
        Ok(folders)
    }

    fn open(&self, folder: &Path) -> Result<Model, Error> {
        Model::open(&folder.join(WEIGHTS), self.compute).map_err(|source| Error::StoredModel {
            database: self.database.clone(),
            source: Box::new(source),
        })
    }
}

/// The models that a collection is served by, can return to or is being rebuilt with.
pub fn models_in_use(catalog: &Catalog) -> Vec<Fingerprint> {
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
    use lookalike_plugin_api::Digest;

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
