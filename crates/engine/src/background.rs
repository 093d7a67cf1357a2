//! The background sample: a few exemplars that stand for the whole collection in a reranker's fine-tuning.

use plugin_api::{ExemplarId, SplitMix64};
use roaring::RoaringBitmap;

use crate::generation::Generation;

/// At most `size` live exemplars, ascending, spread evenly over the labels (no label counts as one more label).
///
/// Which exemplars of a label are taken depends on the seed and their ids alone, and labels take turns, so a small
/// class is represented fully before a large one gets a second share.
pub(crate) fn background(generation: &Generation, size: usize, seed: u64) -> Vec<ExemplarId> {
    let catalog = generation.catalog();
    let all = sampled(generation);
    if size as u64 >= all.len() {
        return all.iter().collect();
    }
    let unlabelled = catalog.labels().fold(all.clone(), |rest, (_, _, members)| rest - members);
    let mut strata: Vec<Vec<ExemplarId>> = catalog
        .labels()
        .map(|(_, _, members)| shuffled((members & &all).iter(), seed))
        .chain([shuffled(unlabelled.iter(), seed)])
        .collect();
    let mut sample = Vec::with_capacity(size);
    while sample.len() < size {
        let before = sample.len();
        let free = size - before;
        sample.extend(strata.iter_mut().filter_map(Vec::pop).take(free));
        if sample.len() == before {
            break;
        }
    }
    sample.sort_unstable();
    sample
}

/// The ids that can be in a sample.
fn sampled(generation: &Generation) -> RoaringBitmap {
    generation.catalog().live() - generation.without_row()
}

fn shuffled(ids: impl Iterator<Item = ExemplarId>, seed: u64) -> Vec<ExemplarId> {
    let mut keyed: Vec<(u64, ExemplarId)> =
        ids.map(|id| (hashed(seed ^ hashed(u64::from(id))), id)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, id)| id).collect()
}

fn hashed(value: u64) -> u64 {
    SplitMix64::new(value).bits()
}
