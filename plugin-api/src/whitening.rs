use crate::{FeatureRows, SourceError};

/// Share of the mean variance that is added to every variance.
const SHRINK: f64 = 0.01;

/// Mean and shrunk covariance of the rows of a collection in one view, ready to whiten others: what a host answers
/// [`ExemplarSource::whiten`](crate::ExemplarSource::whiten) with that has no linear algebra of its own.
///
/// For a row x, mean m and covariance S, with n - 1 in its denominator, the whitened row is L^-1 (x - m), where
/// L L' = S + 0.01 * mean(diag S) * I. The dot product of two whitened rows, each scaled to unit length, is their
/// whitened cosine.
///
/// *Cost*: plain `f64` loops; fitting n rows of d values takes n d^2 / 2 multiplications and 8 d^2 bytes, whitening a row
/// d^2 / 2. Some thousand rows of some hundred values are its limit in practice.
///
/// *Determinism*: the same rows in the same order give the same bits on every machine.
///
/// # Examples
///
/// ```
/// use lookalike_plugin_api::{FeatureRows, Whitening};
///
/// let rows = FeatureRows::new(2, vec![10.0, 7.0, -10.0, -4.0, 3.0, 3.0, -3.0, -2.0])?;
/// let whitening = Whitening::fit(&rows)?;
/// let query = whitening.whiten(&FeatureRows::new(2, vec![9.0, 6.0])?)?;
/// assert_eq!((query.len(), query.dimension()), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Whitening {
    mean: Vec<f64>,
    /// The Cholesky factor L, row by row, lower triangle only.
    lower: Vec<Vec<f64>>,
}

impl Whitening {
    /// Of the rows of a view.
    ///
    /// # Errors
    ///
    /// [`SourceError::Whitening`] when there are fewer than two rows, or they do not vary.
    pub fn fit(rows: &FeatureRows) -> Result<Self, SourceError> {
        let too_few = || SourceError::Whitening { rows: rows.len() };
        let (dimension, count) = (rows.dimension(), rows.len());
        if count < 2 {
            return Err(too_few());
        }
        let mut mean = vec![0.0; dimension];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / count as f64);
        }
        let mut covariance: Vec<Vec<f64>> = (1..=dimension).map(|length| vec![0.0; length]).collect();
        for row in rows.rows() {
            let centred: Vec<f64> =
                row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect();
            for (i, line) in covariance.iter_mut().enumerate() {
                for (sum, value) in line.iter_mut().zip(&centred) {
                    *sum += centred[i] * value / (count - 1) as f64;
                }
            }
        }
        let spread = covariance.iter().enumerate().map(|(i, line)| line[i]).sum::<f64>() / dimension as f64;
        for (i, line) in covariance.iter_mut().enumerate() {
            line[i] += SHRINK * spread;
        }
        Ok(Self { mean, lower: cholesky(covariance).ok_or_else(too_few)? })
    }

    /// The whitened rows, in their order.
    ///
    /// # Errors
    ///
    /// [`SourceError::Dimension`] when they are not as long as those it was fitted on.
    pub fn whiten(&self, rows: &FeatureRows) -> Result<FeatureRows, SourceError> {
        let (found, expected) = (rows.dimension(), self.mean.len());
        if found != expected {
            return Err(SourceError::Dimension { found, expected });
        }
        let values = rows.rows().flat_map(|row| self.whitened(row)).collect();
        FeatureRows::new(expected, values).map_err(|error| SourceError::Storage(Box::new(error)))
    }

    fn whitened(&self, row: &[f32]) -> Vec<f32> {
        let mut solved: Vec<f64> = Vec::with_capacity(self.mean.len());
        for ((line, &value), mean) in self.lower.iter().zip(row).zip(&self.mean) {
            let (known, diagonal) = line.split_at(solved.len());
            let rest = f64::from(value) - mean - known.iter().zip(&solved).map(|(l, z)| l * z).sum::<f64>();
            solved.push(rest / diagonal[0]);
        }
        solved.into_iter().map(|value| value as f32).collect()
    }
}

/// The factor of a symmetric matrix given by its lower triangle; `None` when it is not positive definite.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for i in 0..matrix.len() {
        let (above, rest) = matrix.split_at_mut(i);
        let line = &mut rest[0];
        for (j, other) in above.iter().enumerate() {
            let product: f64 = line[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            line[j] = (line[j] - product) / other[j];
        }
        let remaining = line[i] - line[..i].iter().map(|value| value * value).sum::<f64>();
        if remaining.is_nan() || remaining <= 0.0 {
            return None;
        }
        line[i] = remaining.sqrt();
    }
    Some(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_of_a_known_matrix_is_found() {
        let factor = cholesky(vec![vec![4.0], vec![12.0, 37.0], vec![-16.0, -43.0, 98.0]]);
        assert_eq!(factor, Some(vec![vec![2.0], vec![6.0, 1.0], vec![-8.0, 5.0, 3.0]]));
        assert_eq!(cholesky(vec![vec![1.0], vec![2.0, 1.0]]), None);
    }

    #[test]
    fn whitened_rows_have_nearly_unit_covariance() {
        let rows = FeatureRows::new(2, vec![10.0, 7.0, -10.0, -4.0, 3.0, 3.0, -3.0, -2.0]).unwrap();
        let white = Whitening::fit(&rows).unwrap().whiten(&rows).unwrap();
        let covariance = |i: usize, j: usize| white.rows().map(|z| z[i] * z[j]).sum::<f32>() / 3.0;
        assert!((covariance(0, 0) - 1.0).abs() < 0.02);
        assert!(covariance(0, 1).abs() < 0.1);
        // The shrinkage takes from the narrow direction.
        assert!((0.2..1.0).contains(&covariance(1, 1)), "{}", covariance(1, 1));
    }

    #[test]
    fn rows_that_do_not_vary_have_no_whitening() {
        for count in [0, 1, 2] {
            let rows = FeatureRows::new(2, [1.0, 2.0].repeat(count)).unwrap();
            assert!(matches!(Whitening::fit(&rows), Err(SourceError::Whitening { rows }) if rows == count));
        }
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        let rows = FeatureRows::new(2, vec![1.0, 2.0, 3.0, 5.0]).unwrap();
        let whitening = Whitening::fit(&rows).unwrap();
        let found = whitening.whiten(&FeatureRows::empty(3));
        assert!(matches!(found, Err(SourceError::Dimension { found: 3, expected: 2 })));
    }
}
