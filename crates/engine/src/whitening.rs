//! Centring and whitening with a shrunk covariance: the statistics behind the `whitened` metric.
//!
//! For a row x, mean m and covariance S the whitened row is z = L^-1 (x - m), with L the Cholesky factor of
//! S + `SHRINK` * mean(diag S) * I. The dot product of two whitened rows is (x - m)' (S + ..)^-1 (y - m), whichever
//! square root is taken, so scores agree with `whitened_cosine` of the reference implementation.

use lookalike_plugin_api::{Budget, Completion};
use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::matrix::{Block, Matrix, row_hash};

/// Share of the mean variance added to the covariance's diagonal (METHOD: "shrink 0.01").
pub const SHRINK: f64 = 0.01;

/// Products with fewer columns take another way and round differently: a row must have the same bits wherever it is.
const LEAST_COLUMNS: usize = 8;

/// Rows of one product, at most.
const MAX_CHUNK_ROWS: usize = 1024;

/// Multiplications of one product, unless that were more rows.
const CHUNK_VALUES: usize = MAX_CHUNK_ROWS * 512 * 512;

/// Statistics of one view in one state.
#[derive(Debug)]
pub(crate) struct Whitening {
    mean: Vec<f32>,
    /// L^-1, lower triangular, column by column.
    factor: DMatrix<f32>,
    /// Per block of the matrix, 1 / ||z|| of each of its rows; 0 for a row that equals the mean.
    inverse_norms: Vec<Vec<f32>>,
}

/// A query, ready to be compared with raw rows: the whitened cosine with row x is
/// `dot(direction, x - mean) / ||z(x)||`.
#[derive(Debug)]
pub(crate) struct WhitenedQuery {
    pub(crate) direction: Vec<f32>,
}

impl Whitening {
    /// Fits mean and covariance on the live rows of `matrix`; `None` when they do not vary. It ends with the budget.
    pub(crate) fn fit(
        matrix: &Matrix,
        live: &RoaringBitmap,
        budget: &Budget,
    ) -> Result<Option<Self>, Completion> {
        let dimension = matrix.dimension();
        let rows = ordered(matrix, live, budget)?;
        if rows.len() < 2 {
            return Ok(None);
        }
        let mean = mean_row(&rows, dimension, budget)?;
        let covariance = covariance(&rows, &mean, budget)?;
        let spread = covariance.diagonal().mean();
        if spread.is_nan() || spread <= 0.0 {
            return Ok(None);
        }
        let shrunk = covariance + DMatrix::identity(dimension, dimension) * (SHRINK * spread);
        let Some(factor) = inverse_factor(shrunk, budget)? else { return Ok(None) };
        let mut whitening = Self { mean, factor: factor.cast::<f32>(), inverse_norms: Vec::new() };
        whitening.inverse_norms = matrix
            .blocks()
            .par_iter()
            .map(|block| whitening.block_norms(block, budget))
            .collect::<Result<_, _>>()?;
        Ok(Some(whitening))
    }

    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// 1 / ||z|| of each row of block number `block`.
    pub(crate) fn inverse_norms(&self, block: usize) -> &[f32] {
        &self.inverse_norms[block]
    }

    /// Whitened rows of `values`, row by row.
    pub(crate) fn whiten(&self, values: &[f32]) -> Vec<f32> {
        self.whitened(values).as_slice().to_vec()
    }

    /// The query's direction in the space of raw rows, L^-T z / ||z||.
    pub(crate) fn query(&self, row: &[f32]) -> WhitenedQuery {
        let z = self.whitened(row);
        let norm = z.norm();
        let unit = if norm > 0.0 { z / norm } else { z };
        WhitenedQuery { direction: self.factor.tr_mul(&unit).as_slice().to_vec() }
    }

