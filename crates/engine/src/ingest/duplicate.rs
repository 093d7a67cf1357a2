//! What becomes of an image whose very bytes are stored under another key.

use std::collections::HashMap;

use lookalike_plugin_api::Digest;
use lookalike_store::{NewExemplar, ReadError};

use super::report::{Refusal, RefusalReason};
use super::staged::{Placed, Prepared};

/// What an ingest does with an image whose very bytes are stored under another key, or came before it in the same
/// ingest under another key.
///
/// The first in input order always wins. An exemplar that is there under its own key with the same content is no
/// duplicate of a later one: it stays, and its label and tags may change. A key that holds another content keeps it
/// when the new one is left out. Bytes are compared, not pixels: the same pixels as PNG and as JPEG are two contents.
/// Two ingests into one collection at the same time may each bring one of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicatePolicy {
    /// It is stored like any other image.
    #[default]
    Keep,
    /// It is left out and counted.
    Skip,
    /// It is refused, with the key that has the content.
    Refuse,
}

/// A batch after the decision.
pub(super) struct Admission {
    pub(super) admitted: Vec<NewExemplar>,
    pub(super) refused: Vec<Placed<Refusal>>,
    /// Number of exemplars left out without a refusal.
    pub(super) skipped: u64,
}

/// Decides over a batch in its order, as if every exemplar were written before the next is looked at.
pub(super) fn admit(
    stored: &lookalike_store::Collection,
    batch: Vec<Placed<Prepared>>,
    policy: DuplicatePolicy,
) -> Result<Admission, ReadError> {
    let mut admission =
        Admission { admitted: Vec::with_capacity(batch.len()), refused: Vec::new(), skipped: 0 };
    let mut contents = Contents { stored, batch: HashMap::new(), holders: HashMap::new() };
    for Placed { place, value: Prepared { exemplar, content, .. } } in batch {
        if policy == DuplicatePolicy::Keep {
            admission.admitted.push(exemplar);
            continue;
        }
        match contents.other_holder(&exemplar.key, content)? {
            None => {
                contents.hold(&exemplar.key, content);
                admission.admitted.push(exemplar);
            }
            Some(_) if policy == DuplicatePolicy::Skip => admission.skipped += 1,
            Some(of) => {
                let reason = RefusalReason::Duplicate { of };
                admission.refused.push(Placed { place, value: Refusal { key: exemplar.key, reason } });
            }
        }
    }
    Ok(admission)
}

/// Which key holds which content: what is stored, changed by what the batch has brought so far.
struct Contents<'a> {
    stored: &'a lookalike_store::Collection,
    batch: HashMap<String, Digest>,
    /// Keys of the batch by the content they brought. A key that brought another one later is still listed.
    holders: HashMap<Digest, Vec<String>>,
}

