use lookalike_plugin_api::FeatureRows;

use crate::head::DummyHead;
use crate::score::{DimensionError, ScoreKind, score};

/// Equation 7: `gamma_2`, the dummy logit minus the largest other logit, of each triggered query row `[n, d]`.
///
/// Positive where the row falls into the dummy class. `gamma_2 / (2 L)`, with `L` the local Lipschitz constant of
/// the logits, bounds from below how far the query may move without leaving it.
///
/// # Errors
///
/// [`DimensionError`] when the rows do not have the head's dimension.
pub fn margin(head: &DummyHead, triggered: &FeatureRows) -> Result<Vec<f32>, DimensionError> {
    score(head, triggered, ScoreKind::Margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_taken_to_the_strongest_other_class() {
        let head = DummyHead::new(&[1.0, 2.0], &[0.5, 0.0], &[4.0], 0.0).unwrap();
        let rows = FeatureRows::new(1, vec![1.0, -1.0]).unwrap();
        assert_eq!(margin(&head, &rows).unwrap(), [2.0, -3.5]);
    }
}
