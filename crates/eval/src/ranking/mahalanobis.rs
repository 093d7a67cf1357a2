use lookalike_plugin_api::FeatureRows;

use crate::ranking::arithmetic::{check, finite_rows};
use crate::ranking::covariance::Whitening;
use crate::ranking::{Euclidean, Ranking, RankingError};

/// Mahalanobis distance with one covariance for all classes (Lee et al. 2018, there with class means): the score is
/// `-sqrt((x - q)' (S + s mean(diag S) I)^-1 (x - q))`, with S the covariance of the rows around the means of their
/// classes and s the shrinkage.
#[derive(Debug, Clone)]
pub struct Mahalanobis {
    whitening: Whitening,
    whitened: Euclidean,
}

impl Mahalanobis {
    /// A ranking of exemplars whose classes are known, or guessed by the model. With one class for all, S is the plain
    /// covariance.
    ///
    /// # Errors
    ///
    /// [`RankingError`] when there is not one class per row, no class with two rows that differ, when rows are too long,
    /// or when the shrinkage is negative.
    pub fn new(rows: &FeatureRows, classes: &[usize], shrink: f64) -> Result<Self, RankingError> {
        let whitening = Whitening::fit(rows, classes, shrink)?;
        let whitened = Euclidean::new(whitening.apply(rows));
        Ok(Self { whitening, whitened })
    }
}

impl Ranking for Mahalanobis {
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        check(query, self.whitening.dimension())?;
        let query = self.whitening.apply(&finite_rows(query.len(), query.to_vec()));
        self.whitened.scores(query.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_units_of_the_spread_within_classes() {
        // Classes at x = 0 and x = 100, each (-1, -2), (1, 2), (1, -2), (-1, 2) around its centre: the covariance
        // within is diag(8, 32) / (8 - 2) = diag(4/3, 16/3), whatever lies between the classes.
        let around = |x: f32| [x - 1.0, -2.0, x + 1.0, 2.0, x + 1.0, -2.0, x - 1.0, 2.0];
        let rows = FeatureRows::new(2, [around(0.0), around(100.0)].concat()).unwrap();
        let ranking = Mahalanobis::new(&rows, &[3, 3, 3, 3, 9, 9, 9, 9], 0.0).unwrap();
        let scores = ranking.scores(&[1.0, 0.0]).unwrap();
        // To (-1, -2): sqrt(4 * 3/4 + 4 * 3/16); to (1, 2): sqrt(4 * 3/16).
        assert!((scores[0] + 3.75_f32.sqrt()).abs() < 1e-5, "{scores:?}");
        assert!((scores[1] + 0.75_f32.sqrt()).abs() < 1e-5, "{scores:?}");
        assert!(ranking.scores(rows.row(5)).unwrap()[5].abs() < 1e-9);
    }

    #[test]
    fn every_row_needs_a_class_and_some_class_two_rows() {
        let rows = FeatureRows::new(1, vec![1.0, 2.0]).unwrap();
        let error = Mahalanobis::new(&rows, &[0], 0.0).unwrap_err();
        assert_eq!(error, RankingError::Classes { found: 1, expected: 2 });
        let error = Mahalanobis::new(&rows, &[0, 1], 0.0).unwrap_err();
        assert_eq!(error, RankingError::TooFew { found: 2, least: 3 });
        assert!(matches!(Mahalanobis::new(&rows, &[0, 0], -1.0), Err(RankingError::Setting { .. })));
    }
}
