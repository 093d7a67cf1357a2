//! Stage `shortlist`: the exact nearest rows of a query by one plain metric.

use plugin_api::{ExemplarId, order_by_score};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::generation::Generation;
use crate::metric::{Metric, centred_dot, dot, squared_distance};

/// The best `depth` of `candidates` for `row`, best first, ties by ascending id.
///
/// Scores are the metric's own: for [`Metric::L2`] the distance, so the first is the smallest. `None` when the
/// metric is [`Metric::Whitened`] and the rows do not vary.
pub(crate) fn shortlist(
    generation: &Generation,
    row: &[f32],
    metric: Metric,
    candidates: &RoaringBitmap,
    depth: usize,
) -> Option<Vec<(ExemplarId, f32)>> {
    let mut nearest = match metric {
        Metric::L2 => scan(generation, candidates, depth, |exemplar| -squared_distance(row, exemplar.values)),
        Metric::Cosine => {
            let norm = dot(row, row).sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            scan(generation, candidates, depth, |exemplar| {
                dot(row, exemplar.values) * exemplar.inverse_norm * scale
            })
        }
        Metric::Whitened => {
            let whitening = generation.whitening()?;
            let query = whitening.query(row);
            scan(generation, candidates, depth, |exemplar| {
                let norm = whitening.inverse_norms(exemplar.block)[exemplar.place];
                centred_dot(&query.direction, exemplar.values, whitening.mean()) * norm
            })
        }
    };
    if metric == Metric::L2 {
        nearest.iter_mut().for_each(|(_, score)| *score = (-*score).sqrt());
    }
    Some(nearest)
}

/// One row of the matrix, as a metric sees it.
struct Row<'a> {
    values: &'a [f32],
    inverse_norm: f32,
    /// Number of its block and its place in there, where derived values of the row lie.
    block: usize,
    place: usize,
}

/// The `depth` best candidates by `score`, larger is nearer.
fn scan(
    generation: &Generation,
    candidates: &RoaringBitmap,
    depth: usize,
    score: impl Fn(&Row<'_>) -> f32 + Sync,
) -> Vec<(ExemplarId, f32)> {
    let matrix = generation.clean();
    // With only such candidates as have a row, counting them tells whether a row is no candidate.
    let without_row = generation.without_row();
    let with_row = (!without_row.is_disjoint(candidates)).then(|| candidates - &*without_row);
    let candidates = with_row.as_ref().unwrap_or(candidates);
    let all = candidates.len() == matrix.len() as u64;
    let mut nearest: Vec<(ExemplarId, f32)> = matrix
        .blocks()
        .par_iter()
        .enumerate()
        .flat_map_iter(|(number, block)| {
            let places: Vec<usize> =
                if all { (0..block.ids().len()).collect() } else { chosen(block.ids(), candidates) };
            let score = &score;
            places.into_iter().map(move |place| {
                let row = Row {
                    values: &block.values()[matrix.span(place)],
                    inverse_norm: block.inverse_norms()[place],
                    block: number,
                    place,
                };
                (block.ids()[place], score(&row))
            })
        })
        .collect();
    if nearest.len() > depth {
        // Only the best are put in order: sorting a million scores would take longer than computing them.
        nearest.select_nth_unstable_by(depth, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        nearest.truncate(depth);
    }
    order_by_score(&mut nearest);
    nearest
}

/// Places of those ascending `ids` that are among the candidates.
fn chosen(ids: &[ExemplarId], candidates: &RoaringBitmap) -> Vec<usize> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Vec::new() };
    if candidates.range_cardinality(*first..=*last) == ids.len() as u64 {
        // No deleted row among them and nothing filtered out.
        return (0..ids.len()).collect();
    }
    candidates.range(*first..=*last).filter_map(|id| ids.binary_search(&id).ok()).collect()
}
