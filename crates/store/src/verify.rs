//! Whether everything in a tree is whole and agrees.

mod index;
mod report;

use std::collections::{BTreeMap, HashMap};

use index::{Brief, Index};
use lookalike_plugin_api::ExemplarId;
pub use report::{Finding, Loss, VerifyReport};
use roaring::RoaringBitmap;

use crate::generation::tree::{AccessError, Entries, Payload, Tree};
use crate::key::{self, Namespace};
use crate::record::StoredRecord;
use crate::schema::{Models, Schema, Totals};
use crate::{Damage, TagValue, catalog, container, value};

/// Called with the number of entries looked at so far, every few thousand of them.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64);

const PROGRESS_EVERY: u64 = 4_096;

/// Walks through a tree. It may be read meanwhile, but not written. Per exemplar it takes some 100 bytes of memory.
pub(crate) fn walk(tree: &Tree, progress: Progress<'_>) -> VerifyReport {
    let mut report = VerifyReport::default();
    walk_on(tree, progress, &mut report);
    report
}

/// As [`walk`], with findings added to those that there are.
pub(crate) fn walk_on(tree: &Tree, progress: Progress<'_>, report: &mut VerifyReport) {
    Walk { tree, progress, entries: 0, report }.all();
}

struct Walk<'a> {
    tree: &'a Tree,
    progress: Progress<'a>,
    entries: u64,
    report: &'a mut VerifyReport,
}

