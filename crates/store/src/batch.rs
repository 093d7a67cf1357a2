use std::collections::BTreeMap;

use lookalike_plugin_api::ExemplarId;

use crate::TagValue;

/// Changes that [`Collection::write`](crate::Collection::write) makes as a whole or not at all.
///
/// Deletes come first, then the upserts in their order; of two upserts of one key the later wins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteBatch {
    /// Exemplars to insert or replace, by key.
    pub upserts: Vec<NewExemplar>,
    /// Keys of exemplars to delete; a key that is not there is no error.
    pub deletes: Vec<String>,
}

/// An exemplar as it is handed to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExemplar {
    /// The user's own name for it, 1 to [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES) bytes.
    pub key: String,
    /// Its label, 1 to [`MAX_LABEL_BYTES`](crate::MAX_LABEL_BYTES) bytes.
    pub label: Option<String>,
    /// Its tags, at most [`MAX_TAGS`](crate::MAX_TAGS).
    pub tags: BTreeMap<String, TagValue>,
    /// The encoded image as it was received, 1 to [`MAX_IMAGE_BYTES`](crate::MAX_IMAGE_BYTES) bytes.
    pub image: Vec<u8>,
    /// What the encoded image is, for instance `image/png`.
    pub media_type: String,
    /// Rows of pixels of the decoded image, at least 1.
    pub height: u32,
    /// Pixels in a row of the decoded image, at least 1.
    pub width: u32,
    /// Samples in a pixel of the decoded image: 1 or 3.
    pub channels: u8,
    /// Feature rows by view name, each of the fingerprint's dimension and finite. The view `clean` must be there.
    pub rows: Vec<(String, Vec<f32>)>,
}

/// What a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReceipt {
    /// Number of the batch, counted from 1. A batch that changed nothing is not written and gives the number of
    /// the last one that was.
    pub batch: u64,
    /// Whether the batch is durable, which it is in the write mode [`Immediate`](crate::WriteMode::Immediate).
    pub durable: bool,
    /// What became of each upsert, in their order.
    pub outcomes: Vec<Upserted>,
    /// The id that each delete removed, in their order; `None` for a key that was not there.
    pub deleted: Vec<Option<ExemplarId>>,
}

/// What became of one upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// The key is new.
    Inserted(ExemplarId),
    /// The key had another image: the exemplar has a new id, the old one is gone.
    Replaced {
        /// The new id.
        id: ExemplarId,
        /// The id that is gone.
        previous: ExemplarId,
    },
    /// The image is the one that was there; label or tags changed. The id stays, and so do the feature rows.
    Relabelled(ExemplarId),
    /// Image, label and tags are as they were; nothing was written.
    Unchanged(ExemplarId),
}

impl Upserted {
    /// The id under which the key is stored now.
    pub fn id(self) -> ExemplarId {
        match self {
            Self::Inserted(id) | Self::Replaced { id, .. } | Self::Relabelled(id) | Self::Unchanged(id) => id,
        }
    }
}
