mod file;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use lookalike_plugin_api::{Digest, Image, ImageError};
use lookalike_vision::{MAX_INPUT_SIDE, Model, Pixels, PixelsError};
use safetensors::SafeTensorError;

use crate::blend::Blend;
use crate::patch::{blend_patch, patch_mask, stamp_patch};
use crate::trigger::{Trigger, TriggerError, TriggerKind, TriggerStart};
use crate::trigger::{black, shape};

/// Largest file of a trigger, in bytes: three planes of [`MAX_INPUT_SIDE`] squared `f32` values, and 64 KiB for the
/// header.
pub const MAX_TRIGGER_FILE_BYTES: u64 = (3 * MAX_INPUT_SIDE * MAX_INPUT_SIDE * 4) as u64 + (1 << 16);

/// A trigger as a value of its own: what it is, which model it belongs to, and how it came about.
///
/// It can be kept in a file, laid over images and looked at. All its numbers are finite, its shape is that of a
/// model's input, and a patch keeps to its corner.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrigger {
    pixels: Pixels,
    kind: TriggerKind,
    model: Digest,
    seed: u64,
    updates: u64,
    final_loss: Option<f32>,
}

impl StoredTrigger {
    /// What a search found, for a model that it was made with: `seed` is the one its start and batches came from.
    ///
    /// # Errors
    ///
    /// [`StoredTriggerError`] when the values are not those of a trigger of this kind for this model.
    pub fn found(
        trigger: &Trigger,
        kind: TriggerKind,
        model: &Model,
        seed: u64,
    ) -> Result<Self, StoredTriggerError> {
        let stored = Self {
            pixels: trigger.pixels.clone(),
            kind,
            model: model.fingerprint().weights,
            seed,
            updates: trigger.trace.len() as u64,
            final_loss: trigger.trace.last().copied(),
        };
        stored.check()?;
        stored.ensure_for(model)?;
        Ok(stored)
    }

    /// The fixed patch T1 for images in the shape of the model's input.
    pub fn fixed_patch(model: &Model) -> Self {
        Self {
            pixels: stamp_patch(&black(model)),
            kind: TriggerKind::FixedPatch,
            model: model.fingerprint().weights,
            seed: 0,
            updates: 0,
            final_loss: None,
        }
    }

    /// A trigger that is nothing but its start.
    ///
    /// # Errors
    ///
    /// [`TriggerError::Shape`] when a given start has another shape than the model's input.
    pub fn random(model: &Model, start: &TriggerStart, seed: u64) -> Result<Self, TriggerError> {
        Ok(Self {
            pixels: start.pixels(model, seed)?,
            kind: TriggerKind::Random,
            model: model.fingerprint().weights,
            seed,
            updates: 0,
            final_loss: None,
        })
    }

    /// Its values, in the shape of the model's input. They may leave 0..=1.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// What it is.
    pub fn kind(&self) -> TriggerKind {
        self.kind
    }

    /// Digest of the weights of the model that it was made with, as in the model's fingerprint.
    pub fn model(&self) -> Digest {
        self.model
    }

    /// The seed of its start and batches.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Updates that it took.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Loss before the last update; `None` when nothing was fitted.
    pub fn final_loss(&self) -> Option<f32> {
        self.final_loss
    }

