use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lookalike_plugin_api::{Digest, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, ArchitectureError};
use crate::limits::MAX_INPUT_SIDE;
use crate::pixels::RESAMPLING_VERSION;
use crate::weights::{TensorSpec, WeightsError, shapes_in};

/// Largest number of classes.
pub const MAX_CLASSES: usize = 65_536;

/// What a weights file does not say about its model. Stored as JSON beside the weights: `FILE.json` for
/// `FILE.safetensors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// The model's name, for people.
    pub name: String,
    /// The network.
    pub architecture: Architecture,
    /// Channels of the input: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Names of the classes, in the order of the head's rows.
    pub classes: Vec<String>,
    /// Applied to pixels in 0..=1 inside the network, after any blend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
}

/// `(pixel - mean) / std`, per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One standard deviation per channel, positive.
    pub std: Vec<f32>,
}

impl ModelManifest {
    /// The manifest that a weights file implies, for an input of the given size: the architecture, channels and
    /// number of classes come from the tensors' shapes, the name from the file's name; the classes are called
    /// "0", "1" and so on, and there is no normalisation.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when the file cannot be read, when its tensors are those of no architecture or do not tell
    /// which it is (see [`Architecture::infer`]), or when the network does not take the size.
    pub fn infer(weights: &Path, height: usize, width: usize) -> Result<Self, ManifestError> {
        let read = |source| ManifestError::Read { path: weights.to_owned(), source };
        let file = fs::read(weights).map_err(read)?;
        let name = weights.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::infer_from_bytes(name, &file, height, width)
    }

