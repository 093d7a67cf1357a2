//! What the writer process does, batch by batch: the state after a batch follows from its number.

use std::collections::{BTreeMap, BTreeSet};

use lookalike_plugin_api::{Digest, ExemplarId, Fingerprint, SplitMix64};
use lookalike_store::{Collection, ModelRole, NewExemplar, TagValue, WriteBatch};

use crate::sample::{DIMENSION, exemplar, fingerprint, row};

const KEYS: usize = 60;
/// Batches after which the script begins anew, with the next model.
const CYCLE: u64 = 32;

/// An exemplar, without its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    pub(crate) id: ExemplarId,
    /// Image and rows follow from it.
    pub(crate) content: u64,
    pub(crate) label: Option<String>,
    pub(crate) tags: BTreeMap<String, TagValue>,
}

impl Described {
    pub(crate) fn image(&self) -> Vec<u8> {
        exemplar("", self.content).image
    }

    pub(crate) fn row(&self, model: u16) -> Vec<f32> {
        let mut row = row(self.content + u64::from(model));
        row.resize(model_of(model).dimension as usize, 0.5);
        row
    }
}

/// The fingerprint of the model with this number.
pub(crate) fn model_of(number: u16) -> Fingerprint {
    let [high, low] = number.to_be_bytes();
    let mut weights = fingerprint().weights.0;
    weights[0] ^= high;
    weights[1] ^= low;
    let dimension = (DIMENSION + 2 * (usize::from(number) % 2)) as u32;
    Fingerprint { weights: Digest(weights), dimension, ..fingerprint() }
}

/// What makes one batch.
enum Action {
    Write {
        deletes: Vec<String>,
        upserts: Vec<(String, Described)>,
        model: u16,
    },
    Begin {
        model: u16,
    },
    Rows {
        model: u16,
        rows: Vec<(ExemplarId, Vec<f32>)>,
    },
    Switch,
    Rollback,
    /// This makes the next batches too.
    DropPrevious,
    /// Goes on with a removal that was interrupted.
    Remove,
}

impl Action {
    fn perform(self, things: &Collection) {
        match self {
            Self::Write { deletes, upserts, model } => {
                let new = |(key, described): (String, Described)| NewExemplar {
                    label: described.label.clone(),
                    tags: described.tags.clone(),
                    rows: vec![("clean".to_owned(), described.row(model))],
                    ..exemplar(&key, described.content)
                };
                things
                    .write(WriteBatch { upserts: upserts.into_iter().map(new).collect(), deletes })
                    .map(drop)
                    .unwrap();
            }
            Self::Begin { model } => assert_eq!(things.begin_rebuild(&model_of(model)).unwrap(), model),
            Self::Rows { model, rows } => {
                assert_eq!(things.write_rows(model, "clean", &rows).unwrap(), rows.len() as u64);
            }
            Self::Switch => things.switch_model().unwrap(),
            Self::Rollback => things.rollback().unwrap(),
            Self::DropPrevious => things.drop_previous_model().unwrap(),
            Self::Remove => {
                let current = things.catalog().current_model();
                assert_eq!(things.begin_rebuild(&things.fingerprint()).unwrap(), current);
            }
        }
    }
}

/// What must be there after a batch.
#[derive(Debug, Clone)]
pub(crate) struct State {
    seed: u64,
    pub(crate) batch: u64,
    pub(crate) next_id: ExemplarId,
    pub(crate) exemplars: BTreeMap<String, Described>,
    /// Numbers and roles.
    pub(crate) models: Vec<(u16, ModelRole)>,
    /// Exemplars that have rows of a model, for those in use.
    pub(crate) rows: BTreeMap<u16, BTreeSet<ExemplarId>>,
}

impl State {
    pub(crate) fn after(seed: u64, batch: u64) -> Self {
        let mut state = Self {
            seed,
            batch: 0,
            next_id: 0,
            exemplars: BTreeMap::new(),
            models: vec![(0, ModelRole::Current)],
            rows: [(0, BTreeSet::new())].into(),
        };
        while state.batch < batch {
            state.advance();
        }
        state
    }

