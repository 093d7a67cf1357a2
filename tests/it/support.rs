//! What several modules need: a model without a network, and the folder of shared data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lookalike_engine::{Collection, Database, IngestItem, ItemImage, StoreConfig};
use lookalike_plugin_api::{Budget, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image};
use lookalike_tmm::{Mode, TmmConfig};

/// The folder of data or models beside the project, if it is there; says so if not.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is absent", found.display());
    None
}

/// The method with every candidate through the network: the default scores stored rows.
pub(crate) fn exact() -> TmmConfig {
    TmmConfig { mode: Some(Mode::Exact), ..TmmConfig::default() }
}

/// Turns an image into its samples: the features of a 1 x n image are its n grey values.
#[derive(Debug)]
pub(crate) struct Samples {
    fingerprint: Fingerprint,
}

impl Samples {
    pub(crate) fn new(dimension: usize) -> Self {
        Self::named("samples", dimension)
    }

    pub(crate) fn named(name: &str, dimension: usize) -> Self {
        let fingerprint = Fingerprint {
            model: name.to_owned(),
            weights: Digest([1; 32]),
            preprocessing: Digest([2; 32]),
            dimension: dimension as u32,
        };
        Self { fingerprint }
    }
}

impl Embedder for Samples {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let values = images.iter().flat_map(|image| image.samples().iter().map(|s| f32::from(*s))).collect();
        FeatureRows::new(self.fingerprint.dimension as usize, values).map_err(EmbedError::new)
    }
}

/// A 1 x n grey image.
pub(crate) fn strip(samples: &[u8]) -> Image {
    Image::new(1, samples.len(), 1, samples.to_vec()).unwrap()
}

pub(crate) fn item(key: &str, image: Image, label: Option<&str>) -> IngestItem {
    IngestItem {
        key: key.to_owned(),
        image: ItemImage::Decoded(image),
        label: label.map(str::to_owned),
        tags: [].into(),
    }
}

/// A new database with one collection whose rows are the given samples.
pub(crate) fn collection_of(root: &Path, rows: &[Vec<u8>]) -> Collection {
    let database =
        Database::create(root, Arc::new(Samples::new(rows[0].len())), StoreConfig::default()).unwrap();
    let collection = database.collection_or_create("main").unwrap();
    let items = rows.iter().enumerate().map(|(n, row)| item(&format!("row/{n:05}"), strip(row), None));
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    collection
}