    /// Directions of the whitened space, row by row, in the space of raw rows: L^-T w for each w.
    pub(crate) fn turned(&self, directions: &[f32]) -> Vec<f32> {
        let dimension = self.mean.len();
        let columns = DMatrix::from_column_slice(dimension, directions.len() / dimension, directions);
        self.factor.tr_mul(&columns).as_slice().to_vec()
    }

    /// Columns are the whitened rows.
    fn whitened(&self, values: &[f32]) -> DMatrix<f32> {
        let dimension = self.mean.len();
        let rows = values.len() / dimension;
        let mut centred = DMatrix::from_column_slice(dimension, rows, values);
        let mean = DVector::from_column_slice(&self.mean);
        centred.column_iter_mut().for_each(|mut column| column -= &mean);
        if rows >= LEAST_COLUMNS {
            return &self.factor * centred;
        }
        let padded = centred.resize_horizontally(LEAST_COLUMNS, 0.0);
        (&self.factor * padded).resize_horizontally(rows, 0.0)
    }

    fn block_norms(&self, block: &Block, budget: &Budget) -> Result<Vec<f32>, Completion> {
        let dimension = self.mean.len();
        let mut norms = Vec::with_capacity(block.ids().len());
        for values in block.values().chunks(rows_at_once(dimension) * dimension) {
            poll(budget)?;
            let whitened = self.whitened(values);
            norms.extend(whitened.column_iter().map(|z| z.norm()));
        }
        norms.iter_mut().for_each(|norm| *norm = if *norm > 0.0 { 1.0 / *norm } else { 0.0 });
        Ok(norms)
    }
}

/// The end of the budget as an error.
pub(crate) fn poll(budget: &Budget) -> Result<(), Completion> {
    budget.exhausted().map_or(Ok(()), Err)
}

/// Rows of one product: as many as take some 10 ms, which depends on their length alone.
fn rows_at_once(dimension: usize) -> usize {
    (CHUNK_VALUES / (dimension * dimension).max(1)).clamp(LEAST_COLUMNS, MAX_CHUNK_ROWS)
}

