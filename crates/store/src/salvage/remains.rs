//! What can be read of a tree.

use std::collections::BTreeMap;

use lookalike_plugin_api::{ExemplarId, Fingerprint};
use roaring::RoaringBitmap;

use crate::draft::Times;
use crate::entry::{ROW, append_row, stored_id, stored_image};
use crate::generation::tree::{AccessError, Entries, Payload, Tree};
use crate::key::{self, Namespace};
use crate::old_format::Schema1;
use crate::record::StoredRecord;
use crate::schema::{Models, Schema, Totals};
use crate::{Damage, Finding, Loss, NewExemplar, container, value};

/// What is known of a collection as a whole.
pub(super) struct Remains {
    pub(super) is_present_format: bool,
    pub(super) fingerprint: Fingerprint,
    pub(super) created_ms: Option<u64>,
    pub(super) uuid: Option<[u8; 16]>,
    pub(super) totals: Option<Totals>,
    /// Names of the current model's views by their number.
    views: BTreeMap<u16, String>,
    deleted: RoaringBitmap,
    /// The highest id with a record, where the totals are lost.
    highest: ExemplarId,
}

/// An exemplar whose image and description are whole.
pub(super) struct Found {
    pub(super) id: ExemplarId,
    pub(super) exemplar: NewExemplar,
    pub(super) times: Times,
    pub(super) lost_rows: Vec<Finding>,
}

impl Remains {
    /// `None` if the model is not known and there is no `fallback`.
    pub(super) fn of(tree: &Tree, fallback: Option<&Fingerprint>) -> Option<Self> {
        let schema = tree.get(Schema::WHAT, &key::schema()).ok().flatten();
        let is_present_format = schema.as_ref().is_none_or(|payload| payload.format() > 1);
        let mut remains = if is_present_format {
            Self::of_present(tree, schema.as_ref(), fallback)?
        } else {
            Self::of_first(schema.as_ref()?)?
        };
        remains.totals =
            read(tree, Totals::WHAT, &key::next()).and_then(|p| value::decode(Totals::WHAT, &p).ok());
        remains.read_names(tree, is_present_format);
        remains.read_deleted(tree);
        Some(remains)
    }

    fn of_present(tree: &Tree, schema: Option<&Payload>, fallback: Option<&Fingerprint>) -> Option<Self> {
        let schema: Option<Schema> = schema.and_then(|payload| value::decode(Schema::WHAT, payload).ok());
        let models: Option<Models> =
            read(tree, Models::WHAT, &key::models()).and_then(|p| value::decode(Models::WHAT, &p).ok());
        let models = models.filter(Models::is_sound);
        let known = models.as_ref().and_then(|models| models.get(models.current));
        let fingerprint = known.map(crate::schema::StoredModel::fingerprint).or_else(|| fallback.cloned())?;
        let mut remains = Self::new(true, fingerprint);
        // Rows are of a model that is known, or are lost.
        remains.views =
            models.map(|models| BTreeMap::from([(models.current, String::new())])).unwrap_or_default();
        remains.created_ms = schema.as_ref().map(|schema| schema.created_ms);
        remains.uuid = schema.map(|schema| schema.uuid);
        Some(remains)
    }

    fn of_first(schema: &Payload) -> Option<Self> {
        let schema: Schema1 = value::decode(Schema::WHAT, schema).ok()?;
        let mut remains = Self::new(false, schema.fingerprint.get());
        remains.views = BTreeMap::from([(0, String::new())]);
        (schema.magic == Schema::MAGIC).then_some(())?;
        (remains.created_ms, remains.uuid) = (Some(schema.created_ms), Some(schema.uuid));
        Some(remains)
    }

    fn new(is_present_format: bool, fingerprint: Fingerprint) -> Self {
        Self {
            is_present_format,
            fingerprint,
            created_ms: None,
            uuid: None,
            totals: None,
            views: BTreeMap::new(),
            deleted: RoaringBitmap::new(),
            highest: 0,
        }
    }

    /// Replaces the number of the current model by the numbers and names of its views.
    fn read_names(&mut self, tree: &Tree, is_present_format: bool) {
        let current = std::mem::take(&mut self.views).into_keys().next();
        each(tree, "name", key::NAMES, &mut |key, payload| {
            let Some((Namespace::View, name)) = key::split_name(key) else { return };
            let found = if is_present_format {
                key::split_view_name(name)
            } else {
                std::str::from_utf8(name).ok().map(|name| (0, name))
            };
            let number =
                value::decode_u32("name", payload).ok().and_then(|number| u16::try_from(number).ok());
            if let (Some((model, name)), Some(number)) = (found, number)
                && Some(model) == current
            {
                self.views.insert(number, name.to_owned());
            }
        });
    }

