use lookalike_plugin_api::FeatureRows;

use crate::head::AllLogits;
use crate::head::HeadError;
use crate::kernel;
use crate::score::DimensionError;

/// Diagonal of the Fisher information of a head: how much each of its weights matters to what it already knows.
/// Fine-tuning uses it to keep the weights that matter where they are (elastic weight consolidation).
#[derive(Debug, Clone, PartialEq)]
pub struct Fisher {
    /// `[C, d]`, as the head's weight.
    pub weight: Vec<f32>,
    /// `[C]`, as the head's bias.
    pub bias: Vec<f32>,
}

/// Why there is no [`Fisher`] information.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FisherError {
    /// The rows do not fit the head.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// The head does not fit itself.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl Fisher {
    /// Of the head `weight` `[C, d]`, `bias` `[C]` at the clean `features` `[n, d]`; zero for no rows.
    ///
    /// The labels are drawn from the model itself, whose expectation has a closed form for softmax regression:
    /// `F[c, j] = mean of p_c (1 - p_c) f_j^2`.
    ///
    /// # Errors
    ///
    /// [`FisherError`] when the shapes do not fit together.
    pub fn of_head(weight: &[f32], bias: &[f32], features: &FeatureRows) -> Result<Self, FisherError> {
        let (classes, d) = (bias.len(), features.dimension());
        if classes == 0 || classes.checked_mul(d) != Some(weight.len()) {
            return Err(HeadError::Shape { weight: weight.len(), bias: classes, dimension: d }.into());
        }
        let mut fisher = Self { weight: vec![0.0; weight.len()], bias: vec![0.0; classes] };
        let share = 1.0 / features.len().max(1) as f32;
        let mut squares = vec![0.0; d];
        let add = |row: &[f32], p: &mut [f32]| {
            kernel::softmax(p);
            squares.iter_mut().zip(row).for_each(|(square, value)| *square = value * value);
            let lines = fisher.weight.chunks_exact_mut(d).zip(&mut fisher.bias);
            for (p, (line, bias)) in p.iter().zip(lines) {
                let spread = p * (1.0 - p) * share;
                *bias += spread;
                line.iter_mut().zip(&squares).for_each(|(sum, square)| *sum += spread * square);
            }
        };
        pulp::Arch::new().dispatch(AllLogits { weight, bias, rows: features, visit: add });
        Ok(fisher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecided_head_has_the_information_of_a_fair_coin() {
        let rows = FeatureRows::new(2, vec![1.0, 2.0, 3.0, 0.0]).unwrap();
        let fisher = Fisher::of_head(&[0.0; 4], &[0.0; 2], &rows).unwrap();
        // p (1 - p) = 1/4; mean squares of the columns are 5 and 2.
        assert_eq!(fisher.bias, [0.25, 0.25]);
        assert_eq!(fisher.weight, [1.25, 0.5, 1.25, 0.5]);
    }

    #[test]
    fn a_ragged_head_is_refused() {
        let rows = FeatureRows::new(2, vec![1.0, 2.0]).unwrap();
        assert!(matches!(Fisher::of_head(&[0.0; 3], &[0.0; 2], &rows), Err(FisherError::Head(_))));
    }
}
