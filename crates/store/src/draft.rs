//! A batch in the making: what it changes on the disk, and the catalog after it.

mod bitmaps;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bitmaps::expect_member;
use lookalike_plugin_api::{Digest, ExemplarId, LabelId};
use roaring::RoaringBitmap;

use crate::before::Before;
use crate::catalog::{TagNumbers, ViewEntry};
use crate::entry::{stored_id, stored_record};
use crate::generation::tree::{AccessError, Changes, Tree};
use crate::key::{self, Namespace};
use crate::limits::{CHUNK_BYTES, MAX_VALUE_BYTES, MAX_VIEWS};
use crate::record::{StoredRecord, StoredTag};
use crate::schema::Models;
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
    /// What keys and records were before the batch.
    before: Before,
    tag_numbers: &'a TagNumbers,
    new_tag_numbers: HashMap<TagName, Option<u32>>,
    /// Containers to write, by their upper bits.
    touched_tombstones: BTreeSet<u16>,
    touched_labels: BTreeMap<LabelId, BTreeSet<u16>>,
    touched_tags: BTreeMap<TagName, BTreeSet<u16>>,
    touched_views: BTreeMap<u16, BTreeSet<u16>>,
    /// Exemplars deleted by this batch. Their data stays until nobody can see them any more.
    removed: Vec<ExemplarId>,
}

/// A batch that is ready to be written.
pub(crate) struct Finished {
    pub(crate) changes: Changes,
    pub(crate) catalog: Catalog,
    /// Tag values that are new, with their numbers, or gone.
    pub(crate) tag_numbers: HashMap<TagName, Option<u32>>,
    /// What keys and records it replaces.
    pub(crate) before: Before,
    /// Exemplars that were deleted.
    pub(crate) removed: Vec<ExemplarId>,
}

/// When an exemplar was stored and last relabelled, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

