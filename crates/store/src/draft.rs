//! A batch in the making: what it changes on the disk, and the catalog after it.

mod bitmaps;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bitmaps::expect_member;
use plugin_api::{Digest, ExemplarId, LabelId};

use crate::catalog::TagNumbers;
use crate::collection::{stored_id, stored_record};
use crate::key::{self, Namespace};
use crate::limits::{CHUNK_BYTES, MAX_VALUE_BYTES, MAX_VIEWS};
use crate::record::{StoredRecord, StoredTag};
use crate::tree::{Changes, Tree};
use crate::value::HEADER_BYTES;
use crate::{Catalog, Damage, NewExemplar, TagValue, Upserted, WriteError, container, content_digest, value};

type TagName = (String, TagValue);

/// Changes that are not yet made. Dropping it makes none.
pub(crate) struct Draft<'a> {
    tree: &'a Tree,
    now_ms: u64,
    /// The state after the batch.
    catalog: Catalog,
    changes: Changes,
    changed: bool,
    /// What keys and records are after the operations so far, where that differs from the tree.
    keys: HashMap<String, Option<ExemplarId>>,
    records: HashMap<ExemplarId, Option<StoredRecord>>,
    tag_numbers: &'a TagNumbers,
    new_tag_numbers: HashMap<TagName, Option<u32>>,
    /// Containers to write, by their upper bits.
    touched_tombstones: BTreeSet<u16>,
    touched_labels: BTreeMap<LabelId, BTreeSet<u16>>,
    touched_tags: BTreeMap<TagName, BTreeSet<u16>>,
}

/// A batch that is ready to be written.
pub(crate) struct Finished {
    pub(crate) changes: Changes,
    pub(crate) catalog: Catalog,
    /// Tag values that are new, with their numbers, or gone.
    pub(crate) tag_numbers: HashMap<TagName, Option<u32>>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(tree: &'a Tree, before: &Catalog, tag_numbers: &'a TagNumbers, now_ms: u64) -> Self {
        Self {
            tree,
            now_ms,
            catalog: before.clone(),
            changes: Changes::default(),
            changed: false,
            keys: HashMap::new(),
            records: HashMap::new(),
            tag_numbers,
            new_tag_numbers: HashMap::new(),
            touched_tombstones: BTreeSet::new(),
            touched_labels: BTreeMap::new(),
            touched_tags: BTreeMap::new(),
        }
    }

    /// Deletes the exemplar of a key, if there is one.
    pub(crate) fn delete(&mut self, key: &str) -> Result<Option<ExemplarId>, WriteError> {
        let Some((id, record)) = self.find(key)? else {
            return Ok(None);
        };
        self.remove(id, &record)?;
        self.changes.remove(key::user_key(key));
        self.keys.insert(key.to_owned(), None);
        Ok(Some(id))
    }

    /// Stores an exemplar that was checked before.
    pub(crate) fn upsert(&mut self, new: NewExemplar) -> Result<Upserted, WriteError> {
        let content = content_digest(&new.image);
        let Some((id, record)) = self.find(&new.key)? else {
            return self.insert(new, &content).map(Upserted::Inserted);
        };
        if record.content != content.0 {
            self.remove(id, &record)?;
            return Ok(Upserted::Replaced { id: self.insert(new, &content)?, previous: id });
        }
        if record.label == new.label && record.tags() == new.tags {
            return Ok(Upserted::Unchanged(id));
        }
        self.relabel(id, record, new)?;
        Ok(Upserted::Relabelled(id))
    }

    fn find(&self, key: &str) -> Result<Option<(ExemplarId, StoredRecord)>, WriteError> {
        let id = match self.keys.get(key) {
            Some(&known) => known,
            None => stored_id(self.tree, key)?,
        };
        let Some(id) = id else { return Ok(None) };
        let record = match self.records.get(&id) {
            Some(known) => known.clone(),
            None => stored_record(self.tree, id)?,
        };
        match record {
            Some(record) => Ok(Some((id, record))),
            None => Err(Damage::Missing { what: StoredRecord::WHAT }.into()),
        }
    }

