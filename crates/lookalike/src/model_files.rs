//! The two files of a model: weights and manifest.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lookalike_vision::{ComputeConfig, Model, ModelManifest};

use crate::error::Error;
use crate::file;

/// Weights in safetensors and the manifest that says what weights do not: input size, class names, normalisation.
///
/// Weights stay in their file until they are needed, so that they are not in memory beside the network that is made of
/// them.
#[derive(Debug)]
pub struct ModelFiles {
    /// What errors call it.
    name: String,
    weights: Weights,
    manifest: ModelManifest,
}

#[derive(Debug)]
enum Weights {
    Embedded(&'static [u8]),
    /// A file, with the digest of what it held when it was first read.
    File(PathBuf, OnceLock<blake3::Hash>),
}

impl ModelFiles {
    /// Weights with the manifest beside them: `FILE.json` for `FILE.safetensors`.
    ///
    /// # Errors
    ///
    /// [`Error::NoWeights`] and [`Error::NoManifest`] when one of the files is not there; [`Error::Manifest`] when the
    /// manifest cannot be used. Wrong weights are found by [`ModelFiles::load`].
    pub fn open(weights: &Path) -> Result<Self, Error> {
        Self::with_manifest_file(weights, &ModelManifest::path_beside(weights))
    }

    /// The same with the manifest from a file of another place or name.
    ///
    /// # Errors
    ///
    /// As [`ModelFiles::open`].
    pub fn with_manifest_file(weights: &Path, manifest: &Path) -> Result<Self, Error> {
        ensure_there(weights)?;
        if !manifest.exists() {
            return Err(Error::NoManifest { weights: weights.to_owned(), manifest: manifest.to_owned() });
        }
        let json = fs::read_to_string(manifest).map_err(|source| Error::file("read", manifest, source))?;
        let manifest = ModelManifest::from_json(&json)
            .map_err(|source| Error::Manifest { path: manifest.to_owned(), source: Box::new(source) })?;
        Ok(Self::with_manifest(weights, manifest))
    }

    /// Weights with a manifest from the program.
    pub fn with_manifest(weights: &Path, manifest: ModelManifest) -> Self {
        let name = weights.display().to_string();
        Self { name, weights: Weights::File(weights.to_owned(), OnceLock::new()), manifest }
    }

    /// Weights without a manifest, for an input of this height and width in pixels: the architecture is inferred from the
    /// tensors, as [`ModelManifest::infer`] does; classes are called "0", "1" and so on, and nothing is normalised.
    ///
    /// # Errors
    ///
    /// [`Error::NoWeights`]; [`Error::File`] when they cannot be read; [`Error::Untold`] when they are none, or do not tell
    /// the architecture, or it does not take the size.
    pub fn infer(weights: &Path, height: usize, width: usize) -> Result<Self, Error> {
        ensure_there(weights)?;
        let name = weights.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let source = Weights::File(weights.to_owned(), OnceLock::new());
        let manifest = ModelManifest::infer_from_bytes(name, &source.bytes()?, height, width)
            .map_err(|source| Error::Untold { path: weights.to_owned(), source: Box::new(source) })?;
        Ok(Self { name: weights.display().to_string(), weights: source, manifest })
    }

    /// Weights without a manifest that take the place of a model whose manifest is known: its input size, its
    /// normalisation and, if the head has as many classes, its class names hold for them too.
    ///
    /// # Errors
    ///
    /// As [`ModelFiles::infer`].
    pub fn like(weights: &Path, known: &ModelManifest) -> Result<Self, Error> {
        let mut files = Self::infer(weights, known.height, known.width)?;
        let manifest = &mut files.manifest;
        if manifest.channels == known.channels {
            manifest.normalisation.clone_from(&known.normalisation);
        }
        if manifest.classes.len() == known.classes.len() {
            manifest.classes.clone_from(&known.classes);
        }
        Ok(files)
    }

    /// Weights that are compiled into the program; `name` is what errors call them.
    pub fn embedded(name: &str, weights: &'static [u8], manifest: ModelManifest) -> Self {
        Self { name: name.to_owned(), weights: Weights::Embedded(weights), manifest }
    }

    /// The same with other names for the classes, in the order of the head's rows.
    ///
    /// # Errors
    ///
    /// [`Error::Classes`] when they are not as many as the head has.
    pub fn with_classes(mut self, classes: Vec<String>) -> Result<Self, Error> {
        let (found, expected) = (classes.len(), self.manifest.classes.len());
        if found != expected {
            return Err(Error::Classes { found, expected });
        }
        self.manifest.classes = classes;
        Ok(self)
    }

    /// The manifest.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Builds the network; wrong weights are found here.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] when weights and manifest do not fit, or the device is not there; [`Error::File`] when the
    /// weights cannot be read, and [`Error::Exchanged`] when they are not those that were read before.
    pub fn load(&self, compute: ComputeConfig) -> Result<Model, Error> {
        Model::load_owned(self.manifest.clone(), self.weights.bytes()?, compute)
            .map_err(|source| Error::Model { name: self.name.clone(), source: Box::new(source) })
    }

    /// Writes both files durably, the manifest first: where there are weights, there is a model.
    pub(crate) fn write(&self, weights: &Path) -> Result<(), Error> {
        let path = ModelManifest::path_beside(weights);
        let manifest = self
            .manifest
            .to_json()
            .map_err(|source| Error::Manifest { path: path.clone(), source: Box::new(source) })?;
        file::write(&path, manifest.as_bytes())?;
        file::write(weights, &self.weights.bytes()?)
    }
}

impl Weights {
    fn bytes(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Embedded(bytes) => Ok(bytes.to_vec()),
            Self::File(path, first) => {
                let bytes = fs::read(path).map_err(|source| Error::file("read", path, source))?;
                let digest = blake3::hash(&bytes);
                if *first.get_or_init(|| digest) != digest {
                    return Err(Error::Exchanged { path: path.clone() });
                }
                Ok(bytes)
            }
        }
    }
}

fn ensure_there(weights: &Path) -> Result<(), Error> {
    if weights.exists() { Ok(()) } else { Err(Error::NoWeights { path: weights.to_owned() }) }
}
