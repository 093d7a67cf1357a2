//! Rankings to compare with: plain metrics, and what is done on top of them, over feature rows alone.

mod arithmetic;
mod covariance;
mod error;
mod expansion;
mod logit;
mod mahalanobis;
mod metric;
mod reciprocal;
mod whitened;

pub(crate) use arithmetic::unit;
pub use covariance::MOST_WHITENED;
pub use error::RankingError;
pub use expansion::AlphaExpansion;
pub use logit::LogitDistance;
pub use mahalanobis::Mahalanobis;
pub use metric::{Cosine, Euclidean};
pub use reciprocal::{KReciprocal, MOST_RERANKED};
pub use whitened::WhitenedCosine;

use lookalike_plugin_api::{ExemplarId, FeatureRows, order_by_score};

/// A way to rank all exemplars for a query: it was given their rows when it was made.
///
/// Rows may be of anything that has rows: features of any layer, logits, pixels.
pub trait Ranking: Send + Sync {
    /// One score per exemplar in their order, larger is nearer, never NaN.
    ///
    /// *Determinism*: the same bits for any number of threads.
    ///
    /// # Errors
    ///
    /// [`RankingError`] when the query has another dimension than the rows, or is not finite.
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError>;
}

/// The exemplars by falling score, ties by ascending index: the product's order.
pub fn best_first(scores: &[f32]) -> Vec<ExemplarId> {
    let mut entries: Vec<(ExemplarId, f32)> = (0..).zip(scores.iter().copied()).collect();
    order_by_score(&mut entries);
    entries.into_iter().map(|(id, _)| id).collect()
}

/// The mean of rows: as a query, the noise-averaged one, when the rows are those of disturbed copies of an image. It is
/// the control of every method that looks at several copies, at the same number of forward passes.
///
/// # Errors
///
/// [`RankingError::TooFew`] without rows.
pub fn mean_row(rows: &FeatureRows) -> Result<Vec<f32>, RankingError> {
    if rows.is_empty() {
        return Err(RankingError::TooFew { found: 0, least: 1 });
    }
    let mut sums = vec![0.0_f64; rows.dimension()];
    for row in rows.rows() {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    Ok(sums.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_are_ordered_by_index() {
        assert_eq!(best_first(&[0.5, 2.0, 0.5, -1.0, 2.0]), [1, 4, 0, 2, 3]);
        assert!(best_first(&[]).is_empty());
    }

    #[test]
    fn the_mean_row_is_taken_value_by_value() {
        let rows = FeatureRows::new(2, vec![1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!(mean_row(&rows), Ok(vec![2.0, 4.0]));
        assert_eq!(mean_row(&FeatureRows::empty(2)), Err(RankingError::TooFew { found: 0, least: 1 }));
    }
}
