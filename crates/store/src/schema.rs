//! What is fixed about a collection, and what every batch rewrites.

use plugin_api::{Digest, ExemplarId, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::limits;

/// Written once, when the collection is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) magic: String,
    pub(crate) created_ms: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) chunk_bytes: u32,
    model: String,
    weights: [u8; 32],
    preprocessing: [u8; 32],
    dimension: u32,
}

impl Schema {
    pub(crate) const WHAT: &'static str = "schema";
    pub(crate) const MAGIC: &'static str = "lookalike collection";

    pub(crate) fn new(fingerprint: &Fingerprint, created_ms: u64, uuid: [u8; 16]) -> Self {
        Self {
            magic: Self::MAGIC.to_owned(),
            created_ms,
            uuid,
            chunk_bytes: limits::CHUNK_BYTES as u32,
            model: fingerprint.model.clone(),
            weights: fingerprint.weights.0,
            preprocessing: fingerprint.preprocessing.0,
            dimension: fingerprint.dimension,
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            model: self.model.clone(),
            weights: Digest(self.weights),
            preprocessing: Digest(self.preprocessing),
            dimension: self.dimension,
        }
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
