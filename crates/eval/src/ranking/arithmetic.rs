use lookalike_plugin_api::FeatureRows;
use rayon::prelude::*;

use crate::ranking::RankingError;

/// Sums are taken in this many lanes: a fixed order that the compiler can use vectors for.
const LANES: usize = 8;

pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    folded(a, b, |x, y| x * y)
}

pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    folded(a, b, |x, y| (x - y) * (x - y))
}

/// Sums in f64: what f32 holds neither overflows nor cancels there.
fn folded(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (x, y) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += term(f64::from(x[lane]), f64::from(y[lane]));
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(x, y)| term(f64::from(*x), f64::from(*y)));
    lanes.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The row at length 1; zeros stay zeros.
pub(crate) fn unit(row: &[f32]) -> Vec<f32> {
    let length = dot(row, row).sqrt();
    if length > 0.0 { row.iter().map(|v| (f64::from(*v) / length) as f32).collect() } else { row.to_vec() }
}

/// All rows at length 1.
pub(super) fn unit_rows(rows: &FeatureRows) -> FeatureRows {
    let values = rows.values().par_chunks_exact(rows.dimension()).flat_map_iter(unit).collect();
    finite_rows(rows.dimension(), values)
}

/// Rows whose values were made from finite ones in a way that keeps them so.
pub(super) fn finite_rows(dimension: usize, values: Vec<f32>) -> FeatureRows {
    FeatureRows::new(dimension, values).expect("values made from finite rows are finite and fill their rows")
}

/// `score` of every row.
pub(super) fn of_rows(rows: &FeatureRows, score: impl Fn(&[f32]) -> f64 + Sync) -> Vec<f32> {
    rows.values().par_chunks_exact(rows.dimension()).map(|row| score(row) as f32).collect()
}

/// Whether `query` can be compared with rows of `dimension` values.
pub(super) fn check(query: &[f32], dimension: usize) -> Result<(), RankingError> {
    if query.len() != dimension {
        return Err(RankingError::Dimension { found: query.len(), expected: dimension });
    }
    match query.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(RankingError::NotFinite { position }),
        None => Ok(()),
    }
}
