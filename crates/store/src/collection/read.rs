use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeBounds};
use std::sync::Arc;

use lookalike_plugin_api::{Digest, ExemplarId, FeatureRows};
use roaring::RoaringBitmap;

use super::Collection;
use crate::entry::{ROW, USER_KEY, append_row, stored_id, stored_image, stored_record};
use crate::generation::folder;
use crate::record::StoredRecord;
use crate::{Catalog, CollectionStats, Damage, MAX_PAGE_ENTRIES, Page, ReadError, Record, key, value};

const CONTENT: &str = "content digest";

impl Collection {
    /// The record of an exemplar; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the record is damaged or reading fails.
    pub fn record(&self, id: ExemplarId) -> Result<Option<Record>, ReadError> {
        self.as_published(|catalog| self.record_in(catalog, id))
    }

    /// Reads the tree and what is unpublished, in this order, until nothing was published meanwhile.
    fn as_published<T>(&self, read: impl Fn(&Catalog) -> Result<T, ReadError>) -> Result<T, ReadError> {
        loop {
            let catalog = self.catalog();
            let answer = read(&catalog)?;
            if Arc::ptr_eq(&catalog, &self.catalog()) {
                return Ok(answer);
            }
        }
    }

    /// The record of an exemplar of a state, also if it was deleted since; `None` if the state has no such exemplar.
    /// Label and tags are the newest that readers may see.
    ///
    /// # Errors
    ///
    /// As for [`Collection::record`].
    pub fn record_in(&self, catalog: &Catalog, id: ExemplarId) -> Result<Option<Record>, ReadError> {
        let stored = self.stored_record_in(catalog, id)?;
        let published = self.lock_unpublished().record(catalog.batch(), id).or(stored);
        let record = published.map(|stored| stored.into_record(id));
        if let Some(record) = &record {
            self.check_against(catalog, record)?;
        }
        Ok(record)
    }

    /// A damaged log may show a record as it was before it was relabelled, whole and readable: the bitmaps know better.
    fn check_against(&self, catalog: &Catalog, record: &Record) -> Result<(), ReadError> {
        // The label of a state that is held longer is the newest, of which its catalog knows nothing.
        if catalog.agrees_with(record) || self.catalog().batch() != catalog.batch() {
            return Ok(());
        }
        Err(Damage::Missing { what: "agreement of record and bitmaps" }.into())
    }

    /// What a state that somebody holds has is not removed, so that it must be there.
    fn stored_record_in(&self, catalog: &Catalog, id: ExemplarId) -> Result<Option<StoredRecord>, ReadError> {
        if !catalog.live().contains(id) {
            return Ok(None);
        }
        let stored = stored_record(&self.ground(), id)?;
        stored.map(Some).ok_or_else(|| Damage::Missing { what: StoredRecord::WHAT }.into())
    }

    /// The id of a key; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the entry is damaged or reading fails.
    pub fn id_of(&self, key: &str) -> Result<Option<ExemplarId>, ReadError> {
        let find = |catalog: &Catalog| {
            let stored = stored_id(&self.ground(), key)?;
            let id = self.lock_unpublished().id_of(catalog.batch(), key, stored);
            Ok(id.filter(|&id| catalog.live().contains(id)))
        };
        if let Some(id) = self.as_published(find)? {
            return Ok(Some(id));
        }
        // "There is none" is believed only of a tree whose keys were counted.
        self.counted()?;
        self.as_published(find)
    }

