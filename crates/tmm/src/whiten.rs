use plugin_api::FeatureRows;

/// Share of the mean variance that is added to the covariance's diagonal (METHOD: "shrink 0.01").
pub(crate) const SHRINK: f64 = 0.01;

/// Centring and whitening with a shrunk covariance, fitted on a sample of rows.
#[derive(Debug, Clone)]
pub(crate) struct Whitening {
    mean: Vec<f64>,
    /// Cholesky factor of the shrunk covariance, lower triangular, row by row.
    factor: Vec<f64>,
}

impl Whitening {
    /// Fits mean and covariance on `rows`; `None` when fewer than two of them differ.
    pub(crate) fn fit(rows: &FeatureRows) -> Option<Self> {
        let (n, d) = (rows.len(), rows.dimension());
        if n < 2 {
            return None;
        }
        let mut mean = vec![0.0; d];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        for sum in &mut mean {
            *sum /= n as f64;
        }
        let centred: Vec<f64> = rows
            .rows()
            .flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean))
            .collect();
        let mut factor = vec![0.0; d * d];
        for row in centred.chunks_exact(d) {
            for (i, value) in row.iter().enumerate() {
                let line = &mut factor[i * d..=i * d + i];
                line.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
            }
        }
        for sum in &mut factor {
            *sum /= (n - 1) as f64;
        }
        let spread = (0..d).map(|i| factor[i * d + i]).sum::<f64>() / d as f64;
        if spread.is_nan() || spread <= 0.0 {
            return None;
        }
        (0..d).for_each(|i| factor[i * d + i] += SHRINK * spread);
        decompose(&mut factor, d).then_some(Self { mean, factor })
    }

    /// `rows`, whitened.
    pub(crate) fn apply(&self, rows: &FeatureRows) -> Vec<f32> {
        let d = self.mean.len();
        let mut whitened = Vec::with_capacity(rows.values().len());
        let mut solved = vec![0.0; d];
        for row in rows.rows() {
            for i in 0..d {
                let line = &self.factor[i * d..=i * d + i];
                let known = dot(&line[..i], &solved[..i]);
                solved[i] = (f64::from(row[i]) - self.mean[i] - known) / line[i];
            }
            whitened.extend(solved.iter().map(|value| *value as f32));
        }
        whitened
    }
}

/// Replaces the lower triangle of a symmetric matrix by its Cholesky factor; whether it has one.
fn decompose(matrix: &mut [f64], d: usize) -> bool {
    for i in 0..d {
        let (above, line) = matrix.split_at_mut(i * d);
        for j in 0..i {
            let other = &above[j * d..=j * d + j];
            line[j] = (line[j] - dot(&line[..j], &other[..j])) / other[j];
        }
        let rest = line[i] - dot(&line[..i], &line[..i]);
        if rest.is_nan() || rest <= 0.0 {
            return false;
        }
        line[i] = rest.sqrt();
    }
    true
}

/// The scalar product in eight lanes: a fixed order that the compiler can use vectors for.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (x, y) in a.iter().zip(b) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, Stream};

    #[test]
    fn whitened_rows_have_unit_covariance() {
        let mut random = Random::new(1, Stream::Order);
        // Correlated on purpose: the second value follows the first.
        let values = (0..2000).flat_map(|_| {
            let x = random.normal();
            [3.0 + x, x + random.normal()]
        });
        let rows = FeatureRows::new(2, values.collect()).unwrap();
        let whitened = Whitening::fit(&rows).unwrap().apply(&rows);
        let moment = |f: fn(&[f32]) -> f32| whitened.chunks_exact(2).map(f).sum::<f32>() / 1999.0;
        assert!(moment(|r| r[0]).abs() < 1e-3 && moment(|r| r[1]).abs() < 1e-3);
        // Shrinking takes something off the narrow direction, more the narrower it is.
        let found = [moment(|r| r[0] * r[0]), moment(|r| r[1] * r[1]), moment(|r| r[0] * r[1])];
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.05, "{found:?}");
        assert!(found[2].abs() < 0.05, "{found:?}");
    }

    #[test]
    fn rows_that_do_not_differ_have_no_whitening() {
        assert!(Whitening::fit(&FeatureRows::new(2, vec![1.0, 2.0]).unwrap()).is_none());
        assert!(Whitening::fit(&FeatureRows::new(2, vec![1.0, 2.0, 1.0, 2.0]).unwrap()).is_none());
    }
}
