use lookalike_plugin_api::FeatureRows;
use nalgebra::{Cholesky, DMatrix};
use rayon::prelude::*;

use crate::ranking::RankingError;
use crate::ranking::arithmetic::finite_rows;

/// Longest rows that a covariance is made of.
pub const MOST_WHITENED: usize = 8_192;

/// Rows of one product: fixed, so that the order of the sums does not depend on the number of threads.
const CHUNK: usize = 512;

/// Products with fewer columns take another way and round differently: a row must have the same bits alone.
const LEAST_COLUMNS: usize = 8;

/// Whitening `z = L^-1 (x - m)`, where L is the Cholesky factor of the shrunk covariance
/// `S + shrink * mean(diag S) * I`. Products of whitened rows are `(x - m)' (S + ..)^-1 (y - m)`, whichever square root
/// is taken.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    mean: Vec<f64>,
    /// L^-1.
    factor: DMatrix<f64>,
}

impl Whitening {
    /// Mean and covariance of all rows, with n - 1 in the denominator.
    pub(super) fn of_rows(rows: &FeatureRows, shrink: f64) -> Result<Self, RankingError> {
        Self::fit(rows, &vec![0; rows.len()], shrink)
    }

    /// The covariance around the mean of each row's class, shared by all classes: with n - 1 in the denominator for one
    /// class, n - (number of classes) in general. The mean is that of all rows.
    pub(super) fn fit(rows: &FeatureRows, classes: &[usize], shrink: f64) -> Result<Self, RankingError> {
        let d = rows.dimension();
        if d > MOST_WHITENED {
            return Err(RankingError::TooWide { found: d, most: MOST_WHITENED });
        }
        if classes.len() != rows.len() {
            return Err(RankingError::Classes { found: classes.len(), expected: rows.len() });
        }
        if !(shrink >= 0.0 && shrink.is_finite()) {
            return Err(RankingError::Setting {
                name: "shrinkage",
                found: shrink,
                range: "finite, 0 at least",
            });
        }
        let (means, place) = class_means(rows, classes);
        let freedom = rows.len().saturating_sub(means.len());
        if freedom == 0 {
            return Err(RankingError::TooFew { found: rows.len(), least: means.len().max(1) + 1 });
        }
        let mut covariance = scatter(rows, |row| &means[place[row]]) / freedom as f64;
        let spread = covariance.diagonal().mean();
        if spread.is_nan() || spread <= 0.0 {
            return Err(RankingError::Singular);
        }
        covariance += DMatrix::identity(d, d) * (shrink * spread);
        let lower = Cholesky::new(covariance).ok_or(RankingError::Singular)?.l();
        let factor = lower.solve_lower_triangular(&DMatrix::identity(d, d)).ok_or(RankingError::Singular)?;
        let (overall, _) = class_means(rows, &vec![0; rows.len()]);
        let mean = overall.into_iter().next().ok_or(RankingError::TooFew { found: 0, least: 2 })?;
        Ok(Self { mean, factor })
    }

    pub(super) fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// Whitened rows; a row has the same bits alone and among others.
    pub(super) fn apply(&self, rows: &FeatureRows) -> FeatureRows {
        let d = rows.dimension();
        let values = rows
            .values()
            .par_chunks(CHUNK * d)
            .flat_map_iter(|chunk| {
                let centred = columns(chunk.chunks_exact(d).map(|row| (row, self.mean.as_slice())), d);
                let n = centred.ncols();
                let whitened = &self.factor * centred.resize_horizontally(n.max(LEAST_COLUMNS), 0.0);
                whitened.as_slice()[..n * d].iter().map(|value| *value as f32).collect::<Vec<f32>>()
            })
            .collect();
        finite_rows(d, values)
    }
}

