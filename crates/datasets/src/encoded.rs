//! Encoded images inside other files.

use std::path::Path;

use crate::DatasetError;

/// Largest encoded image that is taken out of an archive or a table, in bytes, which is also the most that the
/// database accepts.
pub const MAX_IMAGE_BYTES: u64 = 16 << 20;

/// Most images of one SVHN file, members of one archive and rows of one Parquet file.
pub const MAX_SAMPLES: u64 = 1 << 24;

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
