//! Random batches and reopenings against a map in memory.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use lookalike_plugin_api::SplitMix64;
use proptest::prelude::*;

use super::database::{MODEL_OPERATIONS, create, open, open_as, place};
use super::sample::{config, exemplar, row};
use super::store::{
    Catalog, Collection, NewExemplar, StoreConfig, TagValue, Upserted, WriteBatch, WriteMode,
};

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

#[derive(Debug, Clone, Default)]
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

    /// Checks the images of a state that was held while others were written.
    fn check_held(&self, collection: &Collection, held: &Catalog) {
        for (id, exemplar) in self.by_key.values() {
            assert_eq!(collection.image_in(held, *id).unwrap().as_ref(), Some(&exemplar.image));
        }
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

/// A long run: more keys and contents than above, all modes of writing, and states that are held.
struct Run {
    random: SplitMix64,
    model: Model,
    held: Option<(Arc<Catalog>, Model)>,
}

impl Run {
    const KEYS: usize = 40;
    const MODES: [WriteMode; 3] =
        [WriteMode::Immediate, WriteMode::Bulk, WriteMode::Interval(Duration::from_secs(1))];

    fn key(&mut self) -> u8 {
        self.random.below(Self::KEYS) as u8
    }

    fn batch(&mut self) -> WriteBatch {
        let upserts = (0..self.random.below(4)).map(|_| {
            let tags: Vec<u8> = (0..self.random.below(3)).map(|_| self.random.below(12) as u8).collect();
            let label = (self.random.below(4) > 0).then(|| self.random.below(5) as u8);
            new(self.key(), self.random.below(8) as u8, label, &tags)
        });
        let upserts = upserts.collect();
        let deletes = (0..self.random.below(3)).map(|_| format!("key {}", self.key())).collect();
        WriteBatch { upserts, deletes }
    }

    fn look_up(&mut self, things: &Collection) {
        let key = format!("key {}", self.key());
        let expected = self.model.by_key.get(&key);
        assert_eq!(things.id_of(&key).unwrap(), expected.map(|(id, _)| *id));
        let (after, limit) = (format!("key {}", self.key()), 1 + self.random.below(9));
        let page = things.list(Some(&after), limit).unwrap();
        let found: Vec<&String> = page.entries.iter().map(|record| &record.key).collect();
        let behind = self.model.by_key.keys().filter(|&key| *key > after);
        assert_eq!(found, behind.take(limit).collect::<Vec<_>>());
    }

    fn hold(&mut self, things: &Collection) {
        if let Some((catalog, model)) = &self.held.take() {
            model.check_held(things, catalog);
        } else {
            self.held = Some((things.catalog(), self.model.clone()));
        }
    }

    fn go(&mut self, operations: usize) {
        let (_folder, root) = place();
        let mut opened = create(&root);
        for _ in 0..operations {
            match self.random.below(200) {
                0 => {
                    self.held = None;
                    drop(opened);
                    let write_mode = Self::MODES[self.random.below(Self::MODES.len())];
                    opened = open_as(&root, StoreConfig { write_mode, ..config() });
                    self.model.check(&opened.1);
                }
                1 => self.model.check(&opened.1),
                2..4 => opened.1.flush().unwrap(),
                4..8 => self.hold(&opened.1),
                8..30 => self.look_up(&opened.1),
                _ => {
                    let batch = self.batch();
                    self.model.write(&opened.1, batch);
                }
            }
        }
        self.model.check(&opened.1);
        drop(opened);
        self.model.check(&open(&root).1);
    }
}

fn run(operations: usize) {
    let given = env::var("LOOKALIKE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("to run this again: LOOKALIKE_SEED={seed}");
    Run { random: SplitMix64::new(seed), model: Model::default(), held: None }.go(operations);
}

#[test]
fn a_collection_stays_a_map_through_a_long_run() {
    run(MODEL_OPERATIONS);
}

#[test]
#[ignore = "recipe: cargo test --release -p lookalike-store -- --ignored a_collection_stays_a_map_through_a_million"]
fn a_collection_stays_a_map_through_a_million_operations() {
    run(1_000_000);
}
