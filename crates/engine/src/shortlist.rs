//! Stage `shortlist`: the exact nearest rows of a query by one plain metric.

use lookalike_plugin_api::{Budget, Completion, ExemplarId, order_by_score};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::kept_view::KeptView;
use crate::metric::{Metric, centred_dot, dot, squared_distance};
use crate::project::Projection;
use crate::state::State;
use crate::whitening::Whitening;

/// A query's row in a view.
#[derive(Debug)]
pub(crate) struct QueryRow<'a> {
    pub(crate) view: &'a KeptView,
    pub(crate) row: Vec<f32>,
}

/// The best `depth` of `candidates` for a query, best first, ties by ascending id.
///
/// Scores are the metric's own: for [`Metric::L2`] the distance, so the first is the smallest. With [`Metric::Whitened`]
/// the score is the sum of the whitened cosines in the query's views; the other metrics compare in the first of them.
/// `None` when the metric is [`Metric::Whitened`] and the rows of a view do not vary. Fitting a whitening ends with the
/// budget.
pub(crate) fn shortlist(
    state: &State,
    query: &[QueryRow<'_>],
    metric: Metric,
    candidates: &RoaringBitmap,
    depth: usize,
    budget: &Budget,
) -> Result<Option<Vec<(ExemplarId, f32)>>, Completion> {
    let Some((QueryRow { view, row }, others)) = query.split_first() else { return Ok(None) };
    let nearest = match metric {
        Metric::L2 => {
            let mut nearest =
                scan(view, candidates, depth, |exemplar| -squared_distance(row, exemplar.values));
            nearest.iter_mut().for_each(|(_, score)| *score = (-*score).sqrt());
            nearest
        }
        Metric::Cosine => {
            let norm = dot(row, row).sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            scan(view, candidates, depth, |exemplar| {
                dot(row, exemplar.values) * exemplar.inverse_norm * scale
            })
        }
        Metric::Whitened if others.is_empty() => {
            let Some(whitening) = view.whitening(state.catalog().live(), budget)? else {
                return Ok(None);
            };
            let query = whitening.query(row);
            scan(view, candidates, depth, |exemplar| {
                let norm = whitening.inverse_norms(exemplar.block)[exemplar.place];
                centred_dot(&query.direction, exemplar.values, whitening.mean()) * norm
            })
        }
        Metric::Whitened => return summed(state, query, candidates, depth, budget),
    };
    Ok(Some(nearest))
}

/// The best by the sum of whitened cosines in several views.
fn summed(
    state: &State,
    query: &[QueryRow<'_>],
    candidates: &RoaringBitmap,
    depth: usize,
    budget: &Budget,
) -> Result<Option<Vec<(ExemplarId, f32)>>, Completion> {
    let live = state.catalog().live();
    let mut whitenings: Vec<&Whitening> = Vec::with_capacity(query.len());
    for row in query {
        let Some(whitening) = row.view.whitening(live, budget)? else { return Ok(None) };
        whitenings.push(whitening);
    }
    let mut found = candidates.clone();
    query.iter().for_each(|row| found -= row.view.missing());
    let ids: Vec<ExemplarId> = found.iter().collect();
    let mut sums = vec![0.0; ids.len()];
    for (QueryRow { view, row }, whitening) in query.iter().zip(whitenings) {
        // Every id has a row: those that miss one were taken out.
        let Ok(cosines) = Projection::cosine(view.matrix(), whitening, row).of(&ids) else { return Ok(None) };
        sums.iter_mut().zip(cosines).for_each(|(sum, cosine)| *sum += cosine);
    }
    Ok(Some(best(ids.into_iter().zip(sums).collect(), depth)))
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
    view: &KeptView,
    candidates: &RoaringBitmap,
    depth: usize,
    score: impl Fn(&Row<'_>) -> f32 + Sync,
) -> Vec<(ExemplarId, f32)> {
    let matrix = view.matrix();
    // With only such candidates as have a row, counting them tells whether a row is no candidate.
    let with_row = (!view.missing().is_disjoint(candidates)).then(|| candidates - view.missing());
    let candidates = with_row.as_ref().unwrap_or(candidates);
    let all = candidates.len() == matrix.len() as u64;
    let scored = matrix
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
    best(scored, depth)
}

/// The `depth` with the largest scores, in order.
fn best(mut nearest: Vec<(ExemplarId, f32)>, depth: usize) -> Vec<(ExemplarId, f32)> {
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