    /// BLAKE3 over kind, shape and values: all that decides what an image looks like with it, and nothing else. Two
    /// triggers of one digest make the same images.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lookalike trigger ").update(self.kind.name().as_bytes()).update(b"\0");
        for side in shape(&self.pixels) {
            hasher.update(&(side as u64).to_le_bytes());
        }
        for value in self.pixels.values() {
            hasher.update(&value.to_le_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// Smallest and largest value.
    pub fn range(&self) -> (f32, f32) {
        let values = self.pixels.values().iter();
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| {
            (least.min(*value), most.max(*value))
        })
    }

    /// Whether [`StoredTrigger::image`] scales the values, because one leaves 0..=1.
    pub fn is_scaled(&self) -> bool {
        let (least, most) = self.range();
        least < 0.0 || most > 1.0
    }

    /// The trigger to look at: 0 black and 1 white where all values are in 0..=1, else [`StoredTrigger::range`] from
    /// black to white, see [`StoredTrigger::is_scaled`].
    ///
    /// # Errors
    ///
    /// None that a trigger can reach: its shape is one of an image.
    pub fn image(&self) -> Result<Image, ImageError> {
        let (least, most) = if self.is_scaled() { self.range() } else { (0.0, 1.0) };
        // Halved first, because the difference of two finite numbers may not be.
        let width = (0.5 * most - 0.5 * least).max(f32::MIN_POSITIVE);
        let [channels, height, width_of_image] = shape(&self.pixels);
        let positions = height * width_of_image;
        let samples = (0..positions).flat_map(|at| (0..channels).map(move |plane| plane * positions + at));
        let samples = samples.map(|at| {
            let share = (0.5 * self.pixels.values()[at] - 0.5 * least) / width;
            #[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
            let sample = (255.0 * share).round().clamp(0.0, 255.0) as u8;
            sample
        });
        Image::new(height, width_of_image, channels, samples.collect())
    }

    /// `image`, of the trigger's shape, with the trigger laid over it as its [`TriggerKind`] says.
    #[must_use]
    pub fn lay_over(&self, image: &Pixels, blend: Blend, omega: f32) -> Pixels {
        match self.kind {
            TriggerKind::PerQuery | TriggerKind::Global | TriggerKind::Random => {
                blend.apply(image, &self.pixels, omega)
            }
            TriggerKind::FixedPatch => stamp_patch(image),
            TriggerKind::VariablePatch => blend_patch(blend, image, &self.pixels, omega),
        }
    }

    /// How much of a clean pixel is in the pixel of the same place under the trigger; a patch leaves all but its corner.
    pub(crate) fn slope(&self, blend: Blend, omega: f32) -> f32 {
        match self.kind {
            TriggerKind::PerQuery | TriggerKind::Global | TriggerKind::Random => blend.keep(omega),
            TriggerKind::FixedPatch | TriggerKind::VariablePatch => 1.0,
        }
    }

    /// Refuses any model but the one that it was made with.
    ///
    /// # Errors
    ///
    /// [`StoredTriggerError::Model`] or [`StoredTriggerError::Input`].
    pub fn ensure_for(&self, model: &Model) -> Result<(), StoredTriggerError> {
        let (found, expected) = (self.model, model.fingerprint().weights);
        if found != expected {
            return Err(StoredTriggerError::Model { found, expected });
        }
        let (found, expected) = (shape(&self.pixels), shape(&black(model)));
        if found != expected {
            return Err(StoredTriggerError::Input { found, expected });
        }
        Ok(())
    }

    /// A trigger from the bytes of its file. Every size and value is checked, the digest too.
    ///
    /// # Errors
    ///
    /// [`StoredTriggerError`] with the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredTriggerError> {
        file::read(bytes)
    }

    /// The bytes of its file: safetensors with one `f32` tensor `trigger`, `[channels, height, width]`, and in
    /// the metadata `format`, `kind`, `model`, `seed`, `updates`, `final_loss` where there is one, and `digest`. Equal
    /// triggers have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        file::write(self)
    }

    /// Reads a trigger from its file.
    ///
    /// # Errors
    ///
    /// As [`StoredTrigger::from_bytes`], and when the file cannot be read or is larger than
    /// [`MAX_TRIGGER_FILE_BYTES`].
    pub fn open(path: &Path) -> Result<Self, StoredTriggerError> {
        let failed = |source| StoredTriggerError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        // One byte more than may be: a file that grows meanwhile is found too large as well.
        file.take(MAX_TRIGGER_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        Self::from_bytes(&bytes)
    }

    /// Writes its file, durably and in place of the one that may be there: the name never holds half of one.
    ///
    /// # Errors
    ///
    /// [`StoredTriggerError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StoredTriggerError> {
        AtomicWriteFile::open(path)
            .and_then(|mut file| file.write_all(&self.to_bytes()).and_then(|()| file.commit()))
            .map_err(|source| StoredTriggerError::Write { path: path.to_owned(), source })
    }

    /// Holds the values against what a trigger of its kind may be.
    fn check(&self) -> Result<(), StoredTriggerError> {
        let [channels, height, width] = shape(&self.pixels);
        ensure_size([channels, height, width])?;
        if let Some(at) = self.pixels.values().iter().position(|value| !value.is_finite()) {
            return Err(StoredTriggerError::NotFinite { what: "value", at });
        }
        if self.final_loss.is_some_and(|loss| !loss.is_finite()) {
            return Err(StoredTriggerError::NotFinite { what: "final loss", at: 0 });
        }
        let patch = patch_mask(&self.pixels);
        let outside =
            || self.pixels.values().iter().zip(patch.values()).position(|(v, m)| *v != 0.0 && *m == 0.0);
        let stray = match self.kind {
            TriggerKind::PerQuery | TriggerKind::Global | TriggerKind::Random => None,
            TriggerKind::VariablePatch => outside(),
            TriggerKind::FixedPatch => outside().or_else(|| {
                let fixed = stamp_patch(&self.pixels);
                fixed
                    .values()
                    .iter()
                    .zip(self.pixels.values())
                    .position(|(fixed, value)| fixed.to_bits() != value.to_bits())
            }),
        };
        match stray {
            Some(at) => Err(StoredTriggerError::Patch { kind: self.kind, at }),
            None => Ok(()),
        }
    }
}