    fn insert(&mut self, new: NewExemplar, content: &Digest) -> Result<ExemplarId, WriteError> {
        let id = self.catalog.totals.next_id;
        // The largest id stays free, so that "below the next id" can be said of every id.
        let next_id = id.checked_add(1).ok_or(WriteError::IdsExhausted)?;
        let mut views = Vec::with_capacity(new.rows.len());
        let mut bytes = Vec::new();
        for (view, row) in &new.rows {
            let number = self.view_number(view)?;
            bytes.clear();
            bytes.extend(row.iter().flat_map(|number| number.to_le_bytes()));
            self.changes.put(key::row(number, id), &bytes);
            views.push(number);
        }
        let mut chunks = 0u16;
        for chunk in new.image.chunks(CHUNK_BYTES) {
            self.changes.put(key::chunk(id, chunks), chunk);
            chunks += 1;
        }
        self.changes.put(key::content(content, id), &[]);
        self.changes.put(key::user_key(&new.key), &id.to_be_bytes());
        let record = StoredRecord {
            key: new.key,
            label: new.label,
            tags: new.tags.iter().map(|(name, value)| (name.clone(), StoredTag::from(value))).collect(),
            media_type: new.media_type,
            height: new.height,
            width: new.width,
            channels: new.channels,
            image_bytes: new.image.len() as u32,
            chunks,
            content: content.0,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            views,
        };
        self.put_record(id, &record)?;
        Arc::make_mut(&mut self.catalog.live).insert(id);
        let totals = &mut self.catalog.totals;
        totals.next_id = next_id;
        totals.exemplars += 1;
        totals.image_bytes += u64::from(record.image_bytes);
        self.set_label(id, None, record.label.as_deref())?;
        for (tag, value) in new.tags {
            self.add_tag(id, tag, value);
        }
        self.keys.insert(record.key.clone(), Some(id));
        self.records.insert(id, Some(record));
        Ok(id)
    }

    /// Removes an exemplar, but not the entry of its key.
    fn remove(&mut self, id: ExemplarId, record: &StoredRecord) -> Result<(), WriteError> {
        self.changed = true;
        self.changes.remove(key::record(id));
        for number in 0..record.chunks {
            self.changes.remove(key::chunk(id, number));
        }
        for &view in &record.views {
            self.changes.remove(key::row(view, id));
        }
        self.changes.remove(key::content(&Digest(record.content), id));
        expect_member(Arc::make_mut(&mut self.catalog.live).remove(id))?;
        self.touched_tombstones.insert(container::high(id));
        let totals = &mut self.catalog.totals;
        totals.exemplars -= 1;
        totals.image_bytes = totals.image_bytes.saturating_sub(u64::from(record.image_bytes));
        self.set_label(id, record.label.as_deref(), None)?;
        for (tag, value) in record.tags() {
            self.remove_tag(id, tag, value)?;
        }
        self.records.insert(id, None);
        Ok(())
    }

    fn relabel(
        &mut self,
        id: ExemplarId,
        mut record: StoredRecord,
        new: NewExemplar,
    ) -> Result<(), WriteError> {
        self.set_label(id, record.label.as_deref(), new.label.as_deref())?;
        let old_tags = record.tags();
        record.label = new.label;
        record.tags = new.tags.iter().map(|(name, value)| (name.clone(), StoredTag::from(value))).collect();
        record.updated_ms = self.now_ms;
        self.put_record(id, &record)?;
        for (tag, value) in &old_tags {
            if new.tags.get(tag) != Some(value) {
                self.remove_tag(id, tag.clone(), value.clone())?;
            }
        }
        for (tag, value) in new.tags {
            if old_tags.get(&tag) != Some(&value) {
                self.add_tag(id, tag, value);
            }
        }
        self.records.insert(id, Some(record));
        Ok(())
    }

    fn put_record(&mut self, id: ExemplarId, record: &StoredRecord) -> Result<(), WriteError> {
        let payload = value::encode(StoredRecord::WHAT, record)?;
        // Admission bounds the texts, and the rest of a record is small: see MAX_DESCRIPTION_BYTES.
        debug_assert!(payload.len() <= MAX_VALUE_BYTES - HEADER_BYTES, "a record of {} bytes", payload.len());
        self.changed = true;
        self.changes.put(key::record(id), &payload);
        Ok(())
    }

    fn view_number(&mut self, view: &str) -> Result<u16, WriteError> {
        if let Some(number) = self.catalog.views.iter().position(|name| name == view) {
            return Ok(number as u16);
        }
        let number = self.catalog.views.len();
        if number == MAX_VIEWS {
            return Err(WriteError::TooManyViews { found: number + 1 });
        }
        Arc::make_mut(&mut self.catalog.views).push(view.to_owned());
        self.put_name(Namespace::View, view.as_bytes(), number as u32);
        Ok(number as u16)
    }

    fn put_name(&mut self, space: Namespace, name: &[u8], number: u32) {
        self.changes.put(key::name(space, name), &number.to_be_bytes());
    }
}