impl Walk<'_> {
    fn all(&mut self) {
        let _schema: Option<Schema> = self.meta(Schema::WHAT, &key::schema());
        let totals: Option<Totals> = self.meta(Totals::WHAT, &key::next());
        let models: Option<Models> = self.meta(Models::WHAT, &key::models());
        if models.as_ref().is_some_and(|models| !models.is_sound()) {
            self.add(Loss::Collection, Models::WHAT, Damage::Decode { what: Models::WHAT });
        }
        let (Some(totals), Some(models)) = (totals, models) else {
            return;
        };
        let index = self.names_and_bitmaps(&totals);
        let records = self.records(&index);
        self.images(&index, &records);
        self.rows(&index, &models);
        self.keys(&index, &records);
        self.contents(&index, &records);
        self.derived(&index, &records, &totals);
        // Whatever keeps it from being opened is wrong, whether or not it was met above.
        if self.report.is_clean()
            && let Err(error) = catalog::load(self.tree)
        {
            self.add(Loss::Collection, "catalog", error.into());
        }
        self.report.exemplars = index.live.len();
        self.report.batch = totals.batch;
    }

    fn add(&mut self, loss: Loss, subject: impl Into<String>, damage: Damage) {
        self.report.add(Finding { loss, subject: subject.into(), damage });
    }

    fn meta<T: serde::de::DeserializeOwned>(&mut self, what: &'static str, key: &[u8]) -> Option<T> {
        let found = match self.tree.get(what, key) {
            Ok(Some(payload)) => value::decode(what, &payload).map_err(AccessError::Damage),
            Ok(None) => Err(Damage::Missing { what }.into()),
            Err(error) => Err(error),
        };
        match found {
            Ok(content) => Some(content),
            Err(error) => {
                self.add(Loss::Collection, what, error.into());
                None
            }
        }
    }

    /// Looks at all entries that begin with `prefix`. What is damaged is a finding, and the walk goes on behind it.
    fn each(
        &mut self,
        what: &'static str,
        prefix: &[u8],
        loss: Loss,
        mut look: impl FnMut(&mut Self, &[u8], &Payload) -> Result<(), Damage>,
    ) {
        let mut entries: Entries = match self.tree.prefix(what, prefix) {
            Ok(entries) => entries,
            Err(error) => return self.add(loss, what, error.into()),
        };
        loop {
            let damage = match entries.next() {
                Ok(None) => return,
                Ok(Some((key, payload))) => look(self, &key, &payload).err(),
                Err(AccessError::Damage(damage)) => Some(damage),
                Err(error @ AccessError::Tree(_)) => return self.add(loss, what, error.into()),
            };
            if let Some(damage) = damage {
                self.add(loss, key::describe(entries.key()), damage);
            }
            self.entries += 1;
            if self.entries.is_multiple_of(PROGRESS_EVERY) {
                (self.progress)(self.entries);
            }
        }
    }

    fn names_and_bitmaps(&mut self, totals: &Totals) -> Index {
        let mut index = Index::default();
        self.each("name", key::NAMES, Loss::Derived, |_, key, payload| {
            let number = value::decode_u32("name", payload)?;
            index.add_name(key, number).ok_or(Damage::Decode { what: "name" })
        });
        let mut tombstones = RoaringBitmap::new();
        self.each("bitmap", key::CONTAINERS, Loss::Derived, |_, key, payload| {
            let (space, number, high) = key::split_container(key).ok_or(Damage::Decode { what: "bitmap" })?;
            let bitmap = match space {
                Namespace::Tombstone => &mut tombstones,
                Namespace::Label => index.labels.entry(number).or_default(),
                Namespace::Tag => index.tags.entry(number).or_default(),
                Namespace::View => index.absent.entry(number).or_default(),
            };
            container::decode_into(bitmap, payload, high, totals.next_id)
        });
        index.next_id = totals.next_id;
        index.live.insert_range(0..totals.next_id);
        index.live -= tombstones;
        index
    }

    fn records(&mut self, index: &Index) -> HashMap<ExemplarId, Brief> {
        let mut records = HashMap::new();
        self.each(StoredRecord::WHAT, key::RECORDS, Loss::Exemplar, |_, key, payload| {
            let id = key::id_of_record(key).ok_or(Damage::Decode { what: StoredRecord::WHAT })?;
            if id >= index.next_id {
                return Err(beyond(id, index));
            }
            let record = StoredRecord::decode(payload)?;
            if index.live.contains(id) {
                records.insert(id, Brief::new(record));
            }
            Ok(())
        });
        for id in &index.live {
            if !records.contains_key(&id) {
                self.add(Loss::Exemplar, format!("exemplar {id}"), Damage::Missing { what: "record" });
            }
        }
        records
    }

    fn images(&mut self, index: &Index, records: &HashMap<ExemplarId, Brief>) {
        let mut open: Option<(ExemplarId, u16, blake3::Hasher, u64)> = None;
        let mut whole = RoaringBitmap::new();
        self.each("image", key::CHUNKS, Loss::Exemplar, |walk, key, payload| {
            let (id, number) = key::split_chunk(key).ok_or(Damage::Decode { what: "image" })?;
            if !index.live.contains(id) {
                return if id < index.next_id { Ok(()) } else { Err(beyond(id, index)) };
            }
            let before = open.take().filter(|(open_id, ..)| *open_id == id);
            let (_, expected, mut hasher, bytes) = before.unwrap_or((id, 0, blake3::Hasher::new(), 0));
            hasher.update(payload);
            let bytes = bytes + payload.len() as u64;
            let Some(brief) = records.get(&id) else { return Ok(()) };
            if number == expected && number.checked_add(1) == Some(brief.chunks) {
                if bytes == u64::from(brief.image_bytes) && hasher.finalize() == brief.content {
                    whole.insert(id);
                    walk.report.image_bytes += bytes;
                }
            } else {
                open = Some((id, expected.saturating_add(u16::from(number == expected)), hasher, bytes));
            }
            Ok(())
        });
        for id in &index.live - whole {
            self.add(Loss::Exemplar, format!("image of exemplar {id}"), Damage::Checksum { what: "image" });
        }
    }

    fn rows(&mut self, index: &Index, models: &Models) {
        let mut met: BTreeMap<u16, RoaringBitmap> = BTreeMap::new();
        self.each("feature row", key::ROWS, Loss::Features, |walk, key, payload| {
            let (number, id) = key::split_row(key).ok_or(Damage::Decode { what: "feature row" })?;
            let view = index.views.get(&number.into()).ok_or(Damage::Missing { what: "name of the view" })?;
            let model = models.get(view.0).ok_or(Damage::Missing { what: "model of the view" })?;
            let (values, rest) = payload.as_chunks::<4>();
            if !rest.is_empty() || values.len() != model.dimension() {
                let (found, expected) = (payload.len() as u64, 4 * model.dimension() as u64);
                return Err(Damage::Disagreement { what: "bytes of the feature row", found, expected });
            }
            if values.iter().any(|&bytes| !f32::from_le_bytes(bytes).is_finite()) {
                return Err(Damage::Decode { what: "feature row" });
            }
            if id >= index.next_id {
                return Err(beyond(id, index));
            }
            met.entry(number).or_default().insert(id);
            walk.report.rows += 1;
            Ok(())
        });
        for (&number, (model, name)) in &index.views {
            let met = met.remove(&(number as u16)).unwrap_or_default();
            let absent = index.absent.get(&number).cloned().unwrap_or_default();
            // The rows of a model that is being removed go before its name.
            if models.has_role(*model) {
                for id in &index.live - &absent - &met {
                    let subject = format!("row of exemplar {id} in view \"{name}\" of model {model}");
                    self.add(Loss::Features, subject, Damage::Missing { what: "feature row" });
                }
            }
            if !absent.is_subset(&index.live) || !absent.is_disjoint(&met) {
                let subject = format!("bitmap of view \"{name}\" of model {model}");
                self.add(Loss::Derived, subject, Damage::Missing { what: "exemplar of a bitmap" });
            }
        }
    }

    fn keys(&mut self, index: &Index, records: &HashMap<ExemplarId, Brief>) {
        let mut met = RoaringBitmap::new();
        self.each("key", key::USER_KEYS, Loss::Derived, |_, key, payload| {
            let id = value::decode_u32("key", payload)?;
            let text = key::split_user_key(key).ok_or(Damage::Decode { what: "key" })?;
            match records.get(&id) {
                Some(brief) if brief.key == index::hash(text.as_bytes()) => {}
                Some(_) => return Err(Damage::Missing { what: "key in its record" }),
                None if index.live.contains(id) => {}
                None => return Err(Damage::Missing { what: "exemplar of the key" }),
            }
            if met.insert(id) {
                Ok(())
            } else {
                Err(Damage::Disagreement { what: "keys of an exemplar", found: 2, expected: 1 })
            }
        });
        for id in &index.live - met {
            self.add(Loss::Derived, format!("exemplar {id}"), Damage::Missing { what: "entry of its key" });
        }
    }

    fn contents(&mut self, index: &Index, records: &HashMap<ExemplarId, Brief>) {
        let mut met = RoaringBitmap::new();
        self.each("content digest", key::CONTENTS, Loss::Derived, |_, key, _| {
            let id = key::id_of_content(key).ok_or(Damage::Decode { what: "content digest" })?;
            let digest = key::digest_of_content(key).ok_or(Damage::Decode { what: "content digest" })?;
            if records.get(&id).is_some_and(|brief| brief.content.as_bytes()[..16] != digest) {
                return Err(Damage::Missing { what: "digest in its record" });
            }
            met.insert(id);
            Ok(())
        });
        for id in &index.live - met {
            self.add(
                Loss::Derived,
                format!("exemplar {id}"),
                Damage::Missing { what: "entry of its content digest" },
            );
        }
    }

    /// Compares bitmaps and sums with the records.
    fn derived(&mut self, index: &Index, records: &HashMap<ExemplarId, Brief>, totals: &Totals) {
        let mut labels: BTreeMap<&str, RoaringBitmap> = BTreeMap::new();
        let mut tags: BTreeMap<(&str, &TagValue), RoaringBitmap> = BTreeMap::new();
        for (&id, brief) in records {
            if let Some(label) = &brief.label {
                labels.entry(label).or_default().insert(id);
            }
            for (name, value) in &brief.tags {
                tags.entry((name, value)).or_default().insert(id);
            }
        }
        let labelled = labels.values().map(RoaringBitmap::len).sum();
        let tagged = tags.values().map(RoaringBitmap::len).sum();
        for (number, name) in &index.label_names {
            let expected = labels.remove(name.as_str()).unwrap_or_default();
            if index.labels.get(number).unwrap_or(&RoaringBitmap::new()) != &expected {
                self.add(Loss::Derived, format!("bitmap of label \"{name}\""), BITMAP);
            }
        }
        for (number, (name, value)) in &index.tag_names {
            let expected = tags.remove(&(name.as_str(), value)).unwrap_or_default();
            if index.tags.get(number).unwrap_or(&RoaringBitmap::new()) != &expected {
                self.add(Loss::Derived, format!("bitmap of tag \"{name}\" = {value}"), BITMAP);
            }
        }
        for name in labels.into_keys() {
            self.add(Loss::Derived, format!("label \"{name}\""), Damage::Missing { what: "name of a label" });
        }
        for (name, value) in tags.into_keys() {
            let subject = format!("tag \"{name}\" = {value}");
            self.add(Loss::Derived, subject, Damage::Missing { what: "name of a tag" });
        }
        let bytes = records.values().map(|brief| u64::from(brief.image_bytes)).sum();
        let sums = [
            ("number of exemplars", index.live.len(), totals.exemplars),
            ("number of labels", index.label_names.len() as u64, totals.labels.into()),
            ("number of exemplars with a label", labelled, totals.labelled),
            ("number of tags", tagged, totals.tagged),
            ("bytes of all images", bytes, totals.image_bytes),
        ];
        for (what, found, expected) in sums {
            if found != expected {
                self.add(Loss::Derived, "sums", Damage::Disagreement { what, found, expected });
            }
        }
    }
}

const BITMAP: Damage = Damage::Missing { what: "agreement with the records" };

fn beyond(id: ExemplarId, index: &Index) -> Damage {
    Damage::Disagreement {
        what: "id, which must be below the next",
        found: id.into(),
        expected: index.next_id.into(),
    }
}
