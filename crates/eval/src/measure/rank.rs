use std::cmp::Ordering;

use crate::measure::MeasureError;

/// The place of entry `target` when `scores` are ordered, larger first; the best place is 1.
///
/// It is 1 + the number of larger scores + that of the other equal ones: a ranking that gives everything one score finds
/// nothing. 0 and -0 are equal.
///
/// # Errors
///
/// [`MeasureError::Target`] when there is no such entry, [`MeasureError::NotANumber`] when a score is NaN.
pub fn rank_of(scores: &[f32], target: usize) -> Result<usize, MeasureError> {
    let Some(&wanted) = scores.get(target) else {
        return Err(MeasureError::Target { found: target, entries: scores.len() });
    };
    let mut in_front = 0;
    for (position, score) in scores.iter().enumerate() {
        let ahead = match score.partial_cmp(&wanted) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => position != target,
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

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 5] = [0.5, 0.9, 0.5, 0.1, 0.5];

    #[test]
    fn ties_are_in_front() {
        let ranks: Vec<usize> = (0..5).map(|at| rank_of(&SCORES, at).unwrap()).collect();
        assert_eq!(ranks, [4, 1, 4, 5, 4]);
        assert_eq!(rank_of(&[0.0, -0.0], 1), Ok(2));
        assert_eq!(rank_of(&[-0.0, 0.0], 1), Ok(2));
    }

    #[test]
    fn a_rank_among_nothing_or_nan_is_refused() {
        assert_eq!(rank_of(&[], 0), Err(MeasureError::Target { found: 0, entries: 0 }));
        let broken = [1.0, f32::NAN];
        assert_eq!(rank_of(&broken, 0), Err(MeasureError::NotANumber { position: 1 }));
        assert_eq!(rank_of(&broken, 1), Err(MeasureError::NotANumber { position: 1 }));
    }
}
