use lookalike_plugin_api::FeatureRows;

/// Share of the mean variance that is added to the covariance's diagonal (METHOD: "shrink 0.01").
pub(crate) const SHRINK: f64 = 0.01;

/// Rows between two looks at the budget, of a sample or of a matrix: some 10 ms of 512 values each.
const ROWS_AT_ONCE: usize = 64;

/// Centring and whitening with a shrunk covariance, fitted on a sample of rows.
#[derive(Debug, Clone)]
pub(crate) struct Whitening {
    mean: Vec<f64>,
    /// Inverse of the Cholesky factor of the shrunk covariance, lower triangular, row by row: a product is quicker
    /// than solving for every row.
    inverse: Vec<f32>,
}

impl Whitening {
    /// Fits mean and covariance on `rows`; `None` when fewer than two of them differ. An error of `poll`, which is
    /// called every few milliseconds, ends it.
    pub(crate) fn fit<E>(
        rows: &FeatureRows,
        mut poll: impl FnMut() -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        let (n, d) = (rows.len(), rows.dimension());
        if n < 2 {
            return Ok(None);
        }
        let mut mean = vec![0.0; d];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        for sum in &mut mean {
            *sum /= n as f64;
        }
        let mut factor = vec![0.0; d * d];
        let mut centred = vec![0.0; d];
        for (at, row) in rows.rows().enumerate() {
            if at % ROWS_AT_ONCE == 0 {
                poll()?;
            }
            for ((centred, value), mean) in centred.iter_mut().zip(row).zip(&mean) {
                *centred = f64::from(*value) - mean;
            }
            for (i, value) in centred.iter().enumerate() {
                let line = &mut factor[i * d..=i * d + i];
                line.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += value * other);
            }
        }
        for sum in &mut factor {
            *sum /= (n - 1) as f64;
        }
        let spread = (0..d).map(|i| factor[i * d + i]).sum::<f64>() / d as f64;
        if spread.is_nan() || spread <= 0.0 {
            return Ok(None);
        }
        (0..d).for_each(|i| factor[i * d + i] += SHRINK * spread);
        if !decompose(&mut factor, d, &mut poll)? {
            return Ok(None);
        }
        let inverse = inverted(&factor, d, &mut poll)?;
        Ok(Some(Self { mean, inverse }))
    }

    /// `rows`, whitened.
    pub(crate) fn apply(&self, rows: &FeatureRows) -> Vec<f32> {
        let mut whitened = vec![0.0; rows.values().len()];
        pulp::Arch::new().dispatch(Product { whitening: self, rows: rows.values(), whitened: &mut whitened });
        whitened
    }
}

/// Rows that are whitened at once, one in each lane: the inverse factor, larger than the caches next to the processor,
/// is read once for all of them, and no row's result depends on the others.
const LANES: usize = 32;

/// The lower triangular inverse factor times every centred row; a struct because a closure is not always inlined into
/// the dispatch.
struct Product<'a> {
    whitening: &'a Whitening,
    rows: &'a [f32],
    whitened: &'a mut [f32],
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the dispatch compiles what is inlined here for each processor")]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Whitening { mean, inverse } = self.whitening;
        let d = mean.len();
        let mut columns = vec![[0.0_f32; LANES]; d];
        for (tile, whitened) in self.rows.chunks(LANES * d).zip(self.whitened.chunks_mut(LANES * d)) {
            for (lane, row) in tile.chunks_exact(d).enumerate() {
                for ((column, value), mean) in columns.iter_mut().zip(row).zip(mean) {
                    column[lane] = (f64::from(*value) - mean) as f32;
                }
            }
            for first in (0..d).step_by(4) {
                // The last block repeats its last line and drops the surplus.
                let end = (first + 4).min(d);
                let line = |i: usize| &inverse[(first + i).min(d - 1) * d..][..end];
                let (a, b, c, e) = (line(0), line(1), line(2), line(3));
                // Four arrays, not an array of them: the compiler keeps these in registers.
                let (mut to_a, mut to_b) = ([0.0_f32; LANES], [0.0_f32; LANES]);
                let (mut to_c, mut to_e) = ([0.0_f32; LANES], [0.0_f32; LANES]);
                for ((((x, a), b), c), e) in columns[..end].iter().zip(a).zip(b).zip(c).zip(e) {
                    for lane in 0..LANES {
                        to_a[lane] = a.mul_add(x[lane], to_a[lane]);
                        to_b[lane] = b.mul_add(x[lane], to_b[lane]);
                        to_c[lane] = c.mul_add(x[lane], to_c[lane]);
                        to_e[lane] = e.mul_add(x[lane], to_e[lane]);
                    }
                }
                let sums = [to_a, to_b, to_c, to_e];
                for (lane, row) in whitened.chunks_exact_mut(d).enumerate() {
                    row[first..end].iter_mut().zip(&sums).for_each(|(value, sums)| *value = sums[lane]);
                }
            }
        }
    }
}

