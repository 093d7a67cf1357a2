//! What is fixed about a collection, which models made its rows, and what every batch rewrites.

pub(crate) mod model;
pub(crate) mod moment;

use lookalike_plugin_api::{Digest, ExemplarId, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::limits;

/// Written once, when the collection is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) magic: String,
    pub(crate) created_ms: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) chunk_bytes: u32,
}

impl Schema {
    pub(crate) const WHAT: &'static str = "schema";
    pub(crate) const MAGIC: &'static str = "lookalike collection";

    pub(crate) fn new(created_ms: u64, uuid: [u8; 16]) -> Self {
        Self { magic: Self::MAGIC.to_owned(), created_ms, uuid, chunk_bytes: limits::CHUNK_BYTES as u32 }
    }
}

/// The models that made rows of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Models {
    pub(crate) entries: Vec<StoredModel>,
    pub(crate) current: u16,
    pub(crate) previous: Option<u16>,
    pub(crate) building: Option<u16>,
    /// Number that the next model gets; numbers are not used again.
    pub(crate) next: u16,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredModel {
    pub(crate) number: u16,
    pub(crate) created_ms: u64,
    fingerprint: StoredFingerprint,
}

/// A fingerprint, laid out as in every format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredFingerprint {
    model: String,
    weights: [u8; 32],
    preprocessing: [u8; 32],
    dimension: u32,
}

impl From<&Fingerprint> for StoredFingerprint {
    fn from(fingerprint: &Fingerprint) -> Self {
        Self {
            model: fingerprint.model.clone(),
            weights: fingerprint.weights.0,
            preprocessing: fingerprint.preprocessing.0,
            dimension: fingerprint.dimension,
        }
    }
}

impl StoredFingerprint {
    pub(crate) fn get(&self) -> Fingerprint {
        Fingerprint {
            model: self.model.clone(),
            weights: Digest(self.weights),
            preprocessing: Digest(self.preprocessing),
            dimension: self.dimension,
        }
    }
}

impl StoredModel {
    pub(crate) fn new(number: u16, fingerprint: &Fingerprint, created_ms: u64) -> Self {
        Self { number, created_ms, fingerprint: fingerprint.into() }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.get()
    }

    pub(crate) fn dimension(&self) -> usize {
        self.fingerprint.dimension as usize
    }
}

impl Models {
    pub(crate) const WHAT: &'static str = "table of models";

    /// One model, which is current.
    pub(crate) fn new(fingerprint: &Fingerprint, created_ms: u64) -> Self {
        let entries = vec![StoredModel::new(0, fingerprint, created_ms)];
        Self { entries, current: 0, previous: None, building: None, next: 1 }
    }

    pub(crate) fn get(&self, number: u16) -> Option<&StoredModel> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// Whether its rows are served, were served before, or are being made; if not, they are being removed.
    pub(crate) fn has_role(&self, number: u16) -> bool {
        [Some(self.current), self.previous, self.building].contains(&Some(number))
    }

    /// Whether what was read can be: every number once, every role a model that is there.
    pub(crate) fn is_sound(&self) -> bool {
        let once = self.entries.windows(2).all(|pair| pair[0].number < pair[1].number);
        let below =
            self.entries.iter().all(|entry| entry.number < self.next && accepts(&entry.fingerprint()));
        let roles = [Some(self.current), self.previous, self.building];
        once && below && roles.into_iter().flatten().all(|number| self.get(number).is_some())
    }
}

/// Whether a collection can have this fingerprint.
pub(crate) fn accepts(fingerprint: &Fingerprint) -> bool {
    (1..=limits::MAX_MODEL_NAME_BYTES).contains(&fingerprint.model.len())
        && (1..=limits::MAX_DIMENSION).contains(&(fingerprint.dimension as usize))
}

/// The value of the key "next": rewritten by every batch. The sums let an opening notice that something is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) next_id: ExemplarId,
    pub(crate) batch: u64,
    /// Number that the next new tag value gets.
    pub(crate) next_tag: u32,
    pub(crate) exemplars: u64,
    pub(crate) labels: u32,
    /// Exemplars with a label.
    pub(crate) labelled: u64,
    /// Tags of all exemplars.
    pub(crate) tagged: u64,
    pub(crate) image_bytes: u64,
}

impl Totals {
    pub(crate) const WHAT: &'static str = "batch number";
}
