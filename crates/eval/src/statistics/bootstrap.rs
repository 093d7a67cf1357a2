use rayon::prelude::*;

use crate::random::{Use, seeded};
use crate::statistics::StatisticsError;

/// Resamples unless said otherwise.
pub const DEFAULT_RESAMPLES: usize = 10_000;
/// The most resamples that there may be.
pub const MOST_RESAMPLES: usize = 1_000_000;

/// The bootstrap over queries (Efron and Tibshirani 1993): how a number would vary if other queries had been drawn.
///
/// A resample draws as many queries as there are, with replacement. *Determinism*: the seed and the number of queries
/// decide the resamples, for any number of threads; two measures of as many queries are resampled alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Resamples, 1 to [`MOST_RESAMPLES`].
    pub resamples: usize,
    /// Share of the resamples that an interval holds, between 0 and 1.
    pub level: f64,
    /// Decides the resamples.
    pub seed: u64,
}

/// [`DEFAULT_RESAMPLES`], 95 %, seed 0.
impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: DEFAULT_RESAMPLES, level: 0.95, seed: 0 }
    }
}

/// A number with the range in which it lies if the queries stand for all queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The number measured on the queries themselves.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A mean difference between two rankings over the same queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference, first minus second, with its interval.
    pub interval: Interval,
    /// Two-sided: 2 min(share of resamples at most 0, share at least 0), each share with one added above and below
    /// so that it is never 0 (Davison and Hinkley 1997, section 4.2), at most 1.
    pub p_value: f64,
}

impl Bootstrap {
    /// The mean of one value per query, with its percentile interval.
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] when there are no values or one is not finite, and when the settings are out of range.
    pub fn mean(&self, values: &[f64]) -> Result<Interval, StatisticsError> {
        self.check(values)?;
        Ok(self.interval(&self.means(values), mean(values)))
    }

    /// The mean difference of two values per query, first minus second, with its interval and p-value. Each resample
    /// draws pairs, so what makes a query hard for both does not blur the comparison.
    ///
    /// # Errors
    ///
    /// As [`Bootstrap::mean`], and [`StatisticsError::Unpaired`] when the two are not of as many queries.
    pub fn difference(&self, first: &[f64], second: &[f64]) -> Result<Difference, StatisticsError> {
        if first.len() != second.len() {
            return Err(StatisticsError::Unpaired { first: first.len(), second: second.len() });
        }
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        self.check(&differences)?;
        let means = self.means(&differences);
        let share = |count: usize| (count + 1) as f64 / (means.len() + 1) as f64;
        let not_above = share(means.iter().filter(|mean| **mean <= 0.0).count());
        let not_below = share(means.iter().filter(|mean| **mean >= 0.0).count());
        let p_value = (2.0 * not_above.min(not_below)).min(1.0);
        Ok(Difference { interval: self.interval(&means, mean(&differences)), p_value })
    }

    fn check(&self, values: &[f64]) -> Result<(), StatisticsError> {
        if values.is_empty() {
            return Err(StatisticsError::Empty);
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(StatisticsError::NotFinite { position });
        }
        if !(1..=MOST_RESAMPLES).contains(&self.resamples) {
            return Err(StatisticsError::Resamples { found: self.resamples, most: MOST_RESAMPLES });
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(StatisticsError::Level { found: self.level });
        }
        Ok(())
    }

    fn means(&self, values: &[f64]) -> Vec<f64> {
        let of_queries = |draw: &[usize]| draw.iter().map(|at| values[*at]).sum::<f64>() / draw.len() as f64;
        self.resampled(values.len(), of_queries)
    }

    /// `statistic` of the queries of every resample, rising.
    fn resampled(&self, queries: usize, statistic: impl Fn(&[usize]) -> f64 + Sync) -> Vec<f64> {
        let mut values: Vec<f64> = (0..self.resamples as u64)
            .into_par_iter()
            .map_init(
                || vec![0; queries],
                |draw, resample| {
                    let mut random = seeded(self.seed, Use::Bootstrap, resample);
                    draw.fill_with(|| random.below(queries));
                    statistic(draw)
                },
            )
            .collect();
        values.par_sort_unstable_by(f64::total_cmp);
        values
    }

    fn interval(&self, rising: &[f64], estimate: f64) -> Interval {
        let tail = (1.0 - self.level) / 2.0;
        Interval { estimate, low: quantile(rising, tail), high: quantile(rising, 1.0 - tail) }
    }
}