/// The mean of each class, and of each row the place of its class among them.
fn class_means(rows: &FeatureRows, classes: &[usize]) -> (Vec<Vec<f64>>, Vec<usize>) {
    let mut known: Vec<usize> = classes.to_vec();
    known.sort_unstable();
    known.dedup();
    let place: Vec<usize> = classes.iter().map(|class| known.partition_point(|k| k < class)).collect();
    let mut sums = vec![(0_usize, vec![0.0; rows.dimension()]); known.len()];
    for (row, at) in rows.rows().zip(&place) {
        let (count, sum) = &mut sums[*at];
        *count += 1;
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mean = |(count, sum): (usize, Vec<f64>)| sum.into_iter().map(|v| v / count as f64).collect();
    (sums.into_iter().map(mean).collect(), place)
}

/// The sum over all rows of (x - mean)(x - mean)', added up in the order of the chunks.
fn scatter<'a>(rows: &FeatureRows, mean: impl Fn(usize) -> &'a Vec<f64> + Sync) -> DMatrix<f64> {
    let d = rows.dimension();
    let mut total = DMatrix::zeros(d, d);
    // A few products at a time: all of them at once would take (rows / CHUNK) * d^2 * 8 bytes.
    for (group, values) in rows.values().chunks(8 * CHUNK * d).enumerate() {
        let products: Vec<DMatrix<f64>> = values
            .par_chunks(CHUNK * d)
            .enumerate()
            .map(|(chunk, values)| {
                let first = (8 * group + chunk) * CHUNK;
                let with_mean =
                    (first..).zip(values.chunks_exact(d)).map(|(at, row)| (row, mean(at).as_slice()));
                let centred = columns(with_mean, d);
                &centred * centred.transpose()
            })
            .collect();
        products.iter().for_each(|product| total += product);
    }
    total
}

/// Rows less their means, as columns.
fn columns<'a>(rows: impl Iterator<Item = (&'a [f32], &'a [f64])>, d: usize) -> DMatrix<f64> {
    let mut centred = Vec::new();
    for (row, mean) in rows {
        centred.extend(row.iter().zip(mean).map(|(value, mean)| f64::from(*value) - mean));
    }
    DMatrix::from_vec(d, centred.len() / d, centred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitened_rows_have_unit_covariance_without_shrinkage() {
        let rows = FeatureRows::new(2, vec![10.0, 0.5, -10.0, -0.5, 3.0, 1.0, -3.0, -1.0]).unwrap();
        let whitened = Whitening::of_rows(&rows, 0.0).unwrap().apply(&rows);
        let product = |a: usize, b: usize| whitened.rows().map(|row| row[a] * row[b]).sum::<f32>() / 3.0;
        assert!((product(0, 0) - 1.0).abs() < 1e-5 && (product(1, 1) - 1.0).abs() < 1e-5);
        assert!(product(0, 1).abs() < 1e-5);
    }

    #[test]
    fn a_row_has_the_same_bits_alone() {
        let mut random = lookalike_plugin_api::SplitMix64::new(1);
        let rows = FeatureRows::new(24, (0..24 * 600).map(|_| random.unit()).collect()).unwrap();
        let whitening = Whitening::of_rows(&rows, 0.01).unwrap();
        let together = whitening.apply(&rows);
        for at in [0, 511, 512, 599] {
            let alone = FeatureRows::new(24, rows.row(at).to_vec()).unwrap();
            assert_eq!(whitening.apply(&alone).values(), together.row(at), "{at}");
        }
    }

    #[test]
    fn rows_without_spread_are_refused() {
        let rows = FeatureRows::new(2, vec![1.0, 2.0, 1.0, 2.0]).unwrap();
        assert_eq!(Whitening::of_rows(&rows, 0.01).unwrap_err(), RankingError::Singular);
        let one = FeatureRows::new(2, vec![1.0, 2.0]).unwrap();
        let error = Whitening::of_rows(&one, 0.01).unwrap_err();
        assert_eq!(error, RankingError::TooFew { found: 1, least: 2 });
        assert!(Whitening::of_rows(&FeatureRows::empty(2), 0.01).is_err());
        // A straight line has no inverse covariance without shrinkage.
        let line = FeatureRows::new(2, vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0]).unwrap();
        assert_eq!(Whitening::of_rows(&line, 0.0).unwrap_err(), RankingError::Singular);
        assert!(Whitening::of_rows(&line, 0.01).is_ok());
    }
}
