use plugin_api::FeatureRows;

use crate::{DummyHead, kernel};

/// Equation 4: `log P(dummy | row)` of each triggered row `[n, d]`, larger is nearer.
///
/// The logarithm, because the probability itself saturates in `f32` for the nearest exemplars, which are the ones
/// that matter.
///
/// # Errors
///
/// [`DimensionError`] when the rows do not have the head's dimension.
pub fn score(head: &DummyHead, triggered: &FeatureRows) -> Result<Vec<f32>, DimensionError> {
    DimensionError::check(head.dimension(), triggered)?;
    let mut scores = Vec::with_capacity(triggered.len());
    head.for_each_logits(triggered, |logits| {
        let dummy = logits[logits.len() - 1];
        scores.push(dummy - kernel::softmax(logits));
    });
    Ok(scores)
}

/// Rows that do not fit the head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "feature rows have {found} values, the head takes {expected}; use rows of the model that has this head"
)]
pub struct DimensionError {
    /// Values in a row given.
    pub found: usize,
    /// Values in a row of the head.
    pub expected: usize,
}

impl DimensionError {
    pub(crate) fn check(expected: usize, rows: &FeatureRows) -> Result<(), Self> {
        if rows.dimension() == expected {
            return Ok(());
        }
        Err(Self { found: rows.dimension(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_row_still_has_a_finite_score() {
        let head = DummyHead::new(&[1.0, 0.0], &[0.0], &[0.0, 1.0], 0.0).unwrap();
        let rows = FeatureRows::new(2, vec![0.0, 0.0, 0.0, 500.0, 500.0, 0.0]).unwrap();
        let scores = score(&head, &rows).unwrap();
        assert!((scores[0] - 0.5_f32.ln()).abs() < 1e-6);
        assert_eq!(scores[1..], [0.0, -500.0]);
    }

    #[test]
    fn rows_of_another_model_are_refused() {
        let head = DummyHead::new(&[1.0, 0.0], &[0.0], &[0.0, 1.0], 0.0).unwrap();
        let rows = FeatureRows::new(3, vec![0.0; 3]).unwrap();
        assert_eq!(score(&head, &rows), Err(DimensionError { found: 3, expected: 2 }));
    }
}
