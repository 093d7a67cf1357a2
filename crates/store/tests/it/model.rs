use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use store::{Collection, NewExemplar, TagValue, Upserted, WriteBatch};

use crate::sample::{create, exemplar, open, place, row};

/// What a test does; small ranges, so that keys and contents meet again and again.
#[derive(Debug, Clone)]
enum Step {
    Write { upserts: Vec<(u8, u8, Option<u8>, Vec<u8>)>, deletes: Vec<u8> },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let upsert = (0..12u8, 0..5u8, proptest::option::of(0..3u8), prop::collection::vec(0..6u8, 0..3));
    let write = (prop::collection::vec(upsert, 0..6), prop::collection::vec(0..12u8, 0..3))
        .prop_map(|(upserts, deletes)| Step::Write { upserts, deletes });
    prop::collection::vec(prop_oneof![9 => write, 1 => Just(Step::Reopen)], 1..50)
}

#[derive(Default)]
struct Model {
    next: u32,
    by_key: BTreeMap<String, (u32, NewExemplar)>,
}

impl Model {
    fn upsert(&mut self, new: &NewExemplar) -> Upserted {
        let outcome = match self.by_key.get_mut(&new.key) {
            Some((id, old)) if old.image == new.image => {
                let same = old.label == new.label && old.tags == new.tags;
                old.label.clone_from(&new.label);
                old.tags.clone_from(&new.tags);
                return if same { Upserted::Unchanged(*id) } else { Upserted::Relabelled(*id) };
            }
            Some((previous, _)) => Upserted::Replaced { id: self.next, previous: *previous },
            None => Upserted::Inserted(self.next),
        };
        self.by_key.insert(new.key.clone(), (self.next, new.clone()));
        self.next += 1;
        outcome
    }

    fn write(&mut self, collection: &Collection, batch: WriteBatch) {
        let deleted: Vec<_> = batch.deletes.iter().map(|k| self.by_key.remove(k).map(|(id, _)| id)).collect();
        let outcomes: Vec<_> = batch.upserts.iter().map(|new| self.upsert(new)).collect();
        let receipt = collection.write(batch).unwrap();
        assert_eq!((receipt.outcomes, receipt.deleted), (outcomes, deleted));
        assert_eq!(receipt.batch, collection.catalog().batch());
    }

    fn check(&self, collection: &Collection) {
        let catalog = collection.catalog();
        assert_eq!(catalog.next_id(), self.next);
        let live: BTreeSet<u32> = self.by_key.values().map(|(id, _)| *id).collect();
        assert_eq!(catalog.live().iter().collect::<BTreeSet<_>>(), live);
        let mut labels: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        let mut tags: BTreeMap<(&str, &TagValue), BTreeSet<u32>> = BTreeMap::new();
        for (id, exemplar) in self.by_key.values() {
            let label = exemplar.label.as_deref();
            assert_eq!(catalog.label_of(*id).and_then(|label| catalog.label_name(label)), label);
            labels.entry(label.unwrap_or_default()).or_default().insert(*id);
            for (name, value) in &exemplar.tags {
                tags.entry((name, value)).or_default().insert(*id);
            }
            assert_eq!(collection.id_of(&exemplar.key).unwrap(), Some(*id));
            assert_eq!(collection.image(*id).unwrap().as_ref(), Some(&exemplar.image));
            assert_eq!(collection.rows("clean", &[*id]).unwrap().row(0), exemplar.rows[0].1);
            let record = collection.record(*id).unwrap().unwrap();
            assert_eq!((&record.key, &record.tags), (&exemplar.key, &exemplar.tags));
        }
        for (_, name, members) in catalog.labels() {
            let expected = labels.get(name).cloned().unwrap_or_default();
            assert_eq!(members.iter().collect::<BTreeSet<_>>(), expected);
        }
        let names: Vec<&str> = catalog.tag_names().collect();
        let values = names.iter().flat_map(|&name| catalog.tag(name).unwrap().iter().map(move |v| (name, v)));
        let found =
            values.map(|(name, (value, members))| ((name, value), members.iter().collect())).collect();
        assert_eq!(tags, found);
        let listed = collection.list(None, 1000).unwrap().entries;
        assert!(listed.iter().map(|record| &record.key).eq(self.by_key.keys()));
        let bytes: usize = self.by_key.values().map(|(_, exemplar)| exemplar.image.len()).sum();
        assert_eq!(collection.stats().unwrap().image_bytes, bytes as u64);
    }
}

fn new(key: u8, content: u8, label: Option<u8>, tags: &[u8]) -> NewExemplar {
    let value = |&tag: &u8| {
        if tag % 2 == 0 { TagValue::Number(f64::from(tag)) } else { "odd".into() }
    };
    NewExemplar {
        label: label.map(|label| format!("label {label}")),
        tags: tags.iter().map(|tag| (format!("tag {}", tag / 2), value(tag))).collect(),
        rows: vec![("clean".to_owned(), row(content.into()))],
        ..exemplar(&format!("key {key}"), content.into())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_collection_is_a_map_that_survives_reopening(steps in steps()) {
        let (_folder, root) = place();
        let mut opened = create(&root);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Write { upserts, deletes } => {
                    let upserts = upserts.iter().map(|(k, c, l, t)| new(*k, *c, *l, t)).collect();
                    let deletes = deletes.iter().map(|key| format!("key {key}")).collect();
                    model.write(&opened.1, WriteBatch { upserts, deletes });
                }
                Step::Reopen => {
                    drop(opened);
                    opened = open(&root);
                    model.check(&opened.1);
                }
            }
        }
        model.check(&opened.1);
        drop(opened);
        model.check(&open(&root).1);
    }
}
