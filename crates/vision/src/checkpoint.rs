//! Weights as other programs save them: safetensors files, and PyTorch's `.pt` and `.pth` files of tensors.
//!
//! [`Checkpoint::read`] reads the list of tensors, [`Checkpoint::plan`] finds the network that they are the weights of
//! and [`ImportPlan::write`] writes these under our names, as a safetensors file.
//!
//! *Safety:* PyTorch's files hold a program for Python's pickle machine. It is not run. A closed list of instructions
//! makes plain values, and everything else that a file names is refused by its name. The reader that comes with the
//! tensor library stores what it does not know as a value of its own kind, unpacks compressed entries, and brings two
//! archive formats along; this one is smaller, and states its limits.
//!
//! *Memory:* the list of tensors, and one piece of one tensor at a time: 256 KiB of the file and its values. A tensor
//! whose values do not lie in order in the file is held once more, as it spans the file. A pickle is 4 MiB at most and
//! makes 262,144 values at most; 65,536 tensors are accepted.

use std::path::Path;

mod archive;
mod contents;
mod error;
mod import;
mod names;
mod pickle;
mod safetensors;
mod source;
mod tensor;
#[cfg(test)]
mod tests;
mod torch;
mod value;
mod wanted;

pub use error::{CheckpointError, CheckpointFault};
pub use import::{ImportOptions, ImportPlan, Imported};
pub use tensor::CheckpointTensor;

use contents::Contents;
use source::Source;

/// Bytes that tell the formats apart.
const START_BYTES: u64 = 16;

/// A file of weights, open, with the list of its tensors.
///
/// *Limits:* 65,536 tensors with names of up to 1,024 bytes and 8 axes; in PyTorch's files 4 MiB of pickle that makes
/// 262,144 values and 131,072 entries of the archive, in safetensors files 16 MiB of list.
///
/// *Memory:* the list of tensors. Values are read when they are written elsewhere, 256 KiB of the file at a time; a
/// tensor whose values do not lie in order in the file is held once, as it spans the file.
#[derive(Debug)]
pub struct Checkpoint {
    source: Source,
    contents: Contents,
}

impl Checkpoint {
    /// Opens a file of weights and reads the list of its tensors, whatever the file is called.
    ///
    /// A PyTorch file may hold them at its top, under `key`, or without one under `state_dict`, `model_state_dict`,
    /// `model`, `net` or `ema`. A safetensors file has no keys.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when the file cannot be read, is damaged or of another format, asks for code to be run, or
    /// has no tensors under the key.
    pub fn read(path: &Path, key: Option<&str>) -> Result<Self, CheckpointError> {
        let source = Source::open(path)?;
        let start = source.bytes("the file", 0, source.length().min(START_BYTES))?;
        let contents = if start.starts_with(&archive::LOCAL_HEADER) {
            torch::read_archive(&source, key)?
        } else if torch::is_old(&start) {
            torch::read_old(&source, key)?
        } else if safetensors::begins(&start, source.length()) {
            match key {
                Some(key) => return Err(CheckpointError::Key { key: key.to_owned(), known: Vec::new() }),
                None => safetensors::read(&source)?,
            }
        } else {
            return Err(CheckpointError::Unknown);
        };
        Ok(Self { source, contents })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Its tensors, in the order of the file or of their names.
    pub fn tensors(&self) -> &[CheckpointTensor] {
        &self.contents.tensors
    }

    /// Finds the network that the tensors are the weights of.
    ///
    /// What wraps a network (`module.`, `_orig_mod.`, `model.`, `backbone.`, `net.`, `network.`) is taken off in front
    /// of the names, if the network is complete without. timm's names of Vision Transformers become torchvision's.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when no network can be told from the tensors, when one has another shape than the network's,
    /// or when the options do not fit the network. Tensors that are missing or unused are no error yet.
    pub fn plan(&self, options: &ImportOptions) -> Result<ImportPlan<'_>, CheckpointError> {
        ImportPlan::of(self, options)
    }
}