impl Contents<'_> {
    /// A key other than `key` that holds `content`; `None` also when `key` itself holds it.
    fn other_holder(&self, key: &str, content: Digest) -> Result<Option<String>, ReadError> {
        let own = match self.batch.get(key) {
            Some(own) => Some(*own),
            None => match self.stored.id_of(key)? {
                Some(id) => self.stored.record(id)?.map(|record| record.content),
                None => None,
            },
        };
        if own == Some(content) {
            return Ok(None);
        }
        for id in self.stored.ids_of_content(&content)? {
            let Some(record) = self.stored.record(id)? else { continue };
            if record.key != key && self.batch.get(&record.key).is_none_or(|now| *now == content) {
                return Ok(Some(record.key));
            }
        }
        let mut brought = self.holders.get(&content).into_iter().flatten();
        Ok(brought.find(|holder| *holder != key && self.batch.get(*holder) == Some(&content)).cloned())
    }

    fn hold(&mut self, key: &str, content: Digest) {
        self.batch.insert(key.to_owned(), content);
        self.holders.entry(content).or_default().push(key.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use lookalike_plugin_api::Budget;

    use super::*;
    use crate::ingest::{IngestItem, IngestOptions, IngestReport};
    use crate::toy::{self, Toy, item};
    use crate::{Collection, IngestProgress};

    fn ingest(
        collection: &Collection,
        items: impl IntoIterator<Item = IngestItem, IntoIter: Send>,
        duplicates: DuplicatePolicy,
    ) -> IngestReport {
        let mut last = IngestProgress::default();
        let mut progress = |now: &IngestProgress| last = *now;
        let options = IngestOptions { duplicates };
        let report = collection.ingest_with(items, &options, &Budget::unlimited(), &mut progress).unwrap();
        assert_eq!((last.duplicates, last.refused), (report.duplicates, report.refused));
        assert_eq!(last.settled, report.stored() + report.unchanged + report.duplicates + report.refused);
        report
    }

    fn keys(collection: &Collection) -> Vec<String> {
        collection.list(None, 1000).unwrap().entries.into_iter().map(|record| record.key).collect()
    }

    #[test]
    fn the_first_of_many_duplicates_wins_across_batches() {
        let folder = tempfile::tempdir().unwrap();
        // Contents come again and again, at distances within a batch and across several.
        let items = || (0..2000_u32).map(|number| item(&format!("k{number:04}"), number * 7 % 300));
        let expected: Vec<String> = (0..300).map(|number| format!("k{number:04}")).collect();
        for round in 0..3 {
            let collection = toy::collection(folder.path(), &format!("skip{round}"), &Toy::new(1));
            let report = ingest(&collection, items(), DuplicatePolicy::Skip);
            assert_eq!((report.inserted, report.duplicates, report.refused), (300, 1700, 0));
            assert_eq!(keys(&collection), expected);
        }
        let collection = toy::collection(folder.path(), "refuse", &Toy::new(1));
        let report = ingest(&collection, items(), DuplicatePolicy::Refuse);
        assert_eq!((report.inserted, report.duplicates, report.refused), (300, 0, 1700));
        assert_eq!(keys(&collection), expected);
        for (place, refusal) in report.refusals.iter().enumerate() {
            assert_eq!(refusal.key, format!("k{:04}", 300 + place));
            let first = format!("k{:04}", place % 300);
            assert!(matches!(&refusal.reason, RefusalReason::Duplicate { of } if *of == first));
        }
        let collection = toy::collection(folder.path(), "keep", &Toy::new(1));
        assert_eq!(ingest(&collection, items(), DuplicatePolicy::Keep).inserted, 2000);
    }

    #[test]
    fn the_same_ingest_again_changes_nothing_and_embeds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let toy = Toy::new(1);
        let collection = toy::collection(folder.path(), "again", &toy);
        let items = || [item("a", 1), item("b", 1), item("c", 2)];
        assert_eq!(ingest(&collection, items(), DuplicatePolicy::Skip).inserted, 2);
        let embedded = toy.embedded();
        let report = ingest(&collection, items(), DuplicatePolicy::Skip);
        assert_eq!((report.unchanged, report.duplicates, report.stored()), (2, 1, 0));
        assert_eq!(toy.embedded(), embedded);
    }

    #[test]
    fn an_exemplar_under_its_own_key_is_no_duplicate_of_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let collection = toy::collection(folder.path(), "own", &Toy::new(1));
        ingest(&collection, [item("a", 1), item("b", 1)], DuplicatePolicy::Keep);
        let relabelled = IngestItem { label: Some("new".to_owned()), ..item("a", 1) };
        let report = ingest(&collection, [relabelled], DuplicatePolicy::Refuse);
        assert_eq!((report.relabelled, report.refused), (1, 0));
    }

    #[test]
    fn a_content_that_its_key_gave_up_may_come_under_another() {
        let folder = tempfile::tempdir().unwrap();
        let collection = toy::collection(folder.path(), "moved", &Toy::new(1));
        ingest(&collection, [item("a", 1)], DuplicatePolicy::Refuse);
        let moved = [item("a", 2), item("b", 1), item("c", 2), item("b", 3), item("d", 1)];
        let report = ingest(&collection, moved, DuplicatePolicy::Refuse);
        assert_eq!(report.refusals.len(), 1);
        assert_eq!(report.refusals[0].key, "c");
        assert!(matches!(&report.refusals[0].reason, RefusalReason::Duplicate { of } if of == "a"));
        assert_eq!(keys(&collection), ["a", "b", "d"]);
    }
}
