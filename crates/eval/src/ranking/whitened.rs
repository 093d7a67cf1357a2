use lookalike_plugin_api::FeatureRows;

use crate::ranking::arithmetic::{check, finite_rows};
use crate::ranking::covariance::Whitening;
use crate::ranking::{Cosine, Ranking, RankingError};

/// Cosine after centring and whitening with a shrunk covariance: the tuned first stage (`whitened_cosine` of the
/// method's reference). With mean m, covariance S and `shrink` s the score is the cosine of `L^-1 (x - m)` and
/// `L^-1 (q - m)`, where `L L' = S + s mean(diag S) I`.
#[derive(Debug, Clone)]
pub struct WhitenedCosine {
    whitening: Whitening,
    cosine: Cosine,
}

impl WhitenedCosine {
    /// A ranking of these exemplars; the product's shrinkage is [`lookalike_engine::SHRINK`].
    ///
    /// # Errors
    ///
    /// [`RankingError`] when there are fewer than two rows, when they do not differ or are too long, or when the
    /// shrinkage is negative.
    pub fn new(rows: &FeatureRows, shrink: f64) -> Result<Self, RankingError> {
        let whitening = Whitening::of_rows(rows, shrink)?;
        let cosine = Cosine::new(&whitening.apply(rows));
        Ok(Self { whitening, cosine })
    }

    /// The cosine of the whitened exemplars, for what goes on in this space: [`crate::KReciprocal`],
    /// [`crate::AlphaExpansion`].
    pub fn cosine(&self) -> &Cosine {
        &self.cosine
    }

    /// The query in the space of [`WhitenedCosine::cosine`].
    ///
    /// # Errors
    ///
    /// [`RankingError`] when the query has another dimension, or is not finite.
    pub fn whitened(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        check(query, self.whitening.dimension())?;
        Ok(self.whitening.apply(&finite_rows(query.len(), query.to_vec())).into_values())
    }
}

impl Ranking for WhitenedCosine {
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        self.cosine.scores(&self.whitened(query)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formula_by_hand() {
        // Mean 0, covariance diag(8/3, 2/3) (n - 1 = 3), mean of the diagonal 5/3; shrink 0.4 adds 2/3:
        // diag(10/3, 4/3). Query (2, 1): q' S^-1 x with q' S^-1 q = 4 * 0.3 + 1 * 0.75 = 1.95.
        let rows = FeatureRows::new(2, vec![2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0]).unwrap();
        let ranking = WhitenedCosine::new(&rows, 0.4).unwrap();
        let scores = ranking.scores(&[2.0, 1.0]).unwrap();
        let first = 1.2 / (1.2_f32.sqrt() * 1.95_f32.sqrt());
        let third = 0.75 / (0.75_f32.sqrt() * 1.95_f32.sqrt());
        let expected = [first, -first, third, -third];
        assert!(scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{scores:?}");
    }

    #[test]
    fn every_exemplar_is_its_own_nearest() {
        let mut random = lookalike_plugin_api::SplitMix64::new(4);
        let rows = FeatureRows::new(5, (0..200).map(|_| random.unit()).collect()).unwrap();
        let ranking = WhitenedCosine::new(&rows, lookalike_engine::SHRINK).unwrap();
        for (at, row) in (0..).zip(rows.rows()) {
            let scores = ranking.scores(row).unwrap();
            assert_eq!(crate::best_first(&scores)[0], at);
            assert!((scores[at as usize] - 1.0).abs() < 1e-6);
        }
        assert!(ranking.scores(&[0.0; 4]).is_err());
    }
}
