//! The number of the last acknowledged batch, kept beside the tree.
//!
//! A tree whose log was damaged opens without complaint in the state before the damage: to it, the rest of the log
//! looks like a write that a crash interrupted. The number shows that more was there. It is written after each
//! flush and not synced itself, so that it never runs ahead of the tree and costs next to nothing; after a power
//! cut it may lag behind, which is harmless.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::generation::folder::{self, FolderError};

const FILE: &str = "ACKNOWLEDGED";
const BYTES: usize = 12;

#[derive(Debug)]
pub(crate) struct Acknowledged(File);

pub(crate) fn path(generation: &Path) -> PathBuf {
    generation.join(FILE)
}

/// The number on the disk; `None` if it is not there or damaged.
pub(crate) fn read(generation: &Path) -> Result<Option<u64>, FolderError> {
    let bytes = folder::read_small(&path(generation), BYTES as u64)?;
    Ok(bytes.as_deref().and_then(decode))
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (number, checksum) = bytes.split_first_chunk::<8>()?;
    (crc32fast::hash(number).to_be_bytes() == *checksum).then(|| u64::from_be_bytes(*number))
}

fn encode(batch: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&batch.to_be_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&batch.to_be_bytes()).to_be_bytes());
    bytes
}

impl Acknowledged {
    /// Begins to keep the number in `generation`, with `batch` as the first.
    pub(crate) fn start(generation: &Path, batch: u64) -> Result<Self, FolderError> {
        let path = path(generation);
        folder::write_whole(&path, &encode(batch))?;
        let file =
            File::options().write(true).open(&path).map_err(|e| FolderError::new("opening", &path, e))?;
        Ok(Self(file))
    }

    /// Notes that `batch` is durable.
    pub(crate) fn set(&mut self, batch: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&encode(batch))
    }
}
