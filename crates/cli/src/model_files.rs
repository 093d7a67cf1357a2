//! The model that the command line names.

use std::path::Path;

use lookalike::ModelFiles;
use lookalike_vision::ModelManifest;

use crate::args::ManifestArgs;
use crate::remedy::with_remedy;

/// What `--model` says to take the network that is compiled in.
pub(crate) const BUILTIN_GLYPHS: &str = "builtin:glyphs";

/// Made by `lookalike train --dataset glyphs`.
const GLYPH_WEIGHTS: &[u8] = include_bytes!("../assets/glyphs.safetensors");
const GLYPH_MANIFEST: &str = include_str!("../assets/glyphs.json");

/// The files of the model that the command line names.
pub(crate) fn named(model: &Path, manifest: &ManifestArgs) -> anyhow::Result<ModelFiles> {
    if model.as_os_str() == BUILTIN_GLYPHS {
        return builtin();
    }
    let files = match (manifest.input, &manifest.manifest) {
        (Some(input), _) => ModelFiles::infer(model, input.height, input.width).and_then(|files| {
            if manifest.classes.is_empty() { Ok(files) } else { files.with_classes(manifest.classes.clone()) }
        }),
        (None, Some(file)) => ModelFiles::with_manifest_file(model, file),
        (None, None) => ModelFiles::open(model),
    };
    files.map_err(|error| with_remedy(error, model))
}

/// The network that is compiled in.
pub(crate) fn builtin() -> anyhow::Result<ModelFiles> {
    Ok(ModelFiles::embedded(BUILTIN_GLYPHS, GLYPH_WEIGHTS, ModelManifest::from_json(GLYPH_MANIFEST)?))
}
