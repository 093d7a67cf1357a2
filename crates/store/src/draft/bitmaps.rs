//! Labels and tags of a draft: the catalog's bitmaps and, at the end, their containers.

use std::collections::BTreeSet;
use std::sync::Arc;

use lookalike_plugin_api::{ExemplarId, LabelId};

use super::{Draft, Finished, TagName};
use crate::catalog::LabelEntry;
use crate::generation::tree::Changes;
use crate::key::{self, Namespace};
use crate::schema::Totals;
use crate::{Damage, TagValue, WriteError, container, value};

impl Draft<'_> {
    pub(super) fn set_label(
        &mut self,
        id: ExemplarId,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<(), WriteError> {
        if old == new {
            return Ok(());
        }
        if let Some(name) = old {
            let label = self.catalog.label_id(name).ok_or(Damage::Missing { what: "label" })?;
            expect_member(Arc::make_mut(&mut self.catalog.labels[label as usize].members).remove(id))?;
            self.touched_labels.entry(label).or_default().insert(container::high(id));
            self.catalog.totals.labelled -= 1;
        }
        let label = new.map(|name| self.label_number(name));
        if let Some(label) = label {
            Arc::make_mut(&mut self.catalog.labels[label as usize].members).insert(id);
            self.touched_labels.entry(label).or_default().insert(container::high(id));
            self.catalog.totals.labelled += 1;
        }
        self.catalog.set_label_of(id, label);
        Ok(())
    }

    fn label_number(&mut self, name: &str) -> LabelId {
        if let Some(number) = self.catalog.label_id(name) {
            return number;
        }
        // Fewer than ids: each label was new with an id of its own.
        let number = self.catalog.totals.labels;
        self.catalog.totals.labels += 1;
        self.put_name(Namespace::Label, name.as_bytes(), number);
        let name: Arc<str> = name.into();
        Arc::make_mut(&mut self.catalog.label_numbers).insert(Arc::clone(&name), number);
        self.catalog.labels.push(LabelEntry { name, members: Arc::default() });
        number
    }

    pub(super) fn add_tag(&mut self, id: ExemplarId, tag: String, value: TagValue) {
        let values = Arc::make_mut(self.catalog.tags.entry(tag.clone()).or_default());
        Arc::make_mut(values.entry(value.clone()).or_default()).insert(id);
        self.catalog.totals.tagged += 1;
        self.touched_tags.entry((tag, value)).or_default().insert(container::high(id));
    }

    pub(super) fn remove_tag(
        &mut self,
        id: ExemplarId,
        tag: String,
        value: TagValue,
    ) -> Result<(), WriteError> {
        let members =
            self.catalog.tags.get_mut(&tag).and_then(|values| Arc::make_mut(values).get_mut(&value));
        expect_member(members.is_some_and(|members| Arc::make_mut(members).remove(id)))?;
        self.catalog.totals.tagged -= 1;
        self.touched_tags.entry((tag, value)).or_default().insert(container::high(id));
        Ok(())
    }

    /// Adds the containers, names and totals; `None` if the batch changes nothing.
    pub(crate) fn finish(mut self) -> Result<Option<Finished>, WriteError> {
        if !self.changed {
            return Ok(None);
        }
        let next = self.catalog.totals.next_id;
        for &high in &self.touched_tombstones {
            let payload = container::encode_complement(&self.catalog.live, high, next)?;
            put_or_remove(&mut self.changes, key::container(Namespace::Tombstone, 0, high), payload);
        }
        for (&label, highs) in &self.touched_labels {
            for &high in highs {
                let payload = container::encode(&self.catalog.labels[label as usize].members, high)?;
                put_or_remove(&mut self.changes, key::container(Namespace::Label, label, high), payload);
            }
        }
        for (&view, highs) in &self.touched_views {
            // A view that was forgotten has taken its containers along.
            let Some(entry) = self.catalog.views.get(&view) else { continue };
            for &high in highs {
                let payload = container::encode(&entry.absent, high)?;
                put_or_remove(&mut self.changes, key::container(Namespace::View, view.into(), high), payload);
            }
        }
        for (name, highs) in std::mem::take(&mut self.touched_tags) {
            self.finish_tag(name, &highs)?;
        }
        self.catalog.totals.batch += 1;
        self.changes.put(key::next(), &value::encode(Totals::WHAT, &self.catalog.totals)?);
        Ok(Some(Finished {
            changes: self.changes,
            catalog: self.catalog,
            tag_numbers: self.new_tag_numbers,
            before: self.before,
            removed: self.removed,
        }))
    }

    fn finish_tag(&mut self, name: TagName, highs: &BTreeSet<u16>) -> Result<(), WriteError> {
        let number = self.tag_numbers.get(&name).copied();
        let members = self.catalog.tags.get(&name.0).and_then(|values| values.get(&name.1)).map(Arc::clone);
        let members = members.unwrap_or_default();
        if members.is_empty() {
            self.forget_tag(&name, number, highs);
            return Ok(());
        }
        let number = if let Some(number) = number {
            number
        } else {
            let number = self.catalog.totals.next_tag;
            self.catalog.totals.next_tag = number.checked_add(1).ok_or(WriteError::IdsExhausted)?;
            self.put_name(Namespace::Tag, &key::tag_name(&name.0, &name.1), number);
            self.new_tag_numbers.insert(name, Some(number));
            number
        };
        for &high in highs {
            let payload = container::encode(&members, high)?;
            put_or_remove(&mut self.changes, key::container(Namespace::Tag, number, high), payload);
        }
        Ok(())
    }

    /// Forgets a tag value that nobody has any more, so that values which come and go leave nothing behind.
    fn forget_tag(&mut self, name: &TagName, number: Option<u32>, highs: &BTreeSet<u16>) {
        if let Some(number) = number {
            for &high in highs {
                self.changes.remove(key::container(Namespace::Tag, number, high));
            }
            self.changes.remove(key::name(Namespace::Tag, &key::tag_name(&name.0, &name.1)));
            self.new_tag_numbers.insert(name.clone(), None);
        }
        if let Some(values) = self.catalog.tags.get_mut(&name.0) {
            Arc::make_mut(values).remove(&name.1);
            if values.is_empty() {
                self.catalog.tags.remove(&name.0);
            }
        }
    }
}

fn put_or_remove(changes: &mut Changes, key: Vec<u8>, payload: Option<Vec<u8>>) {
    match payload {
        Some(payload) => changes.put(key, &payload),
        None => changes.remove(key),
    }
}

/// A record says that its exemplar is in a bitmap; if it was not, the two contradict each other.
pub(super) fn expect_member(was_member: bool) -> Result<(), Damage> {
    if was_member { Ok(()) } else { Err(Damage::Missing { what: "exemplar of a bitmap" }) }
}