    fn read_deleted(&mut self, tree: &Tree) {
        let next_id = self.totals.map_or(ExemplarId::MAX, |totals| totals.next_id);
        each(tree, "bitmap", key::CONTAINERS, &mut |key, payload| {
            if let Some((Namespace::Tombstone, _, high)) = key::split_container(key) {
                let mut part = RoaringBitmap::new();
                if container::decode_into(&mut part, payload, high, next_id).is_ok() {
                    self.deleted |= part;
                }
            }
        });
        if self.totals.is_none() {
            each(tree, StoredRecord::WHAT, key::RECORDS, &mut |key, _| {
                self.highest = self.highest.max(key::id_of_record(key).unwrap_or_default());
            });
        }
    }

    /// The first id that was certainly not given away.
    pub(super) fn next_id(&self) -> ExemplarId {
        self.totals.map_or(self.highest.saturating_add(1), |totals| totals.next_id)
    }

    /// The exemplars by ascending id, or what was lost of them.
    pub(super) fn walk<'a>(
        &'a self,
        tree: &'a Tree,
    ) -> Result<impl Iterator<Item = Result<Found, Finding>> + 'a, AccessError> {
        let mut records = tree.prefix(StoredRecord::WHAT, key::RECORDS)?;
        Ok(std::iter::from_fn(move || {
            loop {
                let entries = &mut records;
                match entries.next() {
                    Ok(None) => return None,
                    Ok(Some((key, payload))) => {
                        let id = key::id_of_record(&key);
                        let Some(id) = id.filter(|id| !self.deleted.contains(*id)) else { continue };
                        match self.exemplar(tree, id, &payload) {
                            // Another has its key now: it was deleted, and its data was still to be removed.
                            Ok(Found { id: _, exemplar, .. }) if matches!(stored_id(tree, &exemplar.key), Ok(Some(now)) if now != id) =>
                                {}
                            found => return Some(found.map_err(|damage| lost(id, damage))),
                        }
                    }
                    Err(AccessError::Damage(damage)) => {
                        let id = key::id_of_record(entries.key()).unwrap_or_default();
                        return Some(Err(lost(id, damage)));
                    }
                    // A log goes on behind a part of the disk that cannot be read; a tree ends by itself.
                    Err(AccessError::Tree(error)) => {
                        let id = key::id_of_record(entries.key()).unwrap_or_default();
                        let subject = format!("an exemplar after {id}");
                        let damage = Damage::Unreadable(error);
                        return Some(Err(Finding { loss: Loss::Exemplar, subject, damage }));
                    }
                }
            }
        }))
    }

    fn exemplar(&self, tree: &Tree, id: ExemplarId, payload: &Payload) -> Result<Found, Damage> {
        let record = StoredRecord::decode(payload)?;
        let image = stored_image(tree, id, &record)?;
        let mut rows = Vec::new();
        let mut lost_rows = Vec::new();
        for (&number, name) in &self.views {
            match self.row(tree, number, id) {
                Ok(Some(row)) => rows.push((name.clone(), row)),
                Ok(None) => {}
                Err(damage) => {
                    let subject = format!("row of exemplar {id} in view \"{name}\"");
                    lost_rows.push(Finding { loss: Loss::Features, subject, damage });
                }
            }
        }
        let times = Times { created_ms: record.created_ms, updated_ms: record.updated_ms };
        let tags = record.tags();
        let exemplar = NewExemplar {
            key: record.key,
            label: record.label,
            tags,
            image,
            media_type: record.media_type,
            height: record.height,
            width: record.width,
            channels: record.channels,
            rows,
        };
        Ok(Found { id, exemplar, times, lost_rows })
    }

    fn row(&self, tree: &Tree, number: u16, id: ExemplarId) -> Result<Option<Vec<f32>>, Damage> {
        let Some(payload) = tree.get(ROW, &key::row(number, id))? else { return Ok(None) };
        let mut row = Vec::new();
        append_row(&mut row, &payload, self.fingerprint.dimension as usize)?;
        if row.iter().any(|value| !value.is_finite()) {
            return Err(Damage::Decode { what: ROW });
        }
        Ok(Some(row))
    }
}

fn lost(id: ExemplarId, damage: Damage) -> Finding {
    Finding { loss: Loss::Exemplar, subject: format!("exemplar {id}"), damage }
}

fn read(tree: &Tree, what: &'static str, key: &[u8]) -> Option<Payload> {
    tree.get(what, key).ok().flatten()
}

/// Looks at the entries of a prefix that are whole.
fn each(tree: &Tree, what: &'static str, prefix: &[u8], look: &mut dyn FnMut(&[u8], &Payload)) {
    let Ok(mut entries): Result<Entries, _> = tree.prefix(what, prefix) else { return };
    loop {
        match entries.next() {
            Ok(Some((key, payload))) => look(&key, &payload),
            Err(AccessError::Damage(_)) => {}
            Ok(None) | Err(AccessError::Tree(_)) => return,
        }
    }
}
