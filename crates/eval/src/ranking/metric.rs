use lookalike_plugin_api::FeatureRows;

use crate::ranking::arithmetic::{check, dot, of_rows, squared_distance, unit, unit_rows};
use crate::ranking::{Ranking, RankingError};

/// Euclidean distance, equation 6 of the paper: the score is `-|x - q|`.
#[derive(Debug, Clone)]
pub struct Euclidean {
    rows: FeatureRows,
}

impl Euclidean {
    /// A ranking of these exemplars.
    pub fn new(rows: FeatureRows) -> Self {
        Self { rows }
    }
}

impl Ranking for Euclidean {
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        check(query, self.rows.dimension())?;
        Ok(of_rows(&self.rows, |row| -squared_distance(row, query).sqrt()))
    }
}

/// Cosine, equation 5 of the paper: the score is `x q / (|x| |q|)`, and 0 where a row is zero.
#[derive(Debug, Clone)]
pub struct Cosine {
    rows: FeatureRows,
}

impl Cosine {
    /// A ranking of these exemplars.
    pub fn new(rows: &FeatureRows) -> Self {
        Self { rows: unit_rows(rows) }
    }

    /// The exemplars at length 1; a zero row stays zero.
    pub fn rows(&self) -> &FeatureRows {
        &self.rows
    }
}

impl Ranking for Cosine {
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        check(query, self.rows.dimension())?;
        let query = unit(query);
        Ok(of_rows(&self.rows, |row| dot(row, &query)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> FeatureRows {
        FeatureRows::new(2, vec![3.0, 4.0, 0.0, 2.0, 0.0, 0.0, -6.0, 8.0]).unwrap()
    }

    #[test]
    fn euclidean_scores_are_distances_below_zero() {
        let scores = Euclidean::new(rows()).scores(&[0.0, 0.0]).unwrap();
        assert_eq!(scores, [-5.0, -2.0, 0.0, -10.0]);
    }

    #[test]
    fn cosine_scores_are_cosines_and_zero_for_a_zero_row() {
        let scores = Cosine::new(&rows()).scores(&[0.0, 7.0]).unwrap();
        assert!(scores.iter().zip([0.8, 1.0, 0.0, 0.8]).all(|(a, b)| (a - b).abs() < 1e-6), "{scores:?}");
        assert_eq!(Cosine::new(&rows()).scores(&[0.0, 0.0]).unwrap(), [0.0; 4]);
    }

    #[test]
    fn rows_longer_than_the_lanes_are_summed_whole() {
        let row: Vec<f32> = (1_u8..=19).map(f32::from).collect();
        let exemplars = FeatureRows::new(19, row).unwrap();
        // 1 + 4 + .. + 361 = 2470.
        let score = Euclidean::new(exemplars).scores(&[0.0; 19]).unwrap()[0];
        assert!((f64::from(score) + 2_470_f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn a_query_of_another_length_or_not_finite_is_refused() {
        let euclidean = Euclidean::new(rows());
        let error = euclidean.scores(&[0.0]).unwrap_err();
        assert_eq!(error, RankingError::Dimension { found: 1, expected: 2 });
        let error = euclidean.scores(&[0.0, f32::INFINITY]).unwrap_err();
        assert_eq!(error, RankingError::NotFinite { position: 1 });
    }
}
