//! The file that makes a directory a database.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::OpenError;
use crate::folder;

pub(crate) const FILE: &str = "lookalike.json";
pub(crate) const MAGIC: &str = "lookalike";
const FORMAT: u32 = 1;
const MOST_BYTES: u64 = 64 << 10;

/// What the marker says in every format.
#[derive(Deserialize)]
struct Head {
    magic: String,
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    magic: String,
    format: u32,
    created_ms: u64,
    uuid: String,
}

pub(crate) fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

/// Makes `root` a database.
pub(crate) fn write(root: &Path, created_ms: u64, uuid: [u8; 16]) -> Result<(), OpenError> {
    let path = path(root);
    let uuid = format!("{:032x}", u128::from_be_bytes(uuid));
    let marker = Marker { magic: MAGIC.to_owned(), format: FORMAT, created_ms, uuid };
    let mut text = serde_json::to_vec_pretty(&marker)
        .map_err(|source| OpenError::Marker { path: path.clone(), source })?;
    text.push(b'\n');
    Ok(folder::write_whole(&path, &text)?)
}

/// Checks that `root` is a database that this program can read.
pub(crate) fn check(root: &Path) -> Result<(), OpenError> {
    let path = path(root);
    let Some(text) = folder::read_small(&path, MOST_BYTES)? else {
        return Err(OpenError::NotDatabase { path: root.to_owned() });
    };
    let damaged = |source| OpenError::Marker { path: path.clone(), source };
    let head: Head = serde_json::from_slice(&text).map_err(damaged)?;
    if head.magic != MAGIC {
        return Err(OpenError::ForeignMarker { found: head.magic.chars().take(40).collect(), path });
    }
    if head.format > FORMAT {
        return Err(OpenError::NewerFormat { path: root.to_owned(), found: head.format, newest: FORMAT });
    }
    serde_json::from_slice::<Marker>(&text).map(drop).map_err(damaged)
}
