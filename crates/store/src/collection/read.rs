use std::ops::ControlFlow;

use plugin_api::{Digest, ExemplarId, FeatureRows, View};
use roaring::RoaringBitmap;

use super::Collection;
use crate::record::StoredRecord;
use crate::tree::{AccessError, Payload, Tree};
use crate::{
    CollectionStats, Damage, MAX_PAGE_ENTRIES, Page, ReadError, Record, content_digest, folder, key, value,
};

const ROW: &str = "feature row";
const CHUNK: &str = "image";
const USER_KEY: &str = "key";
const CONTENT: &str = "content digest";

/// The stored record of an id, whether or not the catalog has it already.
pub(crate) fn stored_record(tree: &Tree, id: ExemplarId) -> Result<Option<StoredRecord>, AccessError> {
    let Some(payload) = tree.get(StoredRecord::WHAT, &key::record(id))? else {
        return Ok(None);
    };
    Ok(Some(value::decode(StoredRecord::WHAT, &payload)?))
}

/// The stored id of a user's key, whether or not the catalog has it already.
pub(crate) fn stored_id(tree: &Tree, user_key: &str) -> Result<Option<ExemplarId>, AccessError> {
    let Some(payload) = tree.get(USER_KEY, &key::user_key(user_key))? else {
        return Ok(None);
    };
    Ok(Some(value::decode_u32(USER_KEY, &payload)?))
}

impl Collection {
    /// The record of an exemplar; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the record is damaged or reading fails.
    pub fn record(&self, id: ExemplarId) -> Result<Option<Record>, ReadError> {
        Ok(self.live_record(id)?.map(|stored| stored.into_record(id)))
    }

    fn live_record(&self, id: ExemplarId) -> Result<Option<StoredRecord>, ReadError> {
        if !self.catalog().live().contains(id) {
            return Ok(None);
        }
        let stored = stored_record(&self.tree, id)?;
        if stored.is_none() && self.is_settled(id) {
            return Err(Damage::Missing { what: StoredRecord::WHAT }.into());
        }
        Ok(stored)
    }

    /// Whether an exemplar is there and no write is about to delete it: what is missing of it then is damage.
    fn is_settled(&self, id: ExemplarId) -> bool {
        let writer = self.lock_writer();
        // A write that failed may have deleted without being published.
        writer.fault.is_none() && self.catalog().live().contains(id)
    }

    /// The id of a key; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the entry is damaged or reading fails.
    pub fn id_of(&self, key: &str) -> Result<Option<ExemplarId>, ReadError> {
        let found = stored_id(&self.tree, key)?;
        match found {
            Some(id) if !self.catalog().live().contains(id) => {
                // A write is under way: wait until it is durable, and look again.
                let _writer = self.lock_writer();
                Ok(stored_id(&self.tree, key)?.filter(|&id| self.catalog().live().contains(id)))
            }
            found => Ok(found),
        }
    }

