use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use lookalike_vision::Model;
use serde::de::DeserializeOwned;

use crate::args::{GlobalArgs, ManifestArgs};
use crate::model_files;
use crate::opened::compute;

/// Longest file of an experiment, a preset or data sets that is read.
const MAX_JSON_BYTES: u64 = 1 << 20;

pub(super) fn model(
    model: &Path,
    manifest: &ManifestArgs,
    global: &GlobalArgs,
) -> anyhow::Result<Arc<Model>> {
    Ok(Arc::new(model_files::named(model, manifest)?.load(compute(global))?))
}

/// What a JSON file says.
pub(super) fn from_json<T: DeserializeOwned>(what: &str, path: &Path) -> anyhow::Result<T> {
    let unreadable = || format!("{what} {} cannot be read", path.display());
    let mut text = Vec::new();
    let file = File::open(path).with_context(unreadable)?;
    // What it says of its length may not be what can be read from it.
    file.take(MAX_JSON_BYTES + 1).read_to_end(&mut text).with_context(unreadable)?;
    anyhow::ensure!(
        text.len() as u64 <= MAX_JSON_BYTES,
        "{what} {} has more than {MAX_JSON_BYTES} bytes, which is the limit",
        path.display()
    );
    serde_json::from_slice(&text).with_context(|| format!("{what} {} is refused", path.display()))
}
