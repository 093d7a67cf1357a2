use crate::measure::MeasureError;

/// The mean of a measure over queries, and over those that the classifier got right and wrong.
///
/// A ranking that follows the classifier can be perfect on the first and useless on the second, which one mean hides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitMean {
    /// Over all queries.
    pub all: f64,
    /// Over the queries that the classifier gives their own label; `None` when there are none.
    pub right: Option<f64>,
    /// Over the others; `None` when there are none.
    pub wrong: Option<f64>,
    /// Queries that the classifier got right.
    pub right_queries: usize,
    /// Queries that it got wrong.
    pub wrong_queries: usize,
}

impl SplitMean {
    /// The means of one value per query; `right` says of each whether the classifier was right on it.
    ///
    /// # Errors
    ///
    /// [`MeasureError::Empty`] without queries, [`MeasureError::Lengths`] when there is not one answer per value.
    pub fn of(values: &[f64], right: &[bool]) -> Result<Self, MeasureError> {
        if values.len() != right.len() {
            return Err(MeasureError::Lengths { first: values.len(), second: right.len() });
        }
        let part = |wanted: bool| {
            let chosen = values.iter().zip(right).filter(|(_, right)| **right == wanted);
            let (count, sum) = chosen.fold((0_usize, 0.0), |(n, sum), (value, _)| (n + 1, sum + value));
            (count, sum, (count > 0).then(|| sum / count as f64))
        };
        let (right_queries, sum_right, right) = part(true);
        let (wrong_queries, sum_wrong, wrong) = part(false);
        if values.is_empty() {
            return Err(MeasureError::Empty);
        }
        let all = (sum_right + sum_wrong) / values.len() as f64;
        Ok(Self { all, right, wrong, right_queries, wrong_queries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_split_by_whether_the_classifier_was_right() {
        let split = SplitMean::of(&[1.0, 0.5, 0.0, 0.5], &[true, true, false, true]).unwrap();
        assert_eq!((split.all, split.wrong), (0.5, Some(0.0)));
        assert!((split.right.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((split.right_queries, split.wrong_queries), (3, 1));
    }

    #[test]
    fn a_part_without_queries_has_no_mean() {
        assert_eq!(SplitMean::of(&[0.25], &[true]).unwrap().wrong, None);
        assert_eq!(SplitMean::of(&[], &[]), Err(MeasureError::Empty));
        assert_eq!(SplitMean::of(&[1.0], &[]), Err(MeasureError::Lengths { first: 1, second: 0 }));
    }
}