    /// Ids of the exemplars whose encoded image has this [`content_digest`], ascending.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when an entry is damaged or reading fails.
    pub fn ids_of_content(&self, content: &Digest) -> Result<Vec<ExemplarId>, ReadError> {
        let catalog = self.catalog();
        let mut ids = Vec::new();
        let mut entries = self.tree.prefix(CONTENT, &key::contents(content))?;
        while let Some((key, _)) = entries.next()? {
            let id = key::id_of_content(&key).ok_or(Damage::Decode { what: CONTENT })?;
            // The key holds but half of the digest.
            if catalog.live().contains(id)
                && self.record(id)?.is_some_and(|record| record.content == *content)
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The encoded image of an exemplar, exactly as it was stored; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the image is damaged (its digest is checked) or reading fails.
    pub fn image(&self, id: ExemplarId) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(record) = self.live_record(id)? else {
            return Ok(None);
        };
        let mut image = Vec::with_capacity(record.image_bytes as usize);
        for number in 0..record.chunks {
            match self.tree.get(CHUNK, &key::chunk(id, number))? {
                Some(chunk) => image.extend_from_slice(&chunk),
                None if self.is_settled(id) => return Err(Damage::Missing { what: CHUNK }.into()),
                None => return Ok(None),
            }
        }
        if content_digest(&image).0 != record.content {
            return Err(Damage::Checksum { what: CHUNK }.into());
        }
        Ok(Some(image))
    }

    /// Rows of `ids` in a view, in their order, `[ids, dimension]`. An id may come twice.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownView`]; [`ReadError::NoRow`] for an id that is not there or has no row in this view;
    /// others when a row is damaged or reading fails.
    pub fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, ReadError> {
        let number = self.view_number(view)?;
        let dimension = self.fingerprint.dimension as usize;
        let live = self.catalog();
        let mut values = Vec::new();
        for &id in ids {
            let row =
                if live.live().contains(id) { self.tree.get(ROW, &key::row(number, id))? } else { None };
            let row = row.ok_or_else(|| ReadError::NoRow { id, view: view.to_owned() })?;
            append_row(&mut values, &row, dimension)?;
        }
        FeatureRows::new(dimension, values).map_err(|error| Damage::Rows(error).into())
    }

    /// Hands the rows of a view to `visit`, by ascending id, from the id `from` on, until it breaks off.
    ///
    /// Exemplars stored before the call and not deleted meanwhile are met exactly once; of what is written during
    /// the call, some may be met and some not. Who needs one state asks [`Collection::catalog`] for it first, and
    /// leaves out ids that are not in it.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownView`]; others when a row is damaged or reading fails, and at the end of the clean view
    /// when an exemplar was not met. Rows before it were visited.
    pub fn scan_rows(
        &self,
        view: &str,
        from: ExemplarId,
        visit: &mut dyn FnMut(ExemplarId, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let number = self.view_number(view)?;
        let dimension = self.fingerprint.dimension as usize;
        let live = self.catalog();
        let mut met = RoaringBitmap::new();
        let mut values = Vec::with_capacity(dimension);
        let mut entries = self.tree.range(ROW, key::row(number, from)..=key::row(number, ExemplarId::MAX))?;
        while let Some((key, row)) = entries.next()? {
            let id = key::id_of_row(&key).ok_or(Damage::Decode { what: ROW })?;
            met.insert(id);
            values.clear();
            append_row(&mut values, &row, dimension)?;
            if visit(id, &values).is_break() {
                return Ok(());
            }
        }
        // A damaged log may lack an entry without another sign of it.
        let mut missing = live.live() - met;
        missing.remove_range(..from);
        if view == View::CLEAN && missing.iter().any(|id| self.is_settled(id)) {
            return Err(Damage::Missing { what: ROW }.into());
        }
        Ok(())
    }

    fn view_number(&self, view: &str) -> Result<u16, ReadError> {
        let number = self.catalog().views.iter().position(|name| name == view);
        number.map(|number| number as u16).ok_or_else(|| ReadError::UnknownView { name: view.to_owned() })
    }

    /// One page of records in ascending order of their keys' bytes, beginning after the key `after`. At most `limit`
    /// entries are given, and never more than [`MAX_PAGE_ENTRIES`].
    ///
    /// Pages are no snapshot: what is written between two calls is seen if its key lies ahead. A call waits for a
    /// write that is under way.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when a record is damaged or reading fails.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Page, ReadError> {
        let limit = limit.clamp(1, MAX_PAGE_ENTRIES);
        let writer = self.lock_writer();
        let catalog = self.catalog();
        // A zero byte makes the smallest key that is larger.
        let first =
            after.map_or_else(|| key::USER_KEYS.to_vec(), |after| [&key::user_key(after)[..], &[0]].concat());
        let mut entries = self.tree.range(USER_KEY, first..vec![key::USER_KEYS[0] + 1])?;
        let mut page = Page { entries: Vec::new(), next: None };
        while let Some((key, payload)) = entries.next()? {
            let id = value::decode_u32(USER_KEY, &payload)?;
            if !catalog.live().contains(id) {
                continue;
            }
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|record: &Record| record.key.clone());
                break;
            }
            let found = stored_record(&self.tree, id)?.map(|stored| stored.into_record(id));
            let record = match found {
                Some(record) if key::split_user_key(&key) == Some(record.key.as_str()) => record,
                None if writer.fault.is_some() => continue,
                _ => {
                    return Err(Damage::Missing { what: StoredRecord::WHAT }.into());
                }
            };
            page.entries.push(record);
        }
        Ok(page)
    }

    /// Sizes of the collection.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when its files cannot be looked at.
    pub fn stats(&self) -> Result<CollectionStats, ReadError> {
        let catalog = self.catalog();
        let mut views = catalog.views().to_vec();
        views.sort();
        Ok(CollectionStats {
            exemplars: catalog.len(),
            labels: catalog.labels().filter(|(_, _, members)| !members.is_empty()).count() as u64,
            image_bytes: catalog.totals.image_bytes,
            disk_bytes: folder::bytes(&self.folder)?,
            batches: catalog.batch(),
            views,
        })
    }
}

fn append_row(values: &mut Vec<f32>, row: &Payload, dimension: usize) -> Result<(), Damage> {
    let (numbers, []) = row.as_chunks::<4>() else {
        return Err(Damage::Decode { what: ROW });
    };
    if numbers.len() != dimension {
        return Err(Damage::Decode { what: ROW });
    }
    values.extend(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)));
    Ok(())
}
