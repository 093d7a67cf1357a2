use std::error::Error;
use std::fmt;

use crate::{FeatureRows, Fingerprint, Image};

/// Turns images into feature rows.
///
/// The host calls it at ingest, at rebuild and once per query. It hands over whole images of any size within
/// [`Image`]'s contract: fitting them to the model's input (size, channels, range) is the embedder's business and
/// part of its fingerprint, so that an image means the same row wherever it comes from.
///
/// An implementation must
/// - give one row per image, in their order, each of the fingerprint's dimension, all values finite;
/// - give the same row for the same image, whatever else is in the batch (up to the last bits where the hardware
///   cannot do better) and from any thread;
/// - never change its weights.
///
/// It may use several threads and split a batch as it likes.
pub trait Embedder: Send + Sync {
    /// Identity of model and preprocessing. It never changes during the embedder's life.
    fn fingerprint(&self) -> &Fingerprint;

    /// Feature rows of `images`, `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`EmbedError`] when the model fails; no row is returned then, not even for the images that went well.
    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError>;
}

/// Why images have no feature rows.
#[derive(Debug)]
pub struct EmbedError {
    source: Box<dyn Error + Send + Sync>,
}

impl EmbedError {
    /// Wraps the embedder's own error.
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Box::new(source) }
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("embed: the model made no features")
    }
}

impl Error for EmbedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}