    /// Ids of the exemplars whose encoded image has this [`content_digest`](crate::content_digest), ascending.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when an entry is damaged or reading fails.
    pub fn ids_of_content(&self, content: &Digest) -> Result<Vec<ExemplarId>, ReadError> {
        // As in `id_of`.
        self.counted()?;
        let catalog = self.catalog();
        let mut ids = Vec::new();
        let mut entries = self.ground().prefix(CONTENT, &key::contents(content))?;
        while let Some((key, _)) = entries.next()? {
            let id = key::id_of_content(&key).ok_or(Damage::Decode { what: CONTENT })?;
            // The key holds but half of the digest.
            if self.record_in(&catalog, id)?.is_some_and(|record| record.content == *content) {
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
        self.image_in(&self.catalog(), id)
    }

    /// The encoded image of an exemplar of a state, whatever became of it since; `None` if the state has no such
    /// exemplar.
    ///
    /// # Errors
    ///
    /// As for [`Collection::image`].
    pub fn image_in(&self, catalog: &Catalog, id: ExemplarId) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(record) = self.stored_record_in(catalog, id)? else {
            return Ok(None);
        };
        Ok(Some(stored_image(&self.ground(), id, &record)?))
    }

    /// Rows of `ids` in a view, in their order, `[ids, dimension]`. An id may come twice.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownView`]; [`ReadError::NoRow`] for an id that is not there or has no row in this view;
    /// others when a row is damaged or reading fails.
    pub fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, ReadError> {
        self.rows_in(&self.catalog(), view, ids)
    }

    /// Rows of exemplars of a state, in a view of the model that is current in it.
    ///
    /// # Errors
    ///
    /// As for [`Collection::rows`].
    pub fn rows_in(
        &self,
        catalog: &Catalog,
        view: &str,
        ids: &[ExemplarId],
    ) -> Result<FeatureRows, ReadError> {
        let (number, dimension) = served_view(catalog, view)?;
        let absent = catalog.without_row(catalog.current_model(), view);
        let ground = self.ground();
        let mut values = Vec::new();
        for &id in ids {
            let row = if catalog.live().contains(id) && !absent.contains(id) {
                ground.get(ROW, &key::row(number, id))?
            } else {
                None
            };
            let row = row.ok_or_else(|| ReadError::NoRow { id, view: view.to_owned() })?;
            append_row(&mut values, &row, dimension)?;
        }
        FeatureRows::new(dimension, values).map_err(|error| Damage::Rows(error).into())
    }

    /// Hands the rows of a view of the current model to `visit`, by ascending id, until it breaks off: those of the
    /// exemplars with an id in `ids` that are in the newest state when the call begins, whatever is written meanwhile.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownView`]; others when a row is damaged or reading fails, and at the end when an exemplar
    /// was not met that has a row in the view. Rows before it were visited.
    pub fn scan_rows(
        &self,
        view: &str,
        ids: impl RangeBounds<ExemplarId>,
        visit: &mut dyn FnMut(ExemplarId, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.scan_rows_in(&self.catalog(), view, ids, visit)
    }

    pub(super) fn scan_rows_in(
        &self,
        catalog: &Catalog,
        view: &str,
        ids: impl RangeBounds<ExemplarId>,
        visit: &mut dyn FnMut(ExemplarId, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (number, dimension) = served_view(catalog, view)?;
        let mut expected = RoaringBitmap::new();
        expected.insert_range((ids.start_bound().cloned(), ids.end_bound().cloned()));
        expected &= catalog.live();
        expected -= &*catalog.without_row(catalog.current_model(), view);
        let (Some(first), Some(last)) = (expected.min(), expected.max()) else {
            return Ok(());
        };
        let mut values = Vec::with_capacity(dimension);
        let mut entries = self.ground().range(ROW, key::row(number, first)..=key::row(number, last))?;
        while let Some((key, row)) = entries.next()? {
            let id = key::id_of_row(&key).ok_or(Damage::Decode { what: ROW })?;
            if !expected.remove(id) {
                continue;
            }
            values.clear();
            append_row(&mut values, &row, dimension)?;
            if visit(id, &values).is_break() {
                return Ok(());
            }
        }
        // A damaged log may lack an entry without another sign of it.
        if expected.is_empty() { Ok(()) } else { Err(Damage::Missing { what: ROW }.into()) }
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
        self.counted()?;
        // After a failed write nothing is written any more.
        let _settled = self.settle().ok();
        let catalog = self.catalog();
        let ground = self.ground();
        let replaced = self.lock_unpublished().keys(catalog.batch());
        let is_live = |id: &ExemplarId| catalog.live().contains(*id);
        let mut ids: BTreeMap<String, ExemplarId> = replaced
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
            .filter_map(|(key, id)| Some((key.clone(), id.filter(is_live)?)))
            .collect();
        // A zero byte makes the smallest key that is larger.
        let first =
            after.map_or_else(|| key::USER_KEYS.to_vec(), |after| [&key::user_key(after)[..], &[0]].concat());
        let mut entries = ground.range(USER_KEY, first..vec![key::USER_KEYS[0] + 1])?;
        let mut unchanged = 0;
        // One more than the page takes shows that there is a next one.
        while unchanged <= limit
            && let Some((key, payload)) = entries.next()?
        {
            let id = value::decode_u32(USER_KEY, &payload)?;
            let key = key::split_user_key(&key).ok_or(Damage::Decode { what: USER_KEY })?;
            if is_live(&id) && !replaced.contains_key(key) {
                ids.insert(key.to_owned(), id);
                unchanged += 1;
            }
        }
        let mut page = Page { entries: Vec::new(), next: None };
        for (key, id) in ids {
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|record: &Record| record.key.clone());
                break;
            }
            let before = self.lock_unpublished().record(catalog.batch(), id);
            let stored = before.map_or_else(|| stored_record(&ground, id), |before| Ok(Some(before)))?;
            let stored = stored.filter(|stored| stored.key == key);
            let stored = stored.ok_or(Damage::Missing { what: StoredRecord::WHAT })?;
            let record = stored.into_record(id);
            self.check_against(&catalog, &record)?;
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
        let mut views: Vec<String> = catalog.views().into_iter().map(str::to_owned).collect();
        views.sort();
        Ok(CollectionStats {
            exemplars: catalog.len(),
            labels: catalog.labels().filter(|(_, _, members)| !members.is_empty()).count() as u64,
            image_bytes: catalog.totals.image_bytes,
            disk_bytes: folder::bytes(&self.home)?,
            batches: catalog.batch(),
            views,
        })
    }
}

/// The number of a view of the current model, and the values of its rows.
pub(super) fn served_view(catalog: &Catalog, view: &str) -> Result<(u16, usize), ReadError> {
    let number = catalog.view_number(catalog.current_model(), view);
    let number = number.ok_or_else(|| ReadError::UnknownView { name: view.to_owned() })?;
    Ok((number, catalog.fingerprint().dimension as usize))
}
