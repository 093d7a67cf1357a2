//! The two files of a model: weights and manifest.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use vision::{ComputeConfig, Model, ModelManifest};

use crate::args::ManifestArgs;
use crate::source::InputSize;
use crate::whole_file;

/// What `--model` says to take the network that is compiled in.
pub(crate) const BUILTIN_GLYPHS: &str = "builtin:glyphs";

/// Made by `lookalike train --dataset glyphs`.
const GLYPH_WEIGHTS: &[u8] = include_bytes!("../assets/glyphs.safetensors");
const GLYPH_MANIFEST: &str = include_str!("../assets/glyphs.json");

/// A model's two files in memory.
#[derive(Debug)]
pub(crate) struct ModelFiles {
    /// What errors call it.
    name: String,
    weights: Vec<u8>,
    manifest: ModelManifest,
}

impl ModelFiles {
    /// The model that the command line names.
    pub(crate) fn named(model: &Path, manifest: &ManifestArgs) -> anyhow::Result<Self> {
        if model.as_os_str() == BUILTIN_GLYPHS {
            return Self::builtin();
        }
        if let Some(input) = manifest.input {
            return Self::infer(model, input, &manifest.classes);
        }
        let beside = ModelManifest::path_beside(model);
        anyhow::ensure!(
            manifest.manifest.is_some() || beside.exists() || !model.exists(),
            "there is no manifest {}; give --manifest FILE.json, or --input HxW to infer the rest from the weights",
            beside.display()
        );
        anyhow::ensure!(model.exists(), "weights {} are not there; check the path", model.display());
        Self::read(model, manifest.manifest.as_deref())
    }

    /// The network that is compiled in.
    pub(crate) fn builtin() -> anyhow::Result<Self> {
        let manifest = ModelManifest::from_json(GLYPH_MANIFEST)?;
        Ok(Self { name: BUILTIN_GLYPHS.to_owned(), weights: GLYPH_WEIGHTS.to_vec(), manifest })
    }

    /// Reads weights, and the manifest from where it is said to be: a file of its own, or beside the weights.
    fn read(weights: &Path, manifest: Option<&Path>) -> anyhow::Result<Self> {
        let beside = ModelManifest::path_beside(weights);
        let path = manifest.unwrap_or(&beside);
        let json = fs::read_to_string(path)
            .with_context(|| format!("manifest {} cannot be read", path.display()))?;
        let manifest =
            ModelManifest::from_json(&json).with_context(|| format!("manifest {}", path.display()))?;
        Ok(Self { name: weights.display().to_string(), weights: read_weights(weights)?, manifest })
    }

    /// Reads weights without a manifest: the architecture is inferred from the tensors.
    fn infer(weights: &Path, input: InputSize, classes: &[String]) -> anyhow::Result<Self> {
        let name = weights.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let bytes = read_weights(weights)?;
        let mut manifest = ModelManifest::infer_from_bytes(name, &bytes, input.height, input.width)
            .with_context(|| format!("weights {}", weights.display()))?;
        if !classes.is_empty() {
            let (found, expected) = (classes.len(), manifest.classes.len());
            anyhow::ensure!(
                found == expected,
                "{found} class names given, the model's head has {expected} classes"
            );
            manifest.classes = classes.to_vec();
        }
        Ok(Self { name: weights.display().to_string(), weights: bytes, manifest })
    }

    /// Builds the network; wrong weights are found here.
    pub(crate) fn load(&self, compute: ComputeConfig) -> anyhow::Result<Model> {
        Model::load(self.manifest.clone(), &self.weights, compute)
            .with_context(|| format!("model {} is refused", self.name))
    }

    /// Writes both files durably, the manifest first.
    pub(crate) fn write(&self, weights: &Path) -> io::Result<()> {
        let manifest = self.manifest.to_json().map_err(io::Error::other)?;
        whole_file::write(&ModelManifest::path_beside(weights), manifest.as_bytes())?;
        whole_file::write(weights, &self.weights)
    }
}

fn read_weights(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("weights {} cannot be read", path.display()))
}
