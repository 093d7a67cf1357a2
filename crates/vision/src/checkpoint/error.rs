use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::architecture::ArchitectureError;
use crate::manifest::ManifestError;
use crate::weights::WeightsError;

/// Why a checkpoint cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("checkpoint \"{}\" cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The imported weights cannot be written.
    #[error("the imported weights cannot be written")]
    Write(#[source] io::Error),
    /// The file begins like none that is read.
    #[error("the file begins like no file of weights; safetensors and PyTorch's .pt and .pth are read")]
    Unknown,
    /// A part of the file is not what it must be.
    #[error("the checkpoint is damaged: {part} {fault}")]
    Damaged {
        /// Which part.
        part: String,
        /// What is wrong with it.
        fault: CheckpointFault,
    },
    /// The file wants something other than tensors to be made.
    #[error(
        "the file asks to run \"{name}\"; only tensors are read, and nothing is run: \
         save the model's state_dict() and import that"
    )]
    Code {
        /// The function or class, with its module.
        name: String,
    },
    /// The pickle has an instruction that no saved tensors need.
    #[error("the pickle has instruction {opcode:#04x} at byte {at}, which saved tensors do not need")]
    Instruction {
        /// The instruction.
        opcode: u8,
        /// Its place in the pickle.
        at: usize,
    },
    /// Something is larger than any network needs.
    #[error("the checkpoint has {found} {what}, {most} are accepted")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// The largest accepted number.
        most: u64,
    },
    /// The file was written on a machine of the other byte order.
    #[error("the checkpoint is big-endian; save it again on a little-endian machine")]
    BigEndian,
    /// There are no tensors where they were looked for.
    #[error("there are no tensors under any known key, the file has: {}; give the right one as key", known.join(", "))]
    NoTensors {
        /// The keys in the file.
        known: Vec<String>,
    },
    /// The file has no such key.
    #[error("the file has no key \"{key}\", it has: {}", known.join(", "))]
    Key {
        /// The key asked for.
        key: String,
        /// The keys in the file.
        known: Vec<String>,
    },
    /// A tensor's values do not lie in its storage, or are not all its own.
    #[error("tensor \"{name}\" {fault}")]
    Layout {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        fault: CheckpointFault,
    },
    /// A value does not fit half precision.
    #[error("tensor \"{name}\" holds {value}, half precision ends at 65504; keep the file's precision")]
    Half {
        /// The tensor.
        name: String,
        /// The first value that does not fit.
        value: f32,
    },
    /// Two tensors are the same one of the network.
    #[error("tensors \"{first}\" and \"{second}\" are both \"{name}\" of the network; leave one out")]
    Twice {
        /// The network's tensor.
        name: String,
        /// A tensor of the file.
        first: String,
        /// Another one.
        second: String,
    },
    /// A Vision Transformer of a kind that cannot be built.
    #[error(
        "the Vision Transformer has both a class token and \"fc_norm\", so that it averages the patches beside the \
         token; only the token alone, or the average without a token, can be built"
    )]
    MixedPooling,
    /// The class names do not fit the head.
    #[error("{found} class names given, the checkpoint's head has {expected} classes")]
    Classes {
        /// Names given.
        found: usize,
        /// Classes of the head.
        expected: usize,
    },
    /// The tensors are not those of the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// No network can be told from the tensors.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The tensors and the options make no valid manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What is wrong with a part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointFault {
    /// It ends too early, or leads out of the file.
    CutShort,
    /// It is not there.
    Absent,
    /// Its bytes are not those that were written.
    Checksum,
    /// It does not follow the format.
    Malformed,
    /// It is compressed, which `PyTorch` never does.
    Compressed,
    /// Its values lie outside of its storage.
    Outside,
    /// Several of its values are the same place of its storage.
    Overlapping,
    /// Its numbers are of no known type.
    NumberType,
}

impl fmt::Display for CheckpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "is cut short",
            Self::Absent => "is missing",
            Self::Checksum => "does not have the checksum that was written with it",
            Self::Malformed => "does not follow the format",
            Self::Compressed => "is compressed; unpack it, or save the checkpoint again",
            Self::Outside => "reaches beyond its storage",
            Self::Overlapping => "repeats values of its storage; save it after .contiguous()",
            Self::NumberType => "has an unknown number type; f64, f32, f16 and bf16 are imported",
        })
    }
}

/// The error for a damaged part.
pub(super) fn damaged(part: impl Into<String>, fault: CheckpointFault) -> CheckpointError {
    CheckpointError::Damaged { part: part.into(), fault }
}

/// The error for a number beyond a limit, if it is.
pub(super) fn ensure_within(what: &'static str, found: u64, most: u64) -> Result<(), CheckpointError> {
    if found <= most { Ok(()) } else { Err(CheckpointError::Limit { what, found, most }) }
}

/// Text of a foreign file as errors may show it: without control characters, and not endless.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 120;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}
