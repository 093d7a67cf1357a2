//! What an ingest says about itself.

use std::time::Duration;

use lookalike_plugin_api::Completion;
use lookalike_store::Upserted;
use thiserror::Error;

#[cfg(doc)]
use super::DuplicatePolicy;
use crate::decode::DecodeError;
use crate::exchange::RowError;

/// Refusals that a report keeps in full; further ones are counted.
pub const MAX_REFUSALS_KEPT: usize = 1000;

/// How far an ingest has come. Every image counted in `stored` or `unchanged` survives a kill from here on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// Images taken from the input and settled: stored, unchanged, left out or refused.
    pub settled: u64,
    /// Images written, whether new, replaced or relabelled.
    pub stored: u64,
    /// Images that were already there, with the same content, label and tags.
    pub unchanged: u64,
    /// Images left out because their content is stored under another key.
    pub duplicates: u64,
    /// Images refused.
    pub refused: u64,
}

/// What an ingest did.
#[derive(Debug)]
pub struct IngestReport {
    /// Images that were new.
    pub inserted: u64,
    /// Images that took the place of another content under the same key.
    pub replaced: u64,
    /// Images whose label or tags changed while the content stayed.
    pub relabelled: u64,
    /// Images that were already there as they are.
    pub unchanged: u64,
    /// Images left out because their content is stored under another key ([`DuplicatePolicy::Skip`]).
    pub duplicates: u64,
    /// Number of images refused.
    pub refused: u64,
    /// The first [`MAX_REFUSALS_KEPT`] refusals, in input order.
    pub refusals: Vec<Refusal>,
    /// Whether the input was read to its end.
    pub completion: Completion,
    /// Wall-clock time of the whole.
    pub elapsed: Duration,
    /// Part of it that the model ran.
    pub embedding: Duration,
}

/// One image that was not stored.
#[derive(Debug)]
pub struct Refusal {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: RefusalReason,
}

/// Why one image was not stored, while the ingest went on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The bytes are no image.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The key, the label or a tag is outside the store's limits.
    #[error(transparent)]
    Limit(#[from] lookalike_store::Refusal),
    /// The same content is stored under another key ([`DuplicatePolicy::Refuse`]).
    #[error(
        "its content is stored under key \"{of}\" already; delete that one first, or let duplicates be kept"
    )]
    Duplicate {
        /// The other key.
        of: String,
    },
    /// The row of an exchange file is not an exemplar.
    #[error(transparent)]
    Row(#[from] RowError),
}

impl IngestReport {
    pub(super) fn empty() -> Self {
        Self {
            inserted: 0,
            replaced: 0,
            relabelled: 0,
            unchanged: 0,
            duplicates: 0,
            refused: 0,
            refusals: Vec::new(),
            completion: Completion::Complete,
            elapsed: Duration::ZERO,
            embedding: Duration::ZERO,
        }
    }

    pub(super) fn count(&mut self, outcome: Upserted) {
        match outcome {
            Upserted::Inserted(_) => self.inserted += 1,
            Upserted::Replaced { .. } => self.replaced += 1,
            Upserted::Relabelled(_) => self.relabelled += 1,
            Upserted::Unchanged(_) => self.unchanged += 1,
        }
    }

    /// Adds refusals; only the first are kept in full.
    pub(super) fn refuse(&mut self, refusals: impl ExactSizeIterator<Item = Refusal>) {
        self.refused += refusals.len() as u64;
        let free = MAX_REFUSALS_KEPT.saturating_sub(self.refusals.len());
        self.refusals.extend(refusals.take(free));
    }

    /// Images written.
    pub fn stored(&self) -> u64 {
        self.inserted + self.replaced + self.relabelled
    }

    pub(super) fn progress(&self) -> IngestProgress {
        IngestProgress {
            settled: self.stored() + self.unchanged + self.duplicates + self.refused,
            stored: self.stored(),
            unchanged: self.unchanged,
            duplicates: self.duplicates,
            refused: self.refused,
        }
    }
}
