//! What the tree said before the batches that readers do not see yet.
//!
//! A batch is in the tree before it is durable and published, and a batch that fails stays there, in part or whole,
//! until the collection is opened again. Ids are never used again, so that only two kinds of entries can mislead a
//! reader meanwhile: the id of a key, and the record of an exemplar with another label or other tags.

use std::collections::BTreeMap;

use lookalike_plugin_api::ExemplarId;

use crate::before::Before;
use crate::record::StoredRecord;

/// What each batch replaces that may not be published yet, by its number.
#[derive(Debug, Default)]
pub(super) struct Unpublished(BTreeMap<u64, Before>);

impl Unpublished {
    /// To be called before the batch is applied.
    pub(super) fn add(&mut self, batch: u64, before: Before) {
        self.0.insert(batch, before);
    }

    /// Batches up to this one are published.
    pub(super) fn forget(&mut self, published: u64) {
        self.0 = self.0.split_off(&(published + 1));
    }

    /// What a key was after batch `published`, where the tree says `now`.
    pub(super) fn id_of(&self, published: u64, key: &str, now: Option<ExemplarId>) -> Option<ExemplarId> {
        let mut later = self.0.range(published + 1..);
        later.find_map(|(_, before)| before.keys.get(key).copied()).unwrap_or(now)
    }

    /// The record of an exemplar after batch `published`, if it is another now.
    pub(super) fn record(&self, published: u64, id: ExemplarId) -> Option<StoredRecord> {
        self.0.range(published + 1..).find_map(|(_, before)| before.records.get(&id).cloned())
    }

    /// Keys that are something else now than after batch `published`, with what they were.
    pub(super) fn keys(&self, published: u64) -> BTreeMap<String, Option<ExemplarId>> {
        let mut keys = BTreeMap::new();
        for (key, &id) in self.0.range(published + 1..).flat_map(|(_, before)| &before.keys) {
            keys.entry(key.clone()).or_insert(id);
        }
        keys
    }
}
