//! Encoded images inside other files.

use std::path::Path;

use crate::DatasetError;
use crate::limits::{MAX_IMAGE_BYTES, MAX_SAMPLES};

/// Refuses content that begins like none of the known formats, whatever its name says. `item` names it inside the
/// file at `path`.
pub(crate) fn check_content(
    path: &Path,
    content: &[u8],
    item: impl FnOnce() -> String,
) -> Result<(), DatasetError> {
    let known: [&[u8]; 8] =
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"P2", b"P3", b"P5", b"P6", b"RIFF"];
    if known.iter().any(|start| content.starts_with(start)) {
        return Ok(());
    }
    Err(DatasetError::NotAnImage { path: path.to_owned(), item: item() })
}

/// Refuses an image of more than [`MAX_IMAGE_BYTES`], before it is read.
pub(crate) fn check_size(path: &Path, found: u64, item: impl FnOnce() -> String) -> Result<(), DatasetError> {
    if found <= MAX_IMAGE_BYTES {
        return Ok(());
    }
    Err(DatasetError::TooLarge { path: path.to_owned(), item: item(), found })
}

/// Refuses a file of more than [`MAX_SAMPLES`] samples.
pub(crate) fn check_count(path: &Path, found: u64) -> Result<(), DatasetError> {
    if found <= MAX_SAMPLES {
        return Ok(());
    }
    Err(DatasetError::TooMany { path: path.to_owned(), found })
}
