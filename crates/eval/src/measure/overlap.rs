use std::collections::HashSet;

use crate::measure::MeasureError;

/// The share of the first `k` entries of two rankings that are the same, in whatever order.
///
/// # Errors
///
/// [`MeasureError::CutOff`] when `k` is 0 or a list is shorter, [`MeasureError::Repeated`] when a list names an id
/// twice.
pub fn overlap_at(first: &[u32], second: &[u32], k: usize) -> Result<f64, MeasureError> {
    shared(first, k, second, k)
}

/// How much of a full ranking's first `k` survives a shortlist of the first `m` of another ranking: the most that
/// anything which reorders the shortlist can keep, 0 to 1.
///
/// # Errors
///
/// [`MeasureError::CutOff`] when `k` or `m` is 0 or larger than its list, [`MeasureError::Repeated`] when a list
/// names an id twice.
pub fn shortlist_ceiling(full: &[u32], k: usize, shortlist: &[u32], m: usize) -> Result<f64, MeasureError> {
    shared(full, k, shortlist, m)
}

/// The share of the first `k` of `first` that are among the first `m` of `second`.
fn shared(first: &[u32], k: usize, second: &[u32], m: usize) -> Result<f64, MeasureError> {
    let (first, second) = (top(first, k)?, top(second, m)?);
    Ok(first.intersection(&second).count() as f64 / k as f64)
}

fn top(list: &[u32], k: usize) -> Result<HashSet<u32>, MeasureError> {
    if k == 0 || k > list.len() {
        return Err(MeasureError::CutOff { found: k, most: list.len() });
    }
    let mut ids = HashSet::with_capacity(k);
    match list[..k].iter().find(|id| !ids.insert(**id)) {
        Some(id) => Err(MeasureError::Repeated { id: *id }),
        None => Ok(ids),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_counts_what_both_have() {
        let (a, b) = ([1, 2, 3, 4], [2, 1, 5, 3]);
        let overlaps: Vec<f64> = (1..=4).map(|k| overlap_at(&a, &b, k).unwrap()).collect();
        assert_eq!(overlaps, [0.0, 1.0, 2.0 / 3.0, 0.75]);
    }

    #[test]
    fn a_shortlist_keeps_what_it_holds_of_the_best() {
        let (full, shortlist) = ([7, 3, 9, 1, 2], [1, 3, 4, 9, 7]);
        let ceilings: Vec<f64> =
            (1..=5).map(|m| shortlist_ceiling(&full, 3, &shortlist, m).unwrap()).collect();
        assert_eq!(ceilings, [0.0, 1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    }

    #[test]
    fn cuts_outside_the_lists_and_repeated_ids_are_refused() {
        assert_eq!(overlap_at(&[1], &[1, 2], 2), Err(MeasureError::CutOff { found: 2, most: 1 }));
        assert_eq!(overlap_at(&[1], &[1], 0), Err(MeasureError::CutOff { found: 0, most: 1 }));
        assert_eq!(overlap_at(&[1, 2], &[4, 4], 2), Err(MeasureError::Repeated { id: 4 }));
    }
}
