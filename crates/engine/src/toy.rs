//! A model for tests: the row of an image is its samples.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugin_api::{Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image};

use crate::{Collection, Database, IngestItem, ItemImage, StoreConfig};

/// Samples of every image.
pub(crate) const DIMENSION: usize = 4;

pub(crate) struct Toy {
    fingerprint: Fingerprint,
    /// Images embedded so far.
    pub(crate) embedded: AtomicUsize,
}

impl Toy {
    pub(crate) fn new(weights: u8) -> Arc<Self> {
        let fingerprint = Fingerprint {
            model: "toy".to_owned(),
            weights: Digest([weights; 32]),
            preprocessing: Digest([2; 32]),
            dimension: DIMENSION as u32,
        };
        Arc::new(Self { fingerprint, embedded: AtomicUsize::new(0) })
    }

    pub(crate) fn embedded(&self) -> usize {
        self.embedded.load(Ordering::Relaxed)
    }
}

impl Embedder for Toy {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        self.embedded.fetch_add(images.len(), Ordering::Relaxed);
        let values = images.iter().flat_map(|image| image.samples().iter().map(|s| f32::from(*s) + 0.1));
        FeatureRows::new(DIMENSION, values.collect()).map_err(EmbedError::new)
    }
}

/// A new collection in a database below `folder`.
pub(crate) fn collection(folder: &Path, name: &str, toy: &Arc<Toy>) -> Collection {
    let embedder: Arc<dyn Embedder> = Arc::clone(toy) as _;
    let database = Database::create(&folder.join(name), embedder, StoreConfig::default()).unwrap();
    database.collection_or_create(name).unwrap()
}

/// An image of its own for every number.
pub(crate) fn image(number: u32) -> Image {
    Image::new(1, DIMENSION, 1, number.to_be_bytes().to_vec()).unwrap()
}

pub(crate) fn item(key: &str, number: u32) -> IngestItem {
    let image = ItemImage::Decoded(image(number));
    IngestItem { key: key.to_owned(), image, label: None, tags: [].into() }
}
