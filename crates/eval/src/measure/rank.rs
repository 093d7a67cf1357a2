use std::cmp::Ordering;

use crate::measure::MeasureError;

/// How entries of the same score count against the one looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// As the product orders them: the one with the smaller index is in front.
    ByIndex,
    /// All of them are in front: a ranking that gives everything one score finds nothing.
    Pessimistic,
}

/// The place of entry `target` when `scores` are ordered, larger first; the best place is 1.
///
/// It is 1 + the number of larger scores + those equal ones that `ties` puts in front. 0 and -0 are equal.
///
/// # Errors
///
/// [`MeasureError::Target`] when there is no such entry, [`MeasureError::NotANumber`] when a score is NaN.
pub fn rank_of(scores: &[f32], target: usize, ties: Ties) -> Result<usize, MeasureError> {
    let Some(&wanted) = scores.get(target) else {
        return Err(MeasureError::Target { found: target, entries: scores.len() });
    };
    let mut in_front = 0;
    for (position, score) in scores.iter().enumerate() {
        let ahead = match score.partial_cmp(&wanted) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => match ties {
                Ties::ByIndex => position < target,
                Ties::Pessimistic => position != target,
            },
            Some(Ordering::Less) => false,
            None => {
                let position = if wanted.is_nan() { target } else { position };
                return Err(MeasureError::NotANumber { position });
            }
        };
        in_front += usize::from(ahead);
    }
    Ok(in_front + 1)
}

/// The share of queries whose original is among the first `k`, 0 to 1: self-retrieval at `k`.
///
/// # Errors
///
/// [`MeasureError::Empty`] without ranks.
pub fn retrieved_at(ranks: &[usize], k: usize) -> Result<f64, MeasureError> {
    if ranks.is_empty() {
        return Err(MeasureError::Empty);
    }
    Ok(ranks.iter().filter(|rank| **rank <= k).count() as f64 / ranks.len() as f64)
}

/// The median of ranks; between the two middle ones when there is an even number of them.
///
/// # Errors
///
/// [`MeasureError::Empty`] without ranks.
pub fn median_rank(ranks: &[usize]) -> Result<f64, MeasureError> {
    if ranks.is_empty() {
        return Err(MeasureError::Empty);
    }
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    Ok(low as f64 + (high - low) as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 5] = [0.5, 0.9, 0.5, 0.1, 0.5];

    #[test]
    fn ties_are_in_front_by_index_or_all_of_them() {
        let by_index: Vec<usize> = (0..5).map(|at| rank_of(&SCORES, at, Ties::ByIndex).unwrap()).collect();
        assert_eq!(by_index, [2, 1, 3, 5, 4]);
        let worst: Vec<usize> = (0..5).map(|at| rank_of(&SCORES, at, Ties::Pessimistic).unwrap()).collect();
        assert_eq!(worst, [4, 1, 4, 5, 4]);
    }

    #[test]
    fn the_order_by_index_is_the_product_s() {
        let mut entries: Vec<(u32, f32)> = (0..).zip(SCORES).collect();
        plugin_api::order_by_score(&mut entries);
        for (place, (id, _)) in entries.iter().enumerate() {
            assert_eq!(rank_of(&SCORES, *id as usize, Ties::ByIndex).unwrap(), place + 1);
        }
        assert_eq!(rank_of(&[0.0, -0.0], 1, Ties::ByIndex), Ok(2));
        assert_eq!(rank_of(&[-0.0, 0.0], 1, Ties::ByIndex), Ok(2));
    }

    #[test]
    fn a_rank_among_nothing_or_nan_is_refused() {
        assert_eq!(rank_of(&[], 0, Ties::ByIndex), Err(MeasureError::Target { found: 0, entries: 0 }));
        let broken = [1.0, f32::NAN];
        assert_eq!(rank_of(&broken, 0, Ties::ByIndex), Err(MeasureError::NotANumber { position: 1 }));
        assert_eq!(rank_of(&broken, 1, Ties::ByIndex), Err(MeasureError::NotANumber { position: 1 }));
    }

    #[test]
    fn self_retrieval_counts_the_ranks_up_to_k() {
        assert_eq!(retrieved_at(&[1, 2, 1, 7], 1), Ok(0.5));
        assert_eq!(retrieved_at(&[1, 2, 1, 7], 5), Ok(0.75));
        assert_eq!(retrieved_at(&[], 1), Err(MeasureError::Empty));
    }

    #[test]
    fn the_median_lies_between_the_middle_ranks() {
        assert_eq!(median_rank(&[9, 1, 4]), Ok(4.0));
        assert_eq!(median_rank(&[9, 1, 4, 5]), Ok(4.5));
        assert_eq!(median_rank(&[]), Err(MeasureError::Empty));
    }
}
