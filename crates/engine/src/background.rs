//! The background sample: a few exemplars that stand for the whole collection in a reranker's fine-tuning.

use plugin_api::ExemplarId;

use crate::generation::Generation;

/// At most `size` live exemplars, ascending, spread evenly over the labels (no label counts as one more label).
///
/// Which exemplars of a label are taken depends on the seed and their ids alone, and labels take turns, so a small
/// class is represented fully before a large one gets a second share.
pub(crate) fn background(generation: &Generation, size: usize, seed: u64) -> Vec<ExemplarId> {
    let catalog = generation.catalog();
    if size as u64 >= catalog.live().len() {
        return catalog.live().iter().collect();
    }
    let unlabelled = catalog.labels().fold(catalog.live().clone(), |rest, (_, _, members)| rest - members);
    let mut strata: Vec<Vec<ExemplarId>> = catalog
        .labels()
        .map(|(_, _, members)| shuffled(members.iter(), seed))
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

fn shuffled(ids: impl Iterator<Item = ExemplarId>, seed: u64) -> Vec<ExemplarId> {
    let mut keyed: Vec<(u64, ExemplarId)> = ids.map(|id| (mix(seed ^ mix(u64::from(id))), id)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, id)| id).collect()
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
