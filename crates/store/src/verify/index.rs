//! What the walk remembers.

use std::collections::BTreeMap;

use lookalike_plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use crate::TagValue;
use crate::key::{self, Namespace};
use crate::record::StoredRecord;

/// Names and bitmaps, by number.
#[derive(Default)]
pub(super) struct Index {
    pub(super) next_id: ExemplarId,
    pub(super) live: RoaringBitmap,
    pub(super) label_names: BTreeMap<u32, String>,
    pub(super) tag_names: BTreeMap<u32, (String, TagValue)>,
    /// Model and name.
    pub(super) views: BTreeMap<u32, (u16, String)>,
    pub(super) labels: BTreeMap<u32, RoaringBitmap>,
    pub(super) tags: BTreeMap<u32, RoaringBitmap>,
    pub(super) absent: BTreeMap<u32, RoaringBitmap>,
}

impl Index {
    /// `None` if the key is no name, or its number is taken.
    pub(super) fn add_name(&mut self, key: &[u8], number: u32) -> Option<()> {
        let (space, name) = key::split_name(key)?;
        let text = || std::str::from_utf8(name).ok().map(str::to_owned);
        let is_new = match space {
            Namespace::Label => self.label_names.insert(number, text()?).is_none(),
            Namespace::Tag => self.tag_names.insert(number, key::split_tag_name(name)?).is_none(),
            Namespace::View => {
                let (model, view) = key::split_view_name(name)?;
                self.views.insert(number, (model, view.to_owned())).is_none()
            }
            Namespace::Tombstone => false,
        };
        is_new.then_some(())
    }
}

/// What is compared of a record.
pub(super) struct Brief {
    pub(super) key: u64,
    pub(super) label: Option<Box<str>>,
    pub(super) tags: Box<[(String, TagValue)]>,
    pub(super) chunks: u16,
    pub(super) image_bytes: u32,
    pub(super) content: blake3::Hash,
}

impl Brief {
    pub(super) fn new(record: StoredRecord) -> Self {
        Self {
            key: hash(record.key.as_bytes()),
            tags: record.tags().into_iter().collect(),
            label: record.label.map(String::into_boxed_str),
            chunks: record.chunks,
            image_bytes: record.image_bytes,
            content: blake3::Hash::from_bytes(record.content),
        }
    }
}

/// The first eight bytes of a digest: enough to notice an accident.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let digest = blake3::hash(bytes);
    digest.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}