/// The live rows in an order that depends on their values alone, so that sums of them have the same bits whatever the
/// order was in which they were stored.
fn ordered<'a>(
    matrix: &'a Matrix,
    live: &RoaringBitmap,
    budget: &Budget,
) -> Result<Vec<&'a [f32]>, Completion> {
    let mut rows: Vec<(u64, &[f32])> = matrix
        .blocks()
        .par_iter()
        .flat_map_iter(|block| {
            // What is left out here is never used: the budget is looked at once more below.
            let ids = if budget.exhausted().is_some() { &[] } else { block.ids() };
            let rows = ids.iter().zip(block.values().chunks_exact(matrix.dimension()));
            rows.filter(|(id, _)| live.contains(**id)).map(|(_, row)| (row_hash(row), row))
        })
        .collect();
    poll(budget)?;
    let bits = |row: &'a [f32]| row.iter().map(|value| value.to_bits());
    rows.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| bits(a.1).cmp(bits(b.1))));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn mean_row(rows: &[&[f32]], dimension: usize, budget: &Budget) -> Result<Vec<f32>, Completion> {
    let mut sum = vec![0.0_f64; dimension];
    for rows in rows.chunks(MAX_CHUNK_ROWS) {
        poll(budget)?;
        for row in rows {
            sum.iter_mut().zip(*row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    Ok(sum.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect())
}

/// Covariance with n - 1 in the denominator. Products are taken in f32 chunk by chunk and summed in f64 in the order
/// of the chunks, so the result does not depend on the number of threads.
fn covariance(rows: &[&[f32]], mean: &[f32], budget: &Budget) -> Result<DMatrix<f64>, Completion> {
    let dimension = mean.len();
    let length = rows_at_once(dimension);
    let mut total = DMatrix::<f64>::zeros(dimension, dimension);
    // A few products at a time: all of them at once would take chunks * dimension^2 * 4 bytes.
    for group in rows.chunks(8 * length) {
        let product = |chunk: &[&[f32]]| {
            poll(budget)?;
            let mut centred = Vec::with_capacity(chunk.len() * dimension);
            for row in chunk {
                centred.extend(row.iter().zip(mean).map(|(value, mean)| value - mean));
            }
            let centred = DMatrix::from_vec(dimension, chunk.len(), centred);
            Ok(&centred * centred.transpose())
        };
        let products: Vec<DMatrix<f32>> = group.par_chunks(length).map(product).collect::<Result<_, _>>()?;
        for product in products {
            total.zip_apply(&product, |sum, value| *sum += f64::from(value));
        }
    }
    Ok(total / (rows.len() - 1) as f64)
}

/// Columns of the covariance that are taken apart at once.
const PANEL: usize = 64;

/// The inverse of the lower Cholesky factor of a symmetric matrix; `None` if it has none. Panel by panel, so that the
/// budget is looked at in between: at 2,048 columns the whole takes seconds.
fn inverse_factor(mut matrix: DMatrix<f64>, budget: &Budget) -> Result<Option<DMatrix<f64>>, Completion> {
    let dimension = matrix.nrows();
    let mut inverse = DMatrix::zeros(dimension, dimension);
    for first in (0..dimension).step_by(PANEL) {
        poll(budget)?;
        let length = PANEL.min(dimension - first);
        let corner = matrix.view((first, first), (length, length)).into_owned();
        let Some(corner) = Cholesky::new(corner) else { return Ok(None) };
        let corner = corner.unpack();
        let one = DMatrix::identity(length, length);
        let Some(of_corner) = corner.solve_lower_triangular(&one) else { return Ok(None) };
        // What lies below the corner, and what it takes from the rest: L21 = A21 L11^-T, A22 -= L21 L21^T.
        let next = first + length;
        let below = matrix.view((next, first), (dimension - next, length)) * of_corner.transpose();
        for column in (next..dimension).step_by(PANEL) {
            poll(budget)?;
            let width = PANEL.min(dimension - column);
            let left = below.rows(column - next, dimension - column);
            let taken = left * below.rows(column - next, width).transpose();
            let mut rest = matrix.view_mut((column, column), (dimension - column, width));
            rest -= taken;
        }
        matrix.view_mut((next, first), (dimension - next, length)).copy_from(&below);
        // The same lines of the inverse: L11^-1, and before it -L11^-1 L10 X00.
        let before = matrix.view((first, 0), (length, first)) * inverse.view((0, 0), (first, first));
        inverse.view_mut((first, 0), (length, first)).copy_from(&(-(&of_corner * before)));
        inverse.view_mut((first, first), (length, length)).copy_from(&of_corner);
    }
    Ok(Some(inverse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::dot;

    /// Rows on a long thin ellipse: x = t, y = t / 10.
    fn thin() -> Matrix {
        let mut matrix = Matrix::new(2);
        for (id, (x, y)) in [(10.0, 0.5), (-10.0, -0.5), (3.0, 1.0), (-3.0, -1.0)].into_iter().enumerate() {
            matrix.push(id as u32, &[x, y]);
        }
        matrix
    }

    fn fitted(matrix: &Matrix, live: u32) -> Option<Whitening> {
        Whitening::fit(matrix, &(0..live).collect(), &Budget::unlimited()).unwrap()
    }

    #[test]
    fn the_inverse_factor_is_that_of_the_matrix_at_any_size() {
        let mut random = lookalike_plugin_api::SplitMix64::new(5);
        for size in [1, 7, 64, 65, 200] {
            let rows = DMatrix::from_fn(size, 2 * size, |_, _| f64::from(random.unit()) - 0.5);
            let matrix = &rows * rows.transpose();
            let inverse = inverse_factor(matrix.clone(), &Budget::unlimited()).unwrap().unwrap();
            let error = (&inverse * matrix * inverse.transpose() - DMatrix::identity(size, size)).amax();
            assert!(error < 1e-9, "{size}: {error}");
            assert!((0..size).all(|column| (0..column).all(|row| inverse[(row, column)] == 0.0)), "{size}");
        }
        let indefinite = DMatrix::from_fn(70, 70, |row, column| if row == column { 1.0 } else { 2.0 });
        assert_eq!(inverse_factor(indefinite, &Budget::unlimited()), Ok(None));
    }

    #[test]
    fn a_fit_ends_with_its_budget() {
        let cancel = lookalike_plugin_api::CancelFlag::default();
        let budget = Budget::unlimited().with_cancel(cancel.clone());
        cancel.cancel();
        let ended = Whitening::fit(&thin(), &(0..4).collect(), &budget);
        assert_eq!(ended.map(|_| ()), Err(Completion::Cancelled));
    }

    #[test]
    fn a_row_is_its_own_nearest_with_cosine_one() {
        let matrix = thin();
        let whitening = fitted(&matrix, 4).unwrap();
        for id in 0..4 {
            let row = matrix.row(id).unwrap();
            let query = whitening.query(row);
            let centred: Vec<f32> = row.iter().zip(whitening.mean()).map(|(x, m)| x - m).collect();
            let cosine = dot(&query.direction, &centred) * whitening.inverse_norms(0)[id as usize];
            assert!((cosine - 1.0).abs() < 1e-5, "{id}: {cosine}");
        }
    }

    #[test]
    fn whitened_rows_have_nearly_unit_covariance() {
        let matrix = thin();
        let whitening = fitted(&matrix, 4).unwrap();
        let rows = whitening.whiten(matrix.blocks()[0].values());
        let variance = |axis: usize| rows.iter().skip(axis).step_by(2).map(|v| v * v).sum::<f32>() / 3.0;
        // The shrinkage takes a little from the narrow direction, hence not exactly 1.
        assert!((variance(0) - 1.0).abs() < 0.05, "{}", variance(0));
        assert!((0.3..1.0).contains(&variance(1)), "{}", variance(1));
    }

    #[test]
    fn rows_that_do_not_vary_have_no_whitening() {
        let mut matrix = Matrix::new(2);
        matrix.push(0, &[1.0, 2.0]);
        assert!(fitted(&matrix, 1).is_none());
        matrix.push(1, &[1.0, 2.0]);
        assert!(fitted(&matrix, 2).is_none());
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let mut random = lookalike_plugin_api::SplitMix64::new(3);
        // The last block has two rows, of which one is in a full block when the order is turned round.
        let rows: Vec<[f32; 24]> = (0..2_050).map(|_| [(); 24].map(|()| random.unit())).collect();
        let in_order = |order: &mut dyn Iterator<Item = usize>| {
            let mut matrix = Matrix::new(24);
            order.enumerate().for_each(|(id, at)| matrix.push(id as u32, &rows[at]));
            fitted(&matrix, 2_050).unwrap()
        };
        let (forth, back) = (in_order(&mut (0..2_050)), in_order(&mut (0..2_050).rev()));
        assert_eq!((forth.mean(), &forth.factor), (back.mean(), &back.factor));
        let norms: Vec<u32> = forth.inverse_norms.concat().iter().map(|norm| norm.to_bits()).collect();
        let mut others: Vec<u32> = back.inverse_norms.concat().iter().map(|norm| norm.to_bits()).collect();
        others.reverse();
        assert_eq!(norms, others);
    }

    #[test]
    fn deleted_rows_do_not_count() {
        let mut matrix = thin();
        let before = fitted(&matrix, 4).unwrap();
        matrix.push(9, &[1e6, -1e6]);
        let after = fitted(&matrix, 4).unwrap();
        assert_eq!(before.mean(), after.mean());
        assert_eq!(before.factor, after.factor);
    }
}