/// Refuses a shape that no model's input has.
fn ensure_size(found: [usize; 3]) -> Result<(), StoredTriggerError> {
    let [channels, height, width] = found;
    let sides = 1..=MAX_INPUT_SIDE;
    if (channels != 1 && channels != 3) || !sides.contains(&height) || !sides.contains(&width) {
        return Err(StoredTriggerError::Size { found: found.to_vec() });
    }
    Ok(())
}

/// Why a stored trigger cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredTriggerError {
    /// The file cannot be read.
    #[error("trigger \"{}\" cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("trigger \"{}\" cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is larger than any trigger.
    #[error(
        "the file has {found} bytes or more, a trigger has at most {MAX_TRIGGER_FILE_BYTES}; give the file of a trigger"
    )]
    TooLarge {
        /// Bytes found.
        found: u64,
    },
    /// No safetensors file, or a damaged one.
    #[error(
        "the file is no readable safetensors file; make the trigger again with \"lookalike trigger fit\""
    )]
    Header(#[source] SafeTensorError),
    /// The file is a safetensors file of something else.
    #[error("the file holds no trigger: {what}; make one with \"lookalike trigger fit\"")]
    NoTrigger {
        /// What is not as it should be.
        what: &'static str,
    },
    /// A word of the metadata is missing or means nothing.
    #[error(
        "the trigger's \"{name}\" is {found}, expected {expected}; make it again with \"lookalike trigger fit\""
    )]
    Metadata {
        /// Its name.
        name: &'static str,
        /// Its value, quoted and cut to a readable length, or that it is missing.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No model has an input of this shape.
    #[error(
        "the trigger has shape {found:?}, expected 1 or 3 channels, height and width of 1 to {MAX_INPUT_SIDE}"
    )]
    Size {
        /// The shape.
        found: Vec<usize>,
    },
    /// The values do not fill the shape.
    #[error("the trigger's values do not fill its shape")]
    Pixels(#[from] PixelsError),
    /// A NaN or an infinity.
    #[error("{what} {at} of the trigger is not finite; fit it again with a lower learning rate")]
    NotFinite {
        /// What.
        what: &'static str,
        /// Its place.
        at: usize,
    },
    /// A patch that is none.
    #[error("value {at} is not that of a trigger of kind {kind}; store it as kind global")]
    Patch {
        /// What it is said to be.
        kind: TriggerKind,
        /// Place of the first value that cannot be.
        at: usize,
    },
    /// The content is not what the digest says.
    #[error("the trigger has digest {}, the file says {}; it was changed or damaged, fit it again", found.short(), expected.short())]
    Digest {
        /// Of the content.
        found: Digest,
        /// In the file.
        expected: Digest,
    },
    /// Made with another model.
    #[error("the trigger belongs to a model with weights {}, this one has {}; fit one for it with \"lookalike trigger fit\"", found.short(), expected.short())]
    Model {
        /// The trigger's.
        found: Digest,
        /// The model's.
        expected: Digest,
    },
    /// Made for another input of the same weights.
    #[error(
        "the trigger has shape {found:?}, the model's input {expected:?} (channels, height, width); fit one for it with \"lookalike trigger fit\""
    )]
    Input {
        /// The trigger's shape.
        found: [usize; 3],
        /// The model's.
        expected: [usize; 3],
    },
}

#[cfg(test)]
mod tests;
