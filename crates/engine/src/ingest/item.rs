//! What goes into an ingest, and how it is cut into batches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lookalike_plugin_api::Image;
use lookalike_store::TagValue;

use super::Refusal;
use crate::decode::{DecodeError, MAX_ENCODED_BYTES};

/// Images in one batch: large enough that a flush costs little beside embedding, small enough that a kill loses
/// little work.
const BATCH_IMAGES: usize = 256;

/// Encoded bytes after which a batch is closed early, so that large photographs do not pile up in memory.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// One image to store.
#[derive(Debug, Clone)]
pub struct IngestItem {
    /// The user's own name for it, 1 to 255 bytes. An exemplar of the same key is replaced.
    pub key: String,
    /// The image.
    pub image: ItemImage,
    /// Its label.
    pub label: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, TagValue>,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum ItemImage {
    /// PNG, JPEG, PPM/PGM, BMP or WebP bytes, stored as they are.
    Encoded(Vec<u8>),
    /// A file with such bytes; it is read when its turn comes.
    File(PathBuf),
    /// Decoded pixels, stored as PNG.
    Decoded(Image),
}

/// One entry of the input of [`Collection::ingest_incoming`](crate::Collection::ingest_incoming).
#[derive(Debug)]
pub enum Incoming {
    /// An image, with its clean row where it brings one along: then the model is not asked.
    Item(IngestItem, Option<Vec<f32>>),
    /// What its reader refused already; it goes into the report in its place.
    Refused(Refusal),
}

/// The next batch: [`BATCH_IMAGES`] items, fewer when their bytes reach [`BATCH_BYTES`] or the input ends.
pub(super) fn take_batch(items: &mut impl Iterator<Item = Incoming>) -> Vec<Incoming> {
    let mut batch = Vec::with_capacity(BATCH_IMAGES);
    let mut bytes = 0;
    while batch.len() < BATCH_IMAGES && bytes < BATCH_BYTES {
        let Some(incoming) = items.next() else { break };
        if let Incoming::Item(item, row) = &incoming {
            bytes += row.as_ref().map_or(0, |row| size_of_val(row.as_slice()));
            bytes += match &item.image {
                ItemImage::Encoded(encoded) => encoded.len(),
                ItemImage::Decoded(image) => image.samples().len(),
                // A file that is gone or too large is refused later, by the one who reads it.
                ItemImage::File(path) => {
                    path.metadata().map_or(0, |found| found.len().min(MAX_ENCODED_BYTES) as usize)
                }
            };
        }
        batch.push(incoming);
    }
    batch
}

pub(super) fn read_file(path: &PathBuf) -> Result<Vec<u8>, DecodeError> {
    let found = path.metadata().map_err(DecodeError::Read)?.len();
    if found > MAX_ENCODED_BYTES {
        return Err(DecodeError::TooLarge { found });
    }
    std::fs::read(path).map_err(DecodeError::Read)
}
