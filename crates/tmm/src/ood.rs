/// Scores above 0 that still pass for the logarithm of a probability: rounding in `f32`.
const ROUNDING: f32 = 1e-3;

/// The paper's bound on how likely any foreign image is to come before the query itself (section 3.4.6), with all
/// that went into it. Reported, not enforced.
///
/// The bound assumes that the foreign scores are sub-Gaussian around their mean. Their deviation in the given sample
/// stands for the unknown sub-Gaussian parameter, which is never smaller, so `epsilon` is an **estimate** and may be
/// too small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OodBound {
    /// `B_q`: probability of the dummy class for the query with the trigger, 0..=1.
    pub query: f64,
    /// `mu_ood`: mean of `B_o`, the probability of the dummy class for a foreign image with the trigger, over the
    /// images given.
    pub mean: f64,
    /// `sigma`: standard deviation of `B_o` over the images given, n - 1 in the denominator; above 0.
    pub deviation: f64,
    /// `Delta = B_q - mu_ood`, above 0.
    pub gap: f64,
    /// `M`: foreign images in the collection.
    pub images: u64,
    /// `epsilon = M exp(-Delta^2 / (2 sigma^2))`: with probability at least `1 - epsilon` none of the M foreign
    /// images has a higher probability of the dummy class than the query. At 1 and above it says nothing.
    pub epsilon: f64,
}

/// Why there is no [`OodBound`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OodError {
    /// A mean and a deviation need two scores.
    #[error("{found} scores of foreign images, at least 2 are needed; give more images")]
    TooFew {
        /// Scores given.
        found: usize,
    },
    /// A score is not the logarithm of a probability.
    #[error("score {found} was found, the logarithm of a probability is at most 0; use log P(dummy)")]
    Score {
        /// The score.
        found: f32,
    },
    /// The scores do not differ, so they have no deviation.
    #[error("all {images} foreign images have the same probability {probability}; give images that differ")]
    Constant {
        /// Scores given.
        images: usize,
        /// The probability of the dummy class that all of them have.
        probability: f64,
    },
    /// The query does not stand out, which the bound assumes.
    #[error("the query's probability {query} is not above the foreign images' mean {mean}; no bound holds")]
    NoGap {
        /// `B_q`.
        query: f64,
        /// `mu_ood`.
        mean: f64,
    },
}

/// The bound `epsilon = M exp(-Delta^2 / (2 sigma^2))`, see [`OodBound`].
///
/// `query` and `foreign` are scores as [`score`](crate::score()) gives them, `log P(dummy)` of the query and of a
/// sample of images that do not belong, all with the same trigger and head; the bound speaks of the probabilities
/// themselves. `images` is how many such images the collection holds: the sample's own size, if the sample is all of
/// them.
///
/// # Errors
///
/// [`OodError`] when there are fewer than two foreign scores, a score is not the logarithm of a probability, all
/// foreign probabilities are equal, or the query's is not above their mean.
///
/// # Examples
///
/// ```
/// let foreign = [0.1_f32.ln(), 0.3_f32.ln()];
/// let bound = lookalike_tmm::ood_bound(0.9_f32.ln(), &foreign, 2)?;
/// // Delta = 0.7 and sigma^2 = 0.02: epsilon = 2 exp(-12.25).
/// assert!((bound.epsilon - 2.0 * (-12.25_f64).exp()).abs() < 1e-8);
/// # Ok::<(), lookalike_tmm::OodError>(())
/// ```
pub fn ood_bound(query: f32, foreign: &[f32], images: u64) -> Result<OodBound, OodError> {
    if foreign.len() < 2 {
        return Err(OodError::TooFew { found: foreign.len() });
    }
    let query = probability(query)?;
    let foreign: Vec<f64> = foreign.iter().map(|score| probability(*score)).collect::<Result<_, _>>()?;
    let n = foreign.len() as f64;
    let mean = foreign.iter().sum::<f64>() / n;
    let squares: f64 = foreign.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    let first = foreign[0];
    if deviation <= 0.0 || foreign.iter().all(|value| value.to_bits() == first.to_bits()) {
        return Err(OodError::Constant { images: foreign.len(), probability: first });
    }
    let gap = query - mean;
    if gap <= 0.0 {
        return Err(OodError::NoGap { query, mean });
    }
    let epsilon = images as f64 * (-(gap / deviation).powi(2) / 2.0).exp();
    Ok(OodBound { query, mean, deviation, gap, images, epsilon })
}

fn probability(score: f32) -> Result<f64, OodError> {
    if score.is_nan() || score > ROUNDING {
        return Err(OodError::Score { found: score });
    }
    Ok(f64::from(score).exp().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn the_bound_is_the_formula_worked_by_hand() {
        // Mean 0.2, deviations -0.1, 0, 0.1: sigma^2 = 0.02 / 2 = 0.01. Delta = 0.5 - 0.2 = 0.3.
        let bound = ood_bound(0.5_f32.ln(), &logs(&[0.1, 0.2, 0.3]), 1000).unwrap();
        assert!((bound.mean - 0.2).abs() < 1e-6 && (bound.deviation - 0.1).abs() < 1e-6);
        assert!((bound.gap - 0.3).abs() < 1e-6);
        // 1000 exp(-0.09 / 0.02) = 1000 exp(-4.5).
        assert!((bound.epsilon - 11.108_996_5).abs() < 1e-3, "{}", bound.epsilon);
    }

    #[test]
    fn a_bound_beyond_the_smallest_number_is_zero() {
        let bound = ood_bound(0.0, &[-80.0, -90.0, f32::NEG_INFINITY], 1_000_000).unwrap();
        assert_eq!(bound.epsilon.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn too_few_or_equal_scores_are_refused() {
        assert_eq!(ood_bound(0.0, &[-1.0], 1), Err(OodError::TooFew { found: 1 }));
        let error = ood_bound(0.0, &[0.0; 3], 3).unwrap_err();
        assert_eq!(error, OodError::Constant { images: 3, probability: 1.0 });
        // Three equal numbers whose mean is rounded are still equal.
        assert!(matches!(ood_bound(0.0, &[-0.1; 3], 3), Err(OodError::Constant { .. })));
    }

    #[test]
    fn scores_that_are_no_log_probabilities_are_refused() {
        assert_eq!(ood_bound(4.0, &[-1.0, -2.0], 2), Err(OodError::Score { found: 4.0 }));
        assert!(matches!(ood_bound(0.0, &[f32::NAN, -2.0], 2), Err(OodError::Score { .. })));
    }

    #[test]
    fn a_query_that_does_not_stand_out_has_no_bound() {
        assert!(matches!(ood_bound(-3.0, &[-1.0, -2.0], 2), Err(OodError::NoGap { .. })));
    }
}
