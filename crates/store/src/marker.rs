//! The file that makes a directory a database.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::OpenError;
use crate::generation::folder;
use crate::limits::{MARKER_FILE as FILE, MARKER_MAGIC as MAGIC};

pub(crate) const FORMAT: u32 = 2;
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
    let uuid = format!("{:032x}", u128::from_be_bytes(uuid));
    store(&path(root), &Marker { magic: MAGIC.to_owned(), format: FORMAT, created_ms, uuid })
}

/// Notes that the database in `root` has the present format.
pub(crate) fn upgrade(root: &Path) -> Result<(), OpenError> {
    let path = path(root);
    let text = folder::read_small(&path, MOST_BYTES)?.unwrap_or_default();
    let damaged = |source| OpenError::Marker { path: path.clone(), source };
    let marker: Marker = serde_json::from_slice(&text).map_err(damaged)?;
    store(&path, &Marker { format: FORMAT, ..marker })
}

fn store(path: &Path, marker: &Marker) -> Result<(), OpenError> {
    let mut text = serde_json::to_vec_pretty(marker)
        .map_err(|source| OpenError::Marker { path: path.to_owned(), source })?;
    text.push(b'\n');
    Ok(folder::write_whole(path, &text)?)
}

/// Checks that `root` is a database of the format that this program writes.
pub(crate) fn check(root: &Path) -> Result<(), OpenError> {
    match format(root)? {
        FORMAT => Ok(()),
        found => Err(OpenError::OlderFormat { path: root.to_owned(), found, current: FORMAT }),
    }
}

/// The format of the database in `root`, which is not newer than this program.
pub(crate) fn format(root: &Path) -> Result<u32, OpenError> {
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
    serde_json::from_slice::<Marker>(&text).map(|marker| marker.format).map_err(damaged)
}
