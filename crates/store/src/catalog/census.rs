//! Whether the tree has what the catalog says. A log with a flipped bit may replay without the one entry that it
//! hits, and nothing but counting shows that.

use std::sync::atomic::{AtomicBool, Ordering};

use lookalike_plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use super::Catalog;
use crate::generation::tree::{AccessError, Tree};
use crate::{Damage, key, value};

/// What counting found.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// Ids that have a record and are not in the catalog: deleted, but their data was still to be removed.
    pub(crate) leftovers: RoaringBitmap,
    /// Live ids without a record.
    pub(crate) without_record: RoaringBitmap,
    /// Live ids without a key.
    pub(crate) without_key: RoaringBitmap,
    /// Live ids without an entry of their content's digest.
    pub(crate) without_content: RoaringBitmap,
    /// Keys whose exemplar is not live.
    pub(crate) stray_keys: u64,
    /// Exemplars with more than one key.
    pub(crate) keys_twice: u64,
}

impl Census {
    /// Compares `catalog` with records, keys and content digests; `None` if it was told to stop.
    ///
    /// The tree may be written meanwhile, as long as the data of what the catalog has is not removed. What is
    /// missing may then have been deleted: ask the newest catalog.
    pub(crate) fn take(
        tree: &Tree,
        catalog: &Catalog,
        stop: &AtomicBool,
    ) -> Result<Option<Self>, AccessError> {
        let mut records = RoaringBitmap::new();
        let mut entries = tree.range("record", key::record(0)..=key::record(ExemplarId::MAX))?;
        while let Some((key, _)) = entries.next()? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            records.insert(key::id_of_record(&key).ok_or(Damage::Decode { what: "record" })?);
        }
        records.remove_range(catalog.next_id()..);
        let mut census = Self { leftovers: &records - catalog.live(), ..Self::default() };
        census.without_record = catalog.live() - records;
        let mut ids = RoaringBitmap::new();
        let mut entries = tree.prefix("key", key::USER_KEYS)?;
        while let Some((_, payload)) = entries.next()? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let id = value::decode_u32("key", &payload)?;
            census.keys_twice += u64::from(!ids.insert(id));
        }
        ids.remove_range(catalog.next_id()..);
        census.stray_keys = (&ids - catalog.live()).len();
        census.without_key = catalog.live() - ids;
        let mut ids = RoaringBitmap::new();
        let mut entries = tree.prefix("content digest", key::CONTENTS)?;
        while let Some((key, _)) = entries.next()? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            ids.insert(key::id_of_content(&key).ok_or(Damage::Decode { what: "content digest" })?);
        }
        census.without_content = catalog.live() - ids;
        Ok(Some(census))
    }

    /// The first thing found wrong, where `live` are the exemplars that are there now.
    pub(crate) fn damage(&self, live: &RoaringBitmap) -> Option<Damage> {
        if !self.without_record.is_disjoint(live) {
            return Some(Damage::Missing { what: "record of an exemplar" });
        }
        if !self.without_key.is_disjoint(live) {
            return Some(Damage::Missing { what: "key of an exemplar" });
        }
        if !self.without_content.is_disjoint(live) {
            return Some(Damage::Missing { what: "content digest of an exemplar" });
        }
        if self.keys_twice > 0 {
            return Some(Damage::Disagreement { what: "keys of an exemplar", found: 2, expected: 1 });
        }
        (self.stray_keys > 0).then_some(Damage::Missing { what: "exemplar of a key" })
    }
}
