//! The two files of a model: weights and manifest.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use lookalike_vision::{ComputeConfig, Model, ModelManifest};

use crate::args::ManifestArgs;
use crate::source::InputSize;
use crate::whole_file;

/// What `--model` says to take the network that is compiled in.
pub(crate) const BUILTIN_GLYPHS: &str = "builtin:glyphs";

/// Made by `lookalike train --dataset glyphs`.
const GLYPH_WEIGHTS: &[u8] = include_bytes!("../assets/glyphs.safetensors");
const GLYPH_MANIFEST: &str = include_str!("../assets/glyphs.json");

/// A model's two files. Weights stay in their file until they are needed, so that they are not in memory beside the
/// network that is made of them.
#[derive(Debug)]
pub(crate) struct ModelFiles {
    /// What errors call it.
    name: String,
    weights: Source,
    manifest: ModelManifest,
}

#[derive(Debug)]
enum Source {
    CompiledIn,
    /// A file, with the digest of what it held when it was first read.
    File(PathBuf, OnceLock<blake3::Hash>),
}

impl Source {
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::CompiledIn => Ok(GLYPH_WEIGHTS.to_vec()),
            Self::File(path, first) => {
                let bytes =
                    fs::read(path).with_context(|| format!("weights {} cannot be read", path.display()))?;
                let digest = blake3::hash(&bytes);
                let is_same = *first.get_or_init(|| digest) == digest;
                anyhow::ensure!(is_same, "weights {} were exchanged meanwhile; try again", path.display());
                Ok(bytes)
            }
        }
    }
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
        Ok(Self { name: BUILTIN_GLYPHS.to_owned(), weights: Source::CompiledIn, manifest })
    }

    /// Weights with the manifest from where it is said to be: a file of its own, or beside the weights.
    fn read(weights: &Path, manifest: Option<&Path>) -> anyhow::Result<Self> {
        let beside = ModelManifest::path_beside(weights);
        let path = manifest.unwrap_or(&beside);
        let json = fs::read_to_string(path)
            .with_context(|| format!("manifest {} cannot be read", path.display()))?;
        let manifest =
            ModelManifest::from_json(&json).with_context(|| format!("manifest {}", path.display()))?;
        let source = Source::File(weights.to_owned(), OnceLock::new());
        Ok(Self { name: weights.display().to_string(), weights: source, manifest })
    }

    /// Reads weights without a manifest: the architecture is inferred from the tensors.
    fn infer(weights: &Path, input: InputSize, classes: &[String]) -> anyhow::Result<Self> {
        let name = weights.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let source = Source::File(weights.to_owned(), OnceLock::new());
        let mut manifest = ModelManifest::infer_from_bytes(name, &source.bytes()?, input.height, input.width)
            .with_context(|| format!("weights {}", weights.display()))?;
        if !classes.is_empty() {
            let (found, expected) = (classes.len(), manifest.classes.len());
            anyhow::ensure!(
                found == expected,
                "{found} class names given, the model's head has {expected} classes"
            );
            manifest.classes = classes.to_vec();
        }
        Ok(Self { name: weights.display().to_string(), weights: source, manifest })
    }

    /// Builds the network; wrong weights are found here.
    pub(crate) fn load(&self, compute: ComputeConfig) -> anyhow::Result<Model> {
        Model::load_owned(self.manifest.clone(), self.weights.bytes()?, compute)
            .with_context(|| format!("model {} is refused", self.name))
    }

    /// Writes both files durably, the manifest first.
    pub(crate) fn write(&self, weights: &Path) -> anyhow::Result<()> {
        let manifest = self.manifest.to_json()?;
        whole_file::write(&ModelManifest::path_beside(weights), manifest.as_bytes())?;
        Ok(whole_file::write(weights, &self.weights.bytes()?)?)
    }
}
