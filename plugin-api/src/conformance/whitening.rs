/// Share of the mean variance that is added to every variance.
const SHRINK: f64 = 0.01;

/// Mean and shrunk covariance of some rows, ready to whiten others.
///
/// For a row x, mean m and covariance S, with n - 1 in its denominator, the whitened row is L^-1 (x - m), where
/// L L' = S + `SHRINK` * mean(diag S) * I.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    mean: Vec<f64>,
    /// The Cholesky factor L, row by row, lower triangle only.
    lower: Vec<Vec<f64>>,
}

impl Whitening {
    /// `None` when there are fewer than two rows or they do not vary.
    pub(super) fn fit<'a>(dimension: usize, rows: impl Iterator<Item = &'a [f32]> + Clone) -> Option<Self> {
        let count = rows.clone().count();
        if count < 2 {
            return None;
        }
        let mut mean = vec![0.0; dimension];
        for row in rows.clone() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / count as f64);
        }
        let mut covariance: Vec<Vec<f64>> = (1..=dimension).map(|length| vec![0.0; length]).collect();
        for row in rows {
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
        Some(Self { mean, lower: cholesky(covariance)? })
    }

    /// The whitened row.
    pub(super) fn whiten(&self, row: &[f32]) -> Vec<f32> {
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
        let rows: [[f32; 2]; 4] = [[10.0, 7.0], [-10.0, -4.0], [3.0, 3.0], [-3.0, -2.0]];
        let whitening = Whitening::fit(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap();
        let white: Vec<Vec<f32>> = rows.iter().map(|row| whitening.whiten(row)).collect();
        let covariance = |i: usize, j: usize| white.iter().map(|z| z[i] * z[j]).sum::<f32>() / 3.0;
        assert!((covariance(0, 0) - 1.0).abs() < 0.02);
        assert!(covariance(0, 1).abs() < 0.1);
        // The shrinkage takes from the narrow direction.
        assert!((0.2..1.0).contains(&covariance(1, 1)), "{}", covariance(1, 1));
    }

    #[test]
    fn rows_that_do_not_vary_have_no_whitening() {
        let row: [f32; 2] = [1.0, 2.0];
        assert!(Whitening::fit(2, [row.as_slice()].into_iter()).is_none());
        assert!(Whitening::fit(2, [row.as_slice(), row.as_slice()].into_iter()).is_none());
    }
}
