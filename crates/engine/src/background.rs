//! The background sample: a few exemplars that stand for the whole collection in a reranker's fine-tuning.

use std::collections::BTreeMap;

use lookalike_plugin_api::{ExemplarId, SplitMix64};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::matrix::row_hash;
use crate::state::State;

/// At most `size` live exemplars, spread evenly over the labels (no label counts as one more label).
///
/// Which exemplars of a label are taken, and the order of all, depend on the seed and their clean rows alone, not on
/// when they were stored. Labels take turns, so a small class is represented fully before a large one gets a second
/// share.
pub(crate) fn background(state: &State, size: usize, seed: u64) -> Vec<ExemplarId> {
    let catalog = state.catalog();
    let all = sampled(state);
    let keyed = shuffled(state, &all, seed);
    if size >= keyed.len() {
        return keyed.into_iter().map(|(_, id)| id).collect();
    }
    // By name, because the numbers of labels tell which came first.
    let mut strata: BTreeMap<Option<&str>, Vec<(u64, ExemplarId)>> = BTreeMap::new();
    for entry in keyed {
        let label = catalog.label_of(entry.1).and_then(|label| catalog.label_name(label));
        strata.entry(label).or_default().push(entry);
    }
    let mut sample = Vec::with_capacity(size);
    while sample.len() < size {
        let before = sample.len();
        let free = size - before;
        sample.extend(strata.values_mut().filter_map(Vec::pop).take(free));
        if sample.len() == before {
            break;
        }
    }
    sample.sort_unstable();
    sample.into_iter().map(|(_, id)| id).collect()
}

/// The ids that can be in a sample.
fn sampled(state: &State) -> RoaringBitmap {
    state.catalog().live() - state.without_row()
}

/// The ids with what puts them in order, in that order. Exemplars of equal rows are told apart by
/// their labels, and those that are alike in all are told apart by their ids.
fn shuffled(state: &State, ids: &RoaringBitmap, seed: u64) -> Vec<(u64, ExemplarId)> {
    let matrix = state.clean();
    let mut keyed: Vec<(u64, ExemplarId)> = matrix
        .blocks()
        .par_iter()
        .flat_map_iter(|block| {
            let rows = block.ids().iter().zip(block.values().chunks_exact(matrix.dimension()));
            rows.filter(|(id, _)| ids.contains(**id))
                .map(|(id, row)| (hashed(seed ^ hashed(row_hash(row))), *id))
        })
        .collect();
    let catalog = state.catalog();
    let label = |id: ExemplarId| catalog.label_of(id).and_then(|label| catalog.label_name(label));
    keyed.par_sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| label(a.1).cmp(&label(b.1))).then(a.1.cmp(&b.1))
    });
    keyed
}

fn hashed(value: u64) -> u64 {
    SplitMix64::new(value).bits()
}
