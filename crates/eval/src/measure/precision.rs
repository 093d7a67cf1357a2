use crate::measure::MeasureError;

/// The share of the first `k` entries that are relevant; `relevant` says it of every entry, best first.
///
/// # Errors
///
/// [`MeasureError::CutOff`] when `k` is 0 or there are fewer entries.
///
/// # Examples
///
/// ```
/// assert_eq!(lookalike_eval::precision_at(&[true, false, true], 2)?, 0.5);
/// # Ok::<(), lookalike_eval::MeasureError>(())
/// ```
pub fn precision_at(relevant: &[bool], k: usize) -> Result<f64, MeasureError> {
    if k == 0 || k > relevant.len() {
        return Err(MeasureError::CutOff { found: k, most: relevant.len() });
    }
    Ok(relevant[..k].iter().filter(|hit| **hit).count() as f64 / k as f64)
}

/// MAP@R of one query (Musgrave, Belongie and Lim 2020, "A Metric Learning Reality Check", section 3.3.1): with R
/// relevant entries in the whole collection, 1/R times the sum over the first R places of the precision there, where
/// a place with an irrelevant entry adds nothing.
///
/// `relevant` says of every entry whether it is relevant, best first; it may be cut anywhere after place R. The mean
/// over queries is the measure's name, and 1 means that all relevant entries come first.
///
/// # Errors
///
/// [`MeasureError::Relevant`] when `r` is 0 or more of the entries are relevant than `r`, and
/// [`MeasureError::CutOff`] when the list ends before place `r`.
pub fn average_precision_at_r(relevant: &[bool], r: usize) -> Result<f64, MeasureError> {
    let found = relevant.iter().filter(|hit| **hit).count();
    if r == 0 || found > r {
        return Err(MeasureError::Relevant { relevant: r, found });
    }
    if r > relevant.len() {
        return Err(MeasureError::CutOff { found: r, most: relevant.len() });
    }
    let (mut hits, mut sum) = (0_usize, 0.0);
    for (place, hit) in (1_usize..).zip(&relevant[..r]) {
        if *hit {
            hits += 1;
            sum += hits as f64 / place as f64;
        }
    }
    Ok(sum / r as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_the_share_of_relevant_entries() {
        let relevant = [true, true, false, true, false];
        let precisions: Vec<f64> = (1..=5).map(|k| precision_at(&relevant, k).unwrap()).collect();
        assert_eq!(precisions, [1.0, 1.0, 2.0 / 3.0, 0.75, 0.6]);
        assert_eq!(precision_at(&relevant, 6), Err(MeasureError::CutOff { found: 6, most: 5 }));
        assert_eq!(precision_at(&relevant, 0), Err(MeasureError::CutOff { found: 0, most: 5 }));
    }

    #[test]
    fn map_at_r_of_the_paper_s_toy_lists() {
        // Ten relevant entries. The paper's table 2: only the first place right 10 %, places 1 and 10 right 12 %,
        // places 1 and 2 right 20 %, all right 100 %.
        let with = |places: &[usize]| {
            let list: Vec<bool> = (1..=20).map(|place| places.contains(&place)).collect();
            average_precision_at_r(&list, 10).unwrap()
        };
        assert!((with(&[1]) - 0.1).abs() < 1e-12);
        assert!((with(&[1, 10]) - 0.12).abs() < 1e-12);
        assert!((with(&[1, 2]) - 0.2).abs() < 1e-12);
        assert!((with(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) - 1.0).abs() < 1e-12);
        // What comes after place R adds nothing.
        assert!((with(&[1, 11, 12]) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_list_with_more_relevant_entries_than_there_are_is_refused() {
        assert_eq!(
            average_precision_at_r(&[true, true], 1),
            Err(MeasureError::Relevant { relevant: 1, found: 2 })
        );
        assert_eq!(
            average_precision_at_r(&[false], 0),
            Err(MeasureError::Relevant { relevant: 0, found: 0 })
        );
        assert_eq!(average_precision_at_r(&[true], 2), Err(MeasureError::CutOff { found: 2, most: 1 }));
    }
}