/// The upper bits of the ids of a bitmap.
fn highs(bitmap: &RoaringBitmap) -> BTreeSet<u16> {
    match (bitmap.min(), bitmap.max()) {
        (Some(least), Some(most)) => (container::high(least)..=container::high(most)).collect(),
        _ => BTreeSet::new(),
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(tree: &'a Tree, before: &Catalog, tag_numbers: &'a TagNumbers, now_ms: u64) -> Self {
        Self {
            tree,
            now_ms,
            catalog: before.successor(),
            changes: Changes::default(),
            changed: false,
            keys: HashMap::new(),
            records: HashMap::new(),
            before: Before::default(),
            tag_numbers,
            new_tag_numbers: HashMap::new(),
            touched_tombstones: BTreeSet::new(),
            touched_labels: BTreeMap::new(),
            touched_tags: BTreeMap::new(),
            touched_views: BTreeMap::new(),
            removed: Vec::new(),
        }
    }

    /// Deletes the exemplar of a key, if there is one.
    pub(crate) fn delete(&mut self, key: &str) -> Result<Option<ExemplarId>, WriteError> {
        let Some((id, record)) = self.find(key)? else {
            return Ok(None);
        };
        self.remove(id, &record)?;
        self.changes.remove(key::user_key(key));
        self.before.keys.entry(key.to_owned()).or_insert(Some(id));
        self.keys.insert(key.to_owned(), None);
        Ok(Some(id))
    }

    /// Stores an exemplar that was checked before.
    pub(crate) fn upsert(&mut self, new: NewExemplar) -> Result<Upserted, WriteError> {
        let content = content_digest(&new.image);
        let Some((id, record)) = self.find(&new.key)? else {
            self.before.keys.entry(new.key.clone()).or_insert(None);
            return self.insert(new, &content).map(Upserted::Inserted);
        };
        if record.content != content.0 {
            self.remove(id, &record)?;
            self.before.keys.entry(new.key.clone()).or_insert(Some(id));
            return Ok(Upserted::Replaced { id: self.insert(new, &content)?, previous: id });
        }
        self.complete_rows(id, &new)?;
        if record.label == new.label && record.tags() == new.tags {
            return Ok(Upserted::Unchanged(id));
        }
        self.relabel(id, record, new)?;
        Ok(Upserted::Relabelled(id))
    }

    /// Stores an exemplar under an id of its own choice, at or above the next one, with the times it had; what it
    /// has no rows for is noted as missing. This is how a collection is copied.
    pub(crate) fn restore(
        &mut self,
        id: ExemplarId,
        new: NewExemplar,
        times: Times,
    ) -> Result<(), WriteError> {
        let next = self.catalog.totals.next_id;
        if id < next {
            return Err(
                Damage::Disagreement { what: "next id", found: id.into(), expected: next.into() }.into()
            );
        }
        self.skip_ids(id);
        let content = content_digest(&new.image);
        self.insert_at(new, &content, times).map(drop)
    }

    /// Counts this batch as none: copying must not change the number of batches.
    pub(crate) fn keep_batch_number(&mut self) {
        if self.changed {
            self.catalog.totals.batch = self.catalog.totals.batch.saturating_sub(1);
        }
    }

    /// Gives the ids below `next` to nobody.
    pub(crate) fn skip_ids(&mut self, next: ExemplarId) {
        let first = std::mem::replace(&mut self.catalog.totals.next_id, next);
        if first < next {
            self.changed = true;
            self.touched_tombstones.extend(container::high(first)..=container::high(next - 1));
        }
    }

    /// Stores rows of a model for exemplars that have none yet; exemplars that are not there are left out.
    pub(crate) fn add_rows(
        &mut self,
        model: u16,
        view: &str,
        rows: &[(ExemplarId, Vec<f32>)],
    ) -> Result<u64, WriteError> {
        let number = self.view_number(model, view)?;
        let mut added = 0;
        for (id, row) in rows {
            if self.set_absent(number, *id, false) {
                self.put_row(number, *id, row);
                added += 1;
            }
        }
        Ok(added)
    }

    /// Removes what is left of deleted exemplars that nobody can see any more.
    pub(crate) fn purge(&mut self, ids: &[ExemplarId]) -> Result<(), WriteError> {
        for &id in ids {
            let record = match stored_record(self.tree, id) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                // It is of no use to anybody, and must not keep others from being written.
                Err(AccessError::Damage(damage)) => {
                    tracing::warn!(id, %damage, "what is left of a deleted exemplar stays behind");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.changed = true;
            self.changes.remove(key::record(id));
            for number in 0..record.chunks {
                self.changes.remove(key::chunk(id, number));
            }
            for &view in self.catalog.views.keys() {
                self.changes.remove(key::row(view, id));
            }
            self.changes.remove(key::content(&Digest(record.content), id));
        }
        Ok(())
    }

    /// Changes which models there are.
    pub(crate) fn set_models(&mut self, models: Models) -> Result<(), WriteError> {
        self.changes.put(key::models(), &value::encode(Models::WHAT, &models)?);
        self.changed = true;
        self.catalog.set_models(models);
        Ok(())
    }

    /// Removes rows of a view, and notes that those exemplars which are there have none any more; gives their number.
    pub(crate) fn remove_rows(&mut self, number: u16, ids: &[ExemplarId]) -> u64 {
        let mut of_exemplars = 0;
        for &id in ids {
            self.remove_key(key::row(number, id));
            if self.catalog.live.contains(id) && self.set_absent(number, id, true) {
                of_exemplars += 1;
            }
        }
        of_exemplars
    }

    /// Forgets a view whose rows are gone.
    pub(crate) fn forget_view(&mut self, number: u16) {
        if let Some(entry) = Arc::make_mut(&mut self.catalog.views).remove(&number) {
            self.changed = true;
            self.changes.remove(key::name(Namespace::View, &key::view_name(entry.model, &entry.name)));
            for high in 0..=container::high(self.catalog.totals.next_id) {
                self.changes.remove(key::container(Namespace::View, number.into(), high));
            }
        }
    }

    /// Removes one key.
    pub(crate) fn remove_key(&mut self, key: Vec<u8>) {
        self.changed = true;
        self.changes.remove(key);
    }

    /// The state so far.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
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
        let times = Times { created_ms: self.now_ms, updated_ms: self.now_ms };
        self.insert_at(new, content, times)
    }

    fn insert_at(
        &mut self,
        new: NewExemplar,
        content: &Digest,
        times: Times,
    ) -> Result<ExemplarId, WriteError> {
        let id = self.catalog.totals.next_id;
        // The largest id stays free, so that "below the next id" can be said of every id.
        let next_id = id.checked_add(1).ok_or(WriteError::IdsExhausted)?;
        let model = self.catalog.models.current;
        // A view that is new now is one that every exemplar before has no row in, so they come first.
        let numbers: Vec<u16> =
            new.rows.iter().map(|(view, _)| self.view_number(model, view)).collect::<Result<_, _>>()?;
        for (&number, (_, row)) in numbers.iter().zip(&new.rows) {
            self.put_row(number, id, row);
        }
        Arc::make_mut(&mut self.catalog.live).insert(id);
        let others: Vec<u16> =
            self.catalog.views.keys().copied().filter(|number| !numbers.contains(number)).collect();
        for number in others {
            self.set_absent(number, id, true);
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
            created_ms: times.created_ms,
            updated_ms: times.updated_ms,
        };
        self.put_record(id, &record)?;
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

    /// Removes an exemplar, but neither the entry of its key nor its data.
    fn remove(&mut self, id: ExemplarId, record: &StoredRecord) -> Result<(), WriteError> {
        self.changed = true;
        self.removed.push(id);
        let views: Vec<u16> = self.catalog.views.keys().copied().collect();
        for number in views {
            self.set_absent(number, id, false);
        }
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
        self.before.records.entry(id).or_insert_with(|| record.clone());
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

    fn view_number(&mut self, model: u16, view: &str) -> Result<u16, WriteError> {
        if let Some(number) = self.catalog.view_number(model, view) {
            return Ok(number);
        }
        let views = &self.catalog.views;
        if views.len() == MAX_VIEWS {
            return Err(WriteError::TooManyViews { found: views.len() + 1 });
        }
        let free = (0..MAX_VIEWS as u16).find(|number| !views.contains_key(number));
        let number = free.ok_or(WriteError::TooManyViews { found: views.len() + 1 })?;
        let absent = Arc::clone(&self.catalog.live);
        self.touched_views.entry(number).or_default().extend(highs(&absent));
        let entry = ViewEntry { model, name: view.to_owned(), absent };
        Arc::make_mut(&mut self.catalog.views).insert(number, entry);
        self.put_name(Namespace::View, &key::view_name(model, view), number.into());
        Ok(number)
    }

    /// Notes whether an exemplar lacks a row; `true` if that is news.
    fn set_absent(&mut self, number: u16, id: ExemplarId, is_absent: bool) -> bool {
        let known = self.catalog.views.get(&number).is_some_and(|entry| entry.absent.contains(id));
        if known == is_absent {
            return false;
        }
        if let Some(entry) = Arc::make_mut(&mut self.catalog.views).get_mut(&number) {
            let absent = Arc::make_mut(&mut entry.absent);
            if is_absent {
                absent.insert(id)
            } else {
                absent.remove(id)
            };
        }
        self.changed = true;
        self.touched_views.entry(number).or_default().insert(container::high(id));
        true
    }

    /// Stores those rows of an exemplar that it has not had so far.
    fn complete_rows(&mut self, id: ExemplarId, new: &NewExemplar) -> Result<(), WriteError> {
        let model = self.catalog.models.current;
        for (view, row) in &new.rows {
            let number = self.view_number(model, view)?;
            if self.set_absent(number, id, false) {
                self.put_row(number, id, row);
            }
        }
        Ok(())
    }

    fn put_row(&mut self, number: u16, id: ExemplarId, row: &[f32]) {
        if cfg!(target_endian = "little") {
            self.changes.put(key::row(number, id), bytemuck::cast_slice(row));
        } else {
            let bytes: Vec<u8> = row.iter().flat_map(|number| number.to_le_bytes()).collect();
            self.changes.put(key::row(number, id), &bytes);
        }
    }

    fn put_name(&mut self, space: Namespace, name: &[u8], number: u32) {
        self.changes.put(key::name(space, name), &number.to_be_bytes());
    }
}
