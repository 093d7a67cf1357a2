use crate::statistics::StatisticsError;

/// One value per query from the values of several seeds: the mean over the seeds, query by query.
///
/// Queries are what a resample draws and the seeds of a query stay together, so the mean over both is all that a
/// bootstrap of means needs. Each row of `of_seeds` holds one seed's values of all queries.
///
/// # Errors
///
/// [`StatisticsError::Empty`] without seeds or queries, [`StatisticsError::Unpaired`] when the seeds differ in their
/// number of queries.
pub fn mean_over_seeds(of_seeds: &[Vec<f64>]) -> Result<Vec<f64>, StatisticsError> {
    let first = of_seeds.first().filter(|row| !row.is_empty()).ok_or(StatisticsError::Empty)?;
    if let Some(odd) = of_seeds.iter().find(|row| row.len() != first.len()) {
        return Err(StatisticsError::Unpaired { first: first.len(), second: odd.len() });
    }
    let mean = |query: usize| of_seeds.iter().map(|row| row[query]).sum::<f64>() / of_seeds.len() as f64;
    Ok((0..first.len()).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_averaged_query_by_query() {
        let seeds = [vec![1.0, 0.0, 2.0], vec![0.0, 0.0, 4.0]];
        assert_eq!(mean_over_seeds(&seeds), Ok(vec![0.5, 0.0, 3.0]));
    }

    #[test]
    fn seeds_of_different_queries_are_refused() {
        let seeds = [vec![1.0, 0.0], vec![0.0]];
        assert_eq!(mean_over_seeds(&seeds), Err(StatisticsError::Unpaired { first: 2, second: 1 }));
        assert_eq!(mean_over_seeds(&[]), Err(StatisticsError::Empty));
    }
}
