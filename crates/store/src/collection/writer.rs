//! What writers, and the one who flushes, need beside the collection.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use lookalike_plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use crate::catalog::{Catalog, TagNumbers};
use crate::error::TreeError;
use crate::generation::acknowledged::Acknowledged;

/// Deleted exemplars whose data one batch removes.
pub(super) const PURGED_AT_ONCE: usize = 1_024;

/// What only writers need.
#[derive(Debug)]
pub(super) struct Writer {
    /// The newest state, applied to the tree, perhaps not durable and not published yet.
    pub(super) tip: Arc<Catalog>,
    pub(super) tag_numbers: TagNumbers,
    /// Exemplars by the batch that deleted them, whose data is still there.
    pub(super) doomed: BTreeMap<u64, Vec<ExemplarId>>,
    /// Published states that somebody may still hold, ascending.
    pub(super) states: Vec<(u64, Weak<Catalog>)>,
    /// The first failure of a write; since then nothing is written.
    pub(super) fault: Option<Arc<TreeError>>,
}

/// What only the one who flushes needs.
#[derive(Debug)]
pub(super) struct Durable {
    /// The last batch that was flushed.
    pub(super) batch: u64,
    pub(super) acknowledged: Acknowledged,
    pub(super) flushed: Instant,
}

impl Writer {
    pub(super) fn new(tip: Arc<Catalog>, tag_numbers: TagNumbers) -> Self {
        let states = vec![(tip.batch(), Arc::downgrade(&tip))];
        Self { tip, tag_numbers, doomed: BTreeMap::new(), states, fault: None }
    }

    /// Deleted exemplars that are in no state that anybody holds, as many as one batch removes.
    pub(super) fn unseen(&mut self) -> Vec<ExemplarId> {
        let oldest = self.oldest_state();
        let doomed = self.doomed.range(..=oldest).flat_map(|(_, ids)| ids.iter().copied());
        doomed.take(PURGED_AT_ONCE).collect()
    }

    /// All of them.
    pub(super) fn all_unseen(&mut self) -> Vec<ExemplarId> {
        let oldest = self.oldest_state();
        self.doomed.range(..=oldest).flat_map(|(_, ids)| ids.iter().copied()).collect()
    }

    fn oldest_state(&mut self) -> u64 {
        self.states.retain(|(_, state)| state.strong_count() > 0);
        self.states.first().map_or(u64::MAX, |(batch, _)| *batch)
    }

    /// Takes note that the data of these is gone.
    pub(super) fn forget_all(&mut self, gone: &RoaringBitmap) {
        for ids in self.doomed.values_mut() {
            ids.retain(|id| !gone.contains(*id));
        }
        self.doomed.retain(|_, ids| !ids.is_empty());
    }

    pub(super) fn forget(&mut self, purged: &[ExemplarId]) {
        let mut left = purged.len();
        while let Some(mut first) = self.doomed.first_entry().filter(|_| left > 0) {
            let ids = first.get_mut();
            let count = left.min(ids.len());
            ids.drain(..count);
            left -= count;
            if ids.is_empty() {
                first.remove();
            }
        }
    }
}

impl Durable {
    pub(super) fn new(batch: u64, acknowledged: Acknowledged) -> Self {
        Self { batch, acknowledged, flushed: Instant::now() }
    }

    pub(super) fn replace_file(&mut self, acknowledged: Acknowledged) {
        self.acknowledged = acknowledged;
    }
}