    /// [`ModelManifest::infer`] from the bytes of a weights file.
    ///
    /// # Errors
    ///
    /// As [`ModelManifest::infer`].
    pub fn infer_from_bytes(
        name: String,
        weights: &[u8],
        height: usize,
        width: usize,
    ) -> Result<Self, ManifestError> {
        let tensors = shapes_in(weights).map_err(ManifestError::Weights)?;
        let shapes = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()));
        Self::told(name, Architecture::infer(shapes)?, [height, width])
    }

    /// The manifest of a network that was told from its tensors, with its input channels and its number of classes, for
    /// an input of this height and width. The classes are called "0", "1" and so on.
    pub(crate) fn told(
        name: String,
        (architecture, channels, classes): (Architecture, usize, usize),
        [height, width]: [usize; 2],
    ) -> Result<Self, ManifestError> {
        if classes > MAX_CLASSES {
            return Err(ManifestError::Classes { found: classes });
        }
        let manifest = Self {
            name,
            architecture,
            channels,
            height,
            width,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            normalisation: None,
        };
        manifest.validate()?;
        Ok(manifest)
    }

    /// A manifest from JSON.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when it is no JSON, has unknown or missing fields, or does not pass
    /// [`ModelManifest::validate`].
    pub fn from_json(json: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_str(json).map_err(ManifestError::Json)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The manifest as JSON, one field a line.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Json`] when it cannot be written, which a valid manifest always can.
    pub fn to_json(&self) -> Result<String, ManifestError> {
        serde_json::to_string_pretty(self).map_err(ManifestError::Json)
    }

    /// Reads the manifest beside a weights file.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when there is none or it cannot be used.
    pub fn beside(weights: &Path) -> Result<Self, ManifestError> {
        let path = Self::path_beside(weights);
        let json = fs::read_to_string(&path).map_err(|source| ManifestError::Read { path, source })?;
        Self::from_json(&json)
    }

    /// Where the manifest of a weights file stands: `FILE.json` for `FILE.safetensors`.
    pub fn path_beside(weights: &Path) -> PathBuf {
        weights.with_extension("json")
    }

    /// Whether a network can be built from it.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), ManifestError> {
        self.architecture.validate()?;
        if self.channels != 1 && self.channels != 3 {
            return Err(ManifestError::Channels { found: self.channels });
        }
        let sides = 1..=MAX_INPUT_SIDE;
        if !sides.contains(&self.height) || !sides.contains(&self.width) {
            return Err(ManifestError::Side { height: self.height, width: self.width });
        }
        self.architecture.fits(self.height, self.width)?;
        if self.classes.is_empty() || self.classes.len() > MAX_CLASSES {
            return Err(ManifestError::Classes { found: self.classes.len() });
        }
        if let Some(Normalisation { mean, std }) = &self.normalisation {
            let right = mean.len() == self.channels
                && std.len() == self.channels
                && mean.iter().chain(std).all(|value| value.is_finite())
                && std.iter().all(|&value| value > 0.0);
            if !right {
                return Err(ManifestError::Normalisation { channels: self.channels });
            }
        }
        Ok(())
    }

    /// The tensors that a weights file must hold, in the order of the network.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        self.architecture.tensors(self.channels, [self.height, self.width], self.classes.len())
    }

    /// Identity of the model with weights of this digest.
    pub(crate) fn fingerprint(&self, weights: Digest) -> Fingerprint {
        Fingerprint {
            model: self.name.clone(),
            weights,
            preprocessing: self.preprocessing_digest(),
            dimension: self.architecture.features() as u32,
        }
    }

    /// Digest of everything between an image and the first layer.
    fn preprocessing_digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lookalike preprocessing").update(&RESAMPLING_VERSION.to_le_bytes());
        for size in [self.channels, self.height, self.width] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        if let Some(Normalisation { mean, std }) = &self.normalisation {
            for value in mean.iter().chain(std) {
                hasher.update(&value.to_le_bytes());
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A file cannot be read.
    #[error("\"{}\" cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not JSON, or not a manifest.
    #[error("the model manifest is not valid")]
    Json(#[source] serde_json::Error),
    /// The weights that a manifest should be inferred from are damaged.
    #[error(transparent)]
    Weights(WeightsError),
    /// The network cannot be built, or not be told from the tensors.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// Neither grey nor colour.
    #[error("the model has {found} input channels, 1 (grey) or 3 (colour) are accepted")]
    Channels {
        /// Channels in the manifest.
        found: usize,
    },
    /// The input is empty or too large.
    #[error("the model's input is {width} x {height} pixels, each side must be 1 to {MAX_INPUT_SIDE}")]
    Side {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// No classes, or too many.
    #[error("the model has {found} classes, 1 to {MAX_CLASSES} are accepted")]
    Classes {
        /// Number of classes.
        found: usize,
    },
    /// The normalisation does not fit the channels, or divides by zero.
    #[error("the normalisation needs {channels} finite means and as many positive standard deviations")]
    Normalisation {
        /// The model's channels.
        channels: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{CnnConfig, Pooling, ResNetConfig, VitConfig};
    use crate::seeded::seeded_weights;
    use crate::weights::WeightsFormat;

    fn manifest() -> ModelManifest {
        ModelManifest {
            name: "glyphs".to_owned(),
            architecture: Architecture::ResNet(ResNetConfig::glyph_net()),
            channels: 1,
            height: 28,
            width: 20,
            classes: vec!["0".to_owned(), "1".to_owned()],
            normalisation: None,
        }
    }

    #[test]
    fn a_manifest_survives_json() {
        let mut manifest = manifest();
        assert_eq!(ModelManifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
        manifest.normalisation = Some(Normalisation { mean: vec![0.25], std: vec![0.1] });
        assert_eq!(ModelManifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let json = manifest().to_json().unwrap().replacen('{', "{\"colour\": 1,", 1);
        assert!(matches!(ModelManifest::from_json(&json), Err(ManifestError::Json(_))));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let refused = |change: fn(&mut ModelManifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            manifest.validate().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|m| m.channels = 2),
            "the model has 2 input channels, 1 (grey) or 3 (colour) are accepted"
        );
        assert_eq!(
            refused(|m| m.width = 0),
            "the model's input is 0 x 28 pixels, each side must be 1 to 1024"
        );
        assert_eq!(refused(|m| m.classes.clear()), "the model has 0 classes, 1 to 65536 are accepted");
        assert_eq!(
            refused(|m| m.normalisation = Some(Normalisation { mean: vec![0.0], std: vec![0.0] })),
            "the normalisation needs 1 finite means and as many positive standard deviations"
        );
    }

    #[test]
    fn a_weights_file_implies_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("glyphs.safetensors");
        let vit = VitConfig { depth: 2, ..VitConfig::tiny(4) };
        for architecture in [
            Architecture::ResNet(ResNetConfig::glyph_net()),
            Architecture::Cnn(CnnConfig::small()),
            Architecture::Vit(VitConfig { pooling: Pooling::Mean, ..vit.clone() }),
            Architecture::Vit(vit),
        ] {
            let written = ModelManifest { architecture, ..manifest() };
            let file = seeded_weights(&written, 0).to_file(WeightsFormat::F16).unwrap();
            fs::write(&path, file).unwrap();
            assert_eq!(ModelManifest::infer(&path, 28, 20).unwrap(), written);
        }
        let error = ModelManifest::infer(&path, 28, 21).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an input of 21 x 28 pixels does not divide into patches of 4 x 4; use sides that are multiples of 4"
        );
    }

    #[test]
    fn an_absent_manifest_is_named() {
        let error = ModelManifest::beside(Path::new("nowhere/net.safetensors")).unwrap_err();
        assert_eq!(error.to_string(), "\"nowhere/net.json\" cannot be read");
    }
}
