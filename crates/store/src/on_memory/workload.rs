//! Batches that each change something, what they make of a collection, and what is found in one.

use std::collections::BTreeMap;
use std::sync::Arc;

use lookalike_plugin_api::SplitMix64;

use super::sample::{bytes, deletes, row, tagged, upserts};
use crate::error::TreeFault;
use crate::{Collection, NewExemplar, ReadError, TreeError, WriteBatch, WriteError};

/// Exemplars by key.
pub(super) type Contents = BTreeMap<String, NewExemplar>;

/// Batches of one writer, whose keys begin with its number.
#[derive(Debug)]
pub(super) struct Writer {
    number: u64,
    random: SplitMix64,
    made: u64,
    /// What its acknowledged batches made of its keys.
    known: Contents,
}

impl Writer {
    pub(super) fn new(number: u64, seed: u64) -> Self {
        let random = SplitMix64::new(SplitMix64::mix(seed) ^ number);
        Self { number, random, made: 0, known: Contents::new() }
    }

    /// An exemplar that never was before.
    fn exemplar(&mut self, key: &str) -> NewExemplar {
        self.made += 1;
        let seed = self.number << 32 | self.made;
        // Some images have more than one chunk.
        let length = if self.random.below(8) == 0 { 14_500 } else { 1 + self.random.below(90) };
        let tags = [
            ("made", (self.made as f64).into()),
            ("even", self.made.is_multiple_of(2).to_string().as_str().into()),
        ];
        NewExemplar {
            image: bytes(seed, length),
            label: (self.random.below(3) > 0).then(|| format!("label {}", self.random.below(3))),
            rows: vec![("clean".to_owned(), row(seed))],
            ..tagged(key, 0, &tags)
        }
    }

    fn batch(&mut self) -> WriteBatch {
        let keys: Vec<String> = (0..6).map(|n| format!("{} {n}", self.number)).collect();
        let (there, free): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| self.known.contains_key(key));
        if there.is_empty() {
            return upserts(free[..4].iter().map(|key| self.exemplar(key)).collect());
        }
        let one = there[self.random.below(there.len())].clone();
        match self.random.below(5) {
            0 => deletes(&[&one]),
            1 => {
                // The same image with another label and another tag.
                let fresh = self.exemplar(&one);
                let NewExemplar { image, rows, .. } = self.known[&one].clone();
                upserts(vec![NewExemplar { image, rows, ..fresh }])
            }
            2 => upserts(vec![self.exemplar(&one)]),
            3 => {
                let mut batch = upserts(vec![self.exemplar(&one)]);
                batch.deletes = there.iter().take(2).cloned().collect();
                batch
            }
            _ => upserts(free.iter().chain([&one]).map(|key| self.exemplar(key)).collect()),
        }
    }

    /// Writes a batch that changes something, and notes what became of it.
    pub(super) fn write(&mut self, things: &Collection, history: &mut History) {
        let batch = self.batch();
        match things.write(batch.clone()) {
            Ok(receipt) => {
                make(&mut self.known, &batch);
                if receipt.durable {
                    history.durable = history.durable.max(receipt.batch);
                }
                assert!(history.acknowledged.insert(receipt.batch, batch).is_none());
            }
            Err(WriteError::Failed(cause)) => {
                history.in_flight.push(batch);
                history.keep(&cause);
            }
            Err(WriteError::ReadOnly { cause }) => history.keep(&cause),
            // A failed read before the write: nothing of it was written.
            Err(WriteError::Tree(error)) => history.errnos.push(errno(&error)),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What was asked of a collection since it was opened, and what it answered.
#[derive(Debug, Default)]
pub(super) struct History {
    /// By number.
    pub(super) acknowledged: BTreeMap<u64, WriteBatch>,
    /// The last batch acknowledged as durable.
    pub(super) durable: u64,
    /// Nobody knows whether they are there.
    pub(super) in_flight: Vec<WriteBatch>,
    /// Why the collection is read-only.
    pub(super) cause: Option<Arc<TreeError>>,
    /// Errors of the operating system behind errors that left the collection writable.
    pub(super) errnos: Vec<Option<i32>>,
}

impl History {
    /// Whoever asks hears the first cause.
    pub(super) fn keep(&mut self, cause: &Arc<TreeError>) {
        let first = self.cause.get_or_insert_with(|| Arc::clone(cause));
        assert!(Arc::ptr_eq(first, cause));
    }

    pub(super) fn join(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.durable = self.durable.max(other.durable);
        self.in_flight.extend(other.in_flight);
        self.errnos.extend(other.errnos);
        if let Some(cause) = &other.cause {
            self.keep(cause);
        }
    }

    /// Checks what is found after batch `last` in a collection that had `before` after batch `first`: whole batches
    /// in their order, and after the acknowledged ones none but those in flight.
    pub(super) fn check(&self, before: &Contents, first: u64, last: u64, found: &Contents) {
        assert!(self.acknowledged.keys().copied().eq(first + 1..=first + self.acknowledged.len() as u64));
        let mut contents = before.clone();
        for (_, batch) in self.acknowledged.range(..=last) {
            make(&mut contents, batch);
        }
        let more = last.saturating_sub(first + self.acknowledged.len() as u64) as usize;
        let possible = match (more, &self.in_flight[..]) {
            (0, _) => vec![contents],
            (1, batches) => batches.iter().map(|batch| after(&contents, [batch])).collect(),
            (2, [a, b]) => vec![after(&contents, [a, b]), after(&contents, [b, a])],
            _ => panic!("{more} batches more than were acknowledged, {} in flight", self.in_flight.len()),
        };
        assert!(possible.contains(found), "found {found:#?}, possible {possible:#?}");
    }
}

fn after<'a>(contents: &Contents, batches: impl IntoIterator<Item = &'a WriteBatch>) -> Contents {
    let mut contents = contents.clone();
    batches.into_iter().for_each(|batch| make(&mut contents, batch));
    contents
}

fn make(contents: &mut Contents, batch: &WriteBatch) {
    for key in &batch.deletes {
        contents.remove(key);
    }
    for new in &batch.upserts {
        contents.insert(new.key.clone(), new.clone());
    }
}

/// All that a collection answers, by every way that there is.
pub(super) fn contents(things: &Collection) -> Result<Contents, ReadError> {
    let catalog = things.catalog();
    let mut contents = Contents::new();
    for id in catalog.live() {
        let record = things.record(id)?.unwrap();
        assert_eq!(things.id_of(&record.key)?, Some(id), "{}", record.key);
        assert_eq!(record.label.as_deref(), catalog.label_of(id).and_then(|label| catalog.label_name(label)));
        let row = things.rows("clean", &[id])?.row(0).to_vec();
        let exemplar = NewExemplar {
            key: record.key.clone(),
            label: record.label,
            tags: record.tags,
            image: things.image(id)?.unwrap(),
            media_type: record.media_type,
            height: record.height,
            width: record.width,
            channels: record.channels,
            rows: vec![("clean".to_owned(), row)],
        };
        contents.insert(record.key, exemplar);
    }
    assert_eq!(contents.len() as u64, catalog.len());
    let listed = things.list(None, 1_000)?.entries;
    assert!(listed.iter().map(|record| &record.key).eq(contents.keys()));
    Ok(contents)
}

/// The number of the operating system's error behind an error of the tree.
pub(super) fn errno(error: &TreeError) -> Option<i32> {
    match error {
        TreeError(TreeFault::Sled(sled::Error::Io(error))) => error.raw_os_error(),
        other => panic!("{other:?}"),
    }
}
