//! Values as format 1 laid them out. They are read for ever; nothing writes them.

use serde::Deserialize;

use crate::record::{StoredRecord, StoredTag};
use crate::schema::StoredFingerprint;

/// Its rows were all of one model, whose fingerprint was part of the schema.
#[derive(Deserialize)]
pub(crate) struct Schema1 {
    pub(crate) magic: String,
    pub(crate) created_ms: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) _chunk_bytes: u32,
    pub(crate) fingerprint: StoredFingerprint,
}

/// It said itself in which views it has rows.
#[derive(Deserialize)]
pub(crate) struct Record1 {
    key: String,
    label: Option<String>,
    tags: Vec<(String, StoredTag)>,
    media_type: String,
    height: u32,
    width: u32,
    channels: u8,
    image_bytes: u32,
    chunks: u16,
    content: [u8; 32],
    created_ms: u64,
    updated_ms: u64,
    _views: Vec<u16>,
}

impl From<Record1> for StoredRecord {
    fn from(old: Record1) -> Self {
        Self {
            key: old.key,
            label: old.label,
            tags: old.tags,
            media_type: old.media_type,
            height: old.height,
            width: old.width,
            channels: old.channels,
            image_bytes: old.image_bytes,
            chunks: old.chunks,
            content: old.content,
            created_ms: old.created_ms,
            updated_ms: old.updated_ms,
        }
    }
}
