use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::compute::ComputeConfig;
use crate::manifest::{ManifestError, ModelManifest};
use crate::model::{Model, ModelError};
use crate::weights::{Weights, WeightsError, WeightsFormat};

/// A manifest with the weights that were trained for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel {
    manifest: ModelManifest,
    weights: Weights,
}

impl TrainedModel {
    pub(super) fn new(manifest: ModelManifest, weights: Weights) -> Self {
        Self { manifest, weights }
    }

    /// The manifest it was trained for.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The weights as a safetensors file.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] when the file would be larger than the format allows.
    pub fn to_safetensors(&self, format: WeightsFormat) -> Result<Vec<u8>, WeightsError> {
        self.weights.to_file(format)
    }

    /// A model of it. The weights go through a file's bytes, so that it is the model a reader of the file gets.
    ///
    /// # Errors
    ///
    /// As [`Model::load`]; half precision cannot hold values beyond 65,504.
    pub fn to_model(&self, format: WeightsFormat, compute: ComputeConfig) -> Result<Model, ModelError> {
        Model::load(self.manifest.clone(), &self.to_safetensors(format)?, compute)
    }

    /// Writes the weights to `path` and the manifest beside it, see [`ModelManifest::path_beside`].
    ///
    /// # Errors
    ///
    /// [`SaveError`] when a file cannot be written.
    pub fn save(&self, path: &Path, format: WeightsFormat) -> Result<(), SaveError> {
        let weights = self.to_safetensors(format)?;
        let manifest = self.manifest.to_json()? + "\n";
        let write = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).map_err(|source| SaveError::Write { path: path.to_owned(), source })
        };
        write(path, &weights)?;
        write(&ModelManifest::path_beside(path), manifest.as_bytes())
    }
}

/// Why a trained model cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// A file cannot be written.
    #[error("\"{}\" cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The weights do not fit the format.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The manifest does not fit JSON.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}