/// The quantile of rising values, between two of them by straight line (type 7 of Hyndman and Fan 1996).
#[expect(clippy::cast_sign_loss, reason = "a share is not negative, and so is its place")]
fn quantile(rising: &[f64], share: f64) -> f64 {
    let place = share * (rising.len() - 1) as f64;
    let below = rising[place.floor() as usize];
    let above = rising[(place.ceil() as usize).min(rising.len() - 1)];
    below + (above - below) * place.fract()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(seed: u64) -> Bootstrap {
        Bootstrap { resamples: 1_000, seed, ..Bootstrap::default() }
    }

    #[test]
    fn one_value_has_an_interval_without_width() {
        let interval = quick(1).mean(&[0.25]).unwrap();
        assert_eq!(interval, Interval { estimate: 0.25, low: 0.25, high: 0.25 });
    }

    #[test]
    fn two_values_give_the_quartiles_of_a_coin() {
        // The mean of two draws of 0 and 1 is 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
        let interval = quick(2).mean(&[0.0, 1.0]).unwrap();
        assert_eq!((interval.estimate, interval.low, interval.high), (0.5, 0.0, 1.0));
        let narrow = Bootstrap { level: 0.4, ..quick(2) }.mean(&[0.0, 1.0]).unwrap();
        assert_eq!((narrow.low, narrow.high), (0.5, 0.5));
        let difference = quick(2).difference(&[0.0, 1.0], &[0.0, 0.0]).unwrap();
        // A quarter of the resamples is at most 0: p is about 1/2.
        assert!((difference.p_value - 0.5).abs() < 0.08, "{difference:?}");
    }

    #[test]
    fn a_difference_of_every_query_is_certain_and_of_none_is_not() {
        let base: Vec<f64> = (0..50).map(|v| f64::from(v % 7)).collect();
        let better: Vec<f64> = base.iter().map(|v| v + 0.5).collect();
        let sure = quick(3).difference(&better, &base).unwrap();
        assert_eq!((sure.interval.low, sure.interval.high), (0.5, 0.5));
        assert!((sure.p_value - 2.0 / 1_001.0).abs() < 1e-12);
        let turned = quick(3).difference(&base, &better).unwrap();
        assert!((turned.interval.estimate + 0.5).abs() < 1e-12 && turned.p_value < 0.01);
        assert!((quick(3).difference(&base, &base).unwrap().p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_covers_the_truth_as_often_as_it_says() {
        let mut random = seeded(11, Use::Corruption, 0);
        let covered = (0..200)
            .filter(|run| {
                let sample: Vec<f64> = (0..40).map(|_| random.unit()).collect();
                let interval = quick(*run).mean(&sample).unwrap();
                (interval.low..=interval.high).contains(&0.5)
            })
            .count();
        assert!((180..=198).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn resamples_do_not_depend_on_the_number_of_threads() {
        let values: Vec<f64> = (0..30).map(|v| f64::from(v * v % 17)).collect();
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(alone.install(|| quick(4).mean(&values)), quick(4).mean(&values));
        assert_ne!(quick(5).mean(&values), quick(4).mean(&values));
    }

    #[test]
    fn what_cannot_be_resampled_is_refused() {
        assert_eq!(quick(0).mean(&[]), Err(StatisticsError::Empty));
        assert_eq!(quick(0).mean(&[0.0, f64::NAN]), Err(StatisticsError::NotFinite { position: 1 }));
        assert_eq!(
            quick(0).difference(&[0.0], &[0.0, 1.0]),
            Err(StatisticsError::Unpaired { first: 1, second: 2 })
        );
        let none = Bootstrap { resamples: 0, ..quick(0) };
        assert_eq!(none.mean(&[1.0]), Err(StatisticsError::Resamples { found: 0, most: MOST_RESAMPLES }));
        let all = Bootstrap { level: 1.0, ..quick(0) };
        assert_eq!(all.mean(&[1.0]), Err(StatisticsError::Level { found: 1.0 }));
    }
}