    /// Becomes the state after the next batch; gives what makes that batch.
    fn advance(&mut self) -> Action {
        let model = (self.batch / CYCLE) as u16;
        let place = self.batch % CYCLE;
        self.batch += 1;
        match place {
            20 => {
                self.models.push((model + 1, ModelRole::Building));
                self.rows.insert(model + 1, BTreeSet::new());
                Action::Begin { model: model + 1 }
            }
            21 => self.complete(model + 1, |id| id % 2 == 0),
            23 => self.complete(model + 1, |_| true),
            24 => {
                self.models = vec![(model, ModelRole::Previous), (model + 1, ModelRole::Current)];
                Action::Switch
            }
            25 => {
                self.models = vec![(model, ModelRole::Current), (model + 1, ModelRole::Previous)];
                Action::Rollback
            }
            26 => {
                self.models = vec![(model, ModelRole::Previous), (model + 1, ModelRole::Current)];
                Action::Rollback
            }
            28 => {
                self.models = vec![(model, ModelRole::Dropped), (model + 1, ModelRole::Current)];
                self.rows.remove(&model);
                Action::DropPrevious
            }
            // The rows go, the view's name goes, and last the model.
            29 | 30 => Action::Remove,
            31 => {
                self.models = vec![(model + 1, ModelRole::Current)];
                Action::Remove
            }
            _ => self.write(),
        }
    }

    /// Writes the next batch, and those that come with it.
    pub(crate) fn perform_next(&mut self, things: &Collection) {
        self.advance().perform(things);
        while self.batch < things.catalog().batch() {
            self.advance();
        }
        assert_eq!(self.batch, things.catalog().batch());
    }

    pub(crate) fn current(&self) -> u16 {
        let current = self.models.iter().find(|(_, role)| *role == ModelRole::Current);
        current.expect("one model is current").0
    }

    fn complete(&mut self, model: u16, chosen: impl Fn(ExemplarId) -> bool) -> Action {
        let there = self.rows.entry(model).or_default();
        let missing = self.exemplars.values().filter(|new| chosen(new.id) && !there.contains(&new.id));
        let rows: Vec<_> = missing.map(|new| (new.id, new.row(model))).collect();
        there.extend(rows.iter().map(|(id, _)| id));
        Action::Rows { model, rows }
    }

    fn write(&mut self) -> Action {
        let mut random = SplitMix64::new(SplitMix64::mix(self.seed ^ (self.batch << 32)));
        let mut key = || format!("key {}", random.below(KEYS));
        let deletes = vec![key(), key()];
        let keys: Vec<String> = (0..6).map(|_| key()).collect();
        for gone in &deletes {
            self.remove(gone);
        }
        let model = self.current();
        let mut upserts = Vec::new();
        for (key, number) in keys.into_iter().zip(0..) {
            let choice = random.below(7);
            let label = (choice < 5).then(|| format!("label {choice}"));
            let tag = random.below(4);
            let tags = if tag == 0 {
                [("word".to_owned(), "odd".into())].into()
            } else {
                [("number".to_owned(), TagValue::Number(tag as f64))].into()
            };
            // The first one makes sure that there is something to write.
            let kept = self.exemplars.get(&key).filter(|_| number > 0 && random.below(2) == 0);
            let new = match kept {
                Some(old) => Described { label, tags, ..old.clone() },
                None => Described { id: self.next_id, content: self.batch * 8 + number, label, tags },
            };
            if new.id == self.next_id {
                self.remove(&key);
                self.next_id += 1;
                self.rows.entry(model).or_default().insert(new.id);
            }
            self.exemplars.insert(key.clone(), new.clone());
            upserts.push((key, new));
        }
        Action::Write { deletes, upserts, model }
    }

    fn remove(&mut self, key: &str) {
        if let Some(gone) = self.exemplars.remove(key) {
            self.rows.values_mut().for_each(|rows| {
                rows.remove(&gone.id);
            });
        }
    }
}
