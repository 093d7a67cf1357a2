use lookalike_plugin_api::FeatureRows;

use crate::head::DummyHead;
use crate::kernel;
use crate::words::words;

/// What of the dummy class makes an exemplar's score. Larger is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// `log P(dummy)` (equation 4): the logarithm, because the probability itself saturates in `f32` for the nearest
    /// exemplars, which are the ones that matter.
    LogProbability,
    /// The dummy logit.
    Logit,
    /// The dummy logit minus the largest other one (equation 7).
    Margin,
}

words!(ScoreKind { LogProbability => "log_probability", Logit => "logit", Margin => "margin" });

impl ScoreKind {
    /// Of the logits of one row, the dummy class last. The logits are overwritten.
    pub(crate) fn of_logits(self, logits: &mut [f32]) -> f32 {
        let (dummy, others) = (logits[logits.len() - 1], &logits[..logits.len() - 1]);
        match self {
            // Where the dummy class leads, of the others' share, which goes on telling rows apart when the difference
            // of logit and logarithm has no bit left for it.
            Self::LogProbability if others.iter().all(|other| *other <= dummy) => {
                -others.iter().map(|other| (other - dummy).exp()).sum::<f32>().ln_1p()
            }
            Self::LogProbability => dummy - kernel::softmax(logits),
            Self::Logit => dummy,
            Self::Margin => dummy - others.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        }
    }
}

/// The score of each triggered row `[n, d]`, larger is nearer. [`ScoreKind::LogProbability`] is equation 4.
///
/// # Errors
///
/// [`DimensionError`] when the rows do not have the head's dimension.
pub fn score(head: &DummyHead, triggered: &FeatureRows, kind: ScoreKind) -> Result<Vec<f32>, DimensionError> {
    DimensionError::check(head.dimension(), triggered)?;
    let mut scores = Vec::with_capacity(triggered.len());
    head.for_each_logits(triggered, |logits| scores.push(kind.of_logits(logits)));
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
        let scores = score(&head, &rows, ScoreKind::LogProbability).unwrap();
        assert!((scores[0] - 0.5_f32.ln()).abs() < 1e-6);
        assert_eq!(scores[2].to_bits(), (-500.0_f32).to_bits());
        assert!(scores[1] <= 0.0);
        let near = FeatureRows::new(2, vec![0.0, 40.0, 0.0, 41.0]).unwrap();
        let scores = score(&head, &near, ScoreKind::LogProbability).unwrap();
        assert!(scores[0] < scores[1] && scores[1] < 0.0, "{scores:?}");
    }

    #[test]
    fn every_kind_is_that_of_the_logits() {
        let head = DummyHead::new(&[1.0, 2.0], &[0.5, 0.0], &[4.0], 0.0).unwrap();
        let rows = FeatureRows::new(1, vec![1.0]).unwrap();
        let of = |kind| score(&head, &rows, kind).unwrap()[0];
        assert_eq!(
            (of(ScoreKind::Logit).to_bits(), of(ScoreKind::Margin).to_bits()),
            (4.0_f32.to_bits(), 2.0_f32.to_bits())
        );
        let total = (1.5_f32.exp() + 2.0_f32.exp() + 4.0_f32.exp()).ln();
        assert!((of(ScoreKind::LogProbability) - (4.0 - total)).abs() < 1e-6);
        for name in ScoreKind::NAMES {
            assert_eq!(ScoreKind::from_name(name).map(ScoreKind::name), Some(*name));
        }
    }

    #[test]
    fn rows_of_another_model_are_refused() {
        let head = DummyHead::new(&[1.0, 0.0], &[0.0], &[0.0, 1.0], 0.0).unwrap();
        let rows = FeatureRows::new(3, vec![0.0; 3]).unwrap();
        assert_eq!(score(&head, &rows, ScoreKind::Logit), Err(DimensionError { found: 3, expected: 2 }));
    }
}
