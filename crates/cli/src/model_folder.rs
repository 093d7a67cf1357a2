//! The model inside the database: weights and manifest, so that a database needs nothing beside itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vision::{ComputeConfig, Model, ModelManifest};

use crate::source::InputSize;

/// What `--model` says to take the network that is compiled in.
pub(crate) const BUILTIN_GLYPHS: &str = "builtin:glyphs";

const FOLDER: &str = "model";
const WEIGHTS: &str = "weights.safetensors";

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
    /// The network that is compiled in.
    pub(crate) fn builtin() -> anyhow::Result<Self> {
        let manifest = ModelManifest::from_json(GLYPH_MANIFEST)?;
        Ok(Self { name: BUILTIN_GLYPHS.to_owned(), weights: GLYPH_WEIGHTS.to_vec(), manifest })
    }

    /// Reads weights, and the manifest from where it is said to be: a file of its own, or beside the weights.
    pub(crate) fn read(weights: &Path, manifest: Option<&Path>) -> anyhow::Result<Self> {
        let beside = ModelManifest::path_beside(weights);
        let path = manifest.unwrap_or(&beside);
        let json = fs::read_to_string(path)
            .with_context(|| format!("manifest {} cannot be read", path.display()))?;
        let manifest =
            ModelManifest::from_json(&json).with_context(|| format!("manifest {}", path.display()))?;
        Ok(Self { name: weights.display().to_string(), weights: read_weights(weights)?, manifest })
    }

    /// Reads weights without a manifest: the architecture is inferred from the tensors.
    pub(crate) fn infer(weights: &Path, input: InputSize, classes: &[String]) -> anyhow::Result<Self> {
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

    /// Writes both files into the database and makes them durable.
    pub(crate) fn save(&self, database: &Path) -> anyhow::Result<()> {
        let folder = database.join(FOLDER);
        let failed = || format!("the model cannot be copied to {}", folder.display());
        fs::create_dir(&folder).with_context(failed)?;
        let weights = folder.join(WEIGHTS);
        write_durably(&ModelManifest::path_beside(&weights), self.manifest.to_json()?.as_bytes())
            .and_then(|()| write_durably(&weights, &self.weights))
            .and_then(|()| File::open(&folder)?.sync_all())
            .with_context(failed)
    }
}

/// Loads the model that the database carries.
pub(crate) fn load(database: &Path, compute: ComputeConfig) -> anyhow::Result<Model> {
    let weights = weights_path(database);
    // Without this a path that is no database at all would be reported as a missing manifest.
    anyhow::ensure!(
        weights.exists(),
        "{} is not a database with a model: there is no {}; make one with \"lookalike init\", or check the path",
        database.display(),
        weights.display()
    );
    Model::open(&weights, compute)
        .with_context(|| format!("the model of database {} is refused", database.display()))
}

fn weights_path(database: &Path) -> PathBuf {
    database.join(FOLDER).join(WEIGHTS)
}

fn read_weights(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("weights {} cannot be read", path.display()))
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
