use crate::statistics::StatisticsError;

/// P-values adjusted for their number by Holm's step-down method (Holm 1979), in the order given.
///
/// With the m values in rising order `p_1 <= .. <= p_m`, the adjusted one of `p_i` is the largest of
/// `(m - j + 1) p_j` over j <= i, at most 1. Rejecting what is at most alpha keeps the probability of one false
/// rejection among all of them at most alpha, whatever the dependence between them.
///
/// # Errors
///
/// [`StatisticsError::PValue`] when a value is not in 0..=1.
///
/// # Examples
///
/// ```
/// assert_eq!(lookalike_eval::holm(&[0.01, 0.04])?, [0.02, 0.04]);
/// # Ok::<(), lookalike_eval::StatisticsError>(())
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatisticsError> {
    if let Some(position) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(StatisticsError::PValue { position, found: p_values[position] });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (smaller, &at) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - smaller) as f64 * p_values[at]).min(1.0);
        adjusted[at] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_grow_with_the_number_of_those_not_smaller() {
        // Rising: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1; the last must not fall below the one before.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
    }

    #[test]
    fn nothing_exceeds_one() {
        assert_eq!(holm(&[0.6, 0.9]), Ok(vec![1.0, 1.0]));
        assert_eq!(holm(&[]), Ok(vec![]));
        let error = holm(&[0.5, 1.5]).unwrap_err();
        assert_eq!(error, StatisticsError::PValue { position: 1, found: 1.5 });
        assert!(holm(&[f64::NAN]).is_err());
    }
}
