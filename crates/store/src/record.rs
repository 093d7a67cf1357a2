use std::collections::BTreeMap;

use lookalike_plugin_api::{Digest, ExemplarId};
use serde::{Deserialize, Serialize};

use crate::generation::tree::Payload;
use crate::old_format::Record1;
use crate::{Damage, TagValue, value};

/// What the store knows about one exemplar, without the image itself and the feature rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: ExemplarId,
    /// The user's own name for it.
    pub key: String,
    /// Its label.
    pub label: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, TagValue>,
    /// What the encoded image is, for instance `image/png`.
    pub media_type: String,
    /// Rows of pixels of the decoded image.
    pub height: u32,
    /// Pixels in a row of the decoded image.
    pub width: u32,
    /// Samples in a pixel of the decoded image.
    pub channels: u8,
    /// Length of the encoded image, in bytes.
    pub image_bytes: u32,
    /// Digest of the encoded image, as [`content_digest`] makes it.
    pub content: Digest,
    /// When the exemplar was stored, in milliseconds since 1970 UTC.
    pub created_ms: u64,
    /// When its label or tags last changed, in milliseconds since 1970 UTC.
    pub updated_ms: u64,
}

/// Digest of an encoded image: two images are the same content when theirs are equal. It is BLAKE3.
pub fn content_digest(image: &[u8]) -> Digest {
    Digest(*blake3::hash(image).as_bytes())
}

/// One page of [`Collection::list`](crate::Collection::list).
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Records in ascending order of their keys' bytes.
    pub entries: Vec<Record>,
    /// The last key of the page, to hand to the next call; `None` when nothing follows.
    pub next: Option<String>,
}

/// Sizes of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionStats {
    /// Exemplars in it.
    pub exemplars: u64,
    /// Labels that at least one exemplar has.
    pub labels: u64,
    /// Encoded images, in bytes.
    pub image_bytes: u64,
    /// Files of the collection, in bytes.
    pub disk_bytes: u64,
    /// Batches written since it was created.
    pub batches: u64,
    /// Names of the views of its current model, ascending.
    pub views: Vec<String>,
}

/// What a record is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRecord {
    pub(crate) key: String,
    pub(crate) label: Option<String>,
    pub(crate) tags: Vec<(String, StoredTag)>,
    pub(crate) media_type: String,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) channels: u8,
    pub(crate) image_bytes: u32,
    pub(crate) chunks: u16,
    pub(crate) content: [u8; 32],
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredTag {
    Number(f64),
    Text(String),
}

impl From<&TagValue> for StoredTag {
    fn from(value: &TagValue) -> Self {
        match value {
            TagValue::Number(number) => Self::Number(*number),
            TagValue::Text(text) => Self::Text(text.clone()),
        }
    }
}

impl From<StoredTag> for TagValue {
    fn from(stored: StoredTag) -> Self {
        match stored {
            StoredTag::Number(number) => Self::Number(number),
            StoredTag::Text(text) => Self::Text(text),
        }
    }
}

impl StoredRecord {
    pub(crate) const WHAT: &'static str = "record";

    pub(crate) fn decode(payload: &Payload) -> Result<Self, Damage> {
        match payload.format() {
            1 => value::decode::<Record1>(Self::WHAT, payload).map(Self::from),
            _ => value::decode(Self::WHAT, payload),
        }
    }

    pub(crate) fn tags(&self) -> BTreeMap<String, TagValue> {
        self.tags.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    }

    pub(crate) fn into_record(self, id: ExemplarId) -> Record {
        Record {
            id,
            key: self.key,
            label: self.label,
            tags: self.tags.into_iter().map(|(name, value)| (name, value.into())).collect(),
            media_type: self.media_type,
            height: self.height,
            width: self.width,
            channels: self.channels,
            image_bytes: self.image_bytes,
            content: Digest(self.content),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
        }
    }
}
