use lookalike_plugin_api::FeatureRows;
use lookalike_vision::Head;

use crate::ranking::arithmetic::{check, finite_rows};
use crate::ranking::{Euclidean, Ranking, RankingError};

/// Euclidean distance of the classifier's logits: what is near is what the model answers alike.
#[derive(Debug, Clone)]
pub struct LogitDistance {
    head: Head,
    logits: Euclidean,
}

impl LogitDistance {
    /// A ranking of exemplars by their features, the head's input.
    ///
    /// # Errors
    ///
    /// [`RankingError::Dimension`] when the head takes rows of another length, [`RankingError::NotFinite`] when it
    /// makes a value that is not finite of one.
    pub fn new(head: Head, features: &FeatureRows) -> Result<Self, RankingError> {
        if features.dimension() != head.dimension() {
            return Err(RankingError::Dimension { found: features.dimension(), expected: head.dimension() });
        }
        let logits = head.logits(features);
        let logits = match logits.iter().position(|logit| !logit.is_finite()) {
            Some(position) => return Err(RankingError::NotFinite { position }),
            None => finite_rows(head.classes(), logits),
        };
        Ok(Self { head, logits: Euclidean::new(logits) })
    }
}

/// The query is a feature row, as the exemplars are.
impl Ranking for LogitDistance {
    fn scores(&self, query: &[f32]) -> Result<Vec<f32>, RankingError> {
        check(query, self.head.dimension())?;
        self.logits.scores(&self.head.logits(&finite_rows(query.len(), query.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_head_ignores_does_not_matter() {
        // Logits: (first, first + 1).
        let head = Head::new(2, vec![1.0, 0.0, 1.0, 0.0], vec![0.0, 1.0]).unwrap();
        let features = FeatureRows::new(2, vec![1.0, 9.0, 4.0, 0.0]).unwrap();
        let ranking = LogitDistance::new(head, &features).unwrap();
        let scores = ranking.scores(&[1.0, -9.0]).unwrap();
        assert!(scores[0] == 0.0 && (scores[1] + 18_f32.sqrt()).abs() < 1e-6, "{scores:?}");
        assert!(ranking.scores(&[1.0]).is_err());
    }

    #[test]
    fn rows_that_the_head_does_not_take_are_refused() {
        let head = Head::new(3, vec![0.0; 3], vec![0.0]).unwrap();
        let error = LogitDistance::new(head, &FeatureRows::empty(2)).unwrap_err();
        assert_eq!(error, RankingError::Dimension { found: 2, expected: 3 });
    }
}