/// Inverse of a lower triangular matrix, row by row.
fn inverted<E>(factor: &[f64], d: usize, poll: &mut impl FnMut() -> Result<(), E>) -> Result<Vec<f32>, E> {
    let mut inverse = vec![0.0; d * d];
    for i in 0..d {
        if i % ROWS_AT_ONCE == 0 {
            poll()?;
        }
        let (above, line) = inverse.split_at_mut(i * d);
        for (k, above) in above.chunks_exact(d).enumerate() {
            let share = factor[i * d + k];
            line[..=k].iter_mut().zip(&above[..=k]).for_each(|(sum, value)| *sum -= share * value);
        }
        line[i] = 1.0;
        line[..=i].iter_mut().for_each(|value: &mut f64| *value /= factor[i * d + i]);
    }
    Ok(inverse.into_iter().map(|value| value as f32).collect())
}

/// Replaces the lower triangle of a symmetric matrix by its Cholesky factor; whether it has one.
fn decompose<E>(matrix: &mut [f64], d: usize, poll: &mut impl FnMut() -> Result<(), E>) -> Result<bool, E> {
    for i in 0..d {
        if i % ROWS_AT_ONCE == 0 {
            poll()?;
        }
        let (above, line) = matrix.split_at_mut(i * d);
        for j in 0..i {
            let other = &above[j * d..=j * d + j];
            line[j] = (line[j] - dot(&line[..j], &other[..j])) / other[j];
        }
        let rest = line[i] - dot(&line[..i], &line[..i]);
        if rest.is_nan() || rest <= 0.0 {
            return Ok(false);
        }
        line[i] = rest.sqrt();
    }
    Ok(true)
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
    use crate::random::{Stream, seeded};

    fn fitted(rows: &FeatureRows) -> Option<Whitening> {
        Whitening::fit(rows, || Ok::<_, std::convert::Infallible>(())).unwrap()
    }

    #[test]
    fn a_fit_that_must_end_ends() {
        let rows = FeatureRows::new(1, (0..200).map(|v| v as f32).collect()).unwrap();
        let mut looks = 0;
        let ended = Whitening::fit(&rows, || {
            looks += 1;
            if looks == 3 { Err("over") } else { Ok(()) }
        });
        assert_eq!((ended.map(|_| ()), looks), (Err("over"), 3));
    }

    #[test]
    fn whitened_rows_have_unit_covariance() {
        let mut random = seeded(1, Stream::Order);
        // Correlated on purpose: the second value follows the first.
        let values = (0..2000).flat_map(|_| {
            let x = random.normal();
            [3.0 + x, x + random.normal()]
        });
        let rows = FeatureRows::new(2, values.collect()).unwrap();
        let whitened = fitted(&rows).unwrap().apply(&rows);
        let moment = |f: fn(&[f32]) -> f32| whitened.chunks_exact(2).map(f).sum::<f32>() / 1999.0;
        assert!(moment(|r| r[0]).abs() < 1e-3 && moment(|r| r[1]).abs() < 1e-3);
        // Shrinking takes something off the narrow direction, more the narrower it is.
        let found = [moment(|r| r[0] * r[0]), moment(|r| r[1] * r[1]), moment(|r| r[0] * r[1])];
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.05, "{found:?}");
        assert!(found[2].abs() < 0.05, "{found:?}");
    }

    #[test]
    fn a_row_is_whitened_to_the_same_bits_in_any_company() {
        let mut random = seeded(2, Stream::Order);
        let rows = FeatureRows::new(7, (0..7 * 71).map(|_| random.normal()).collect()).unwrap();
        let whitening = fitted(&rows).unwrap();
        let together = whitening.apply(&rows);
        for (row, expected) in rows.rows().zip(together.chunks_exact(7)) {
            let alone = whitening.apply(&FeatureRows::new(7, row.to_vec()).unwrap());
            assert_eq!(alone, expected);
            for (i, value) in alone.iter().enumerate() {
                let line = whitening.inverse[i * 7..][..7].iter().zip(row).zip(&whitening.mean);
                let plain: f64 = line.map(|((w, x), m)| f64::from(*w) * (f64::from(*x) - m)).sum();
                assert!((f64::from(*value) - plain).abs() < 1e-5, "{value} {plain}");
            }
        }
    }

    #[test]
    fn rows_that_do_not_differ_have_no_whitening() {
        assert!(fitted(&FeatureRows::new(2, vec![1.0, 2.0]).unwrap()).is_none());
        assert!(fitted(&FeatureRows::new(2, vec![1.0, 2.0, 1.0, 2.0]).unwrap()).is_none());
    }
}
