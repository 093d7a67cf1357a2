//! Whether the tree has what the catalog says. A log with a flipped bit may replay without the one entry that it
//! hits, and nothing but counting shows that.

use plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use super::Catalog;
use crate::tree::{AccessError, Tree};
use crate::{Damage, key, value};

/// Checks that every live id, and no other, has a record and a key.
pub(crate) fn check(tree: &Tree, catalog: &Catalog) -> Result<(), AccessError> {
    let mut records = RoaringBitmap::new();
    let mut entries = tree.range("record", key::record(0)..=key::record(ExemplarId::MAX))?;
    while let Some((key, _)) = entries.next()? {
        records.insert(key::id_of_record(&key).ok_or(Damage::Decode { what: "record" })?);
    }
    if records != *catalog.live {
        return Err(Damage::Missing { what: "record of an exemplar" }.into());
    }
    let mut ids = RoaringBitmap::new();
    let mut entries = tree.prefix("key", key::USER_KEYS)?;
    while let Some((_, payload)) = entries.next()? {
        if !ids.insert(value::decode_u32("key", &payload)?) {
            return Err(Damage::Disagreement { what: "keys of an exemplar", found: 2, expected: 1 }.into());
        }
    }
    if ids != *catalog.live {
        return Err(Damage::Missing { what: "key of an exemplar" }.into());
    }
    Ok(())
}
