//! Centring and whitening with a shrunk covariance: the statistics behind the `whitened` metric.
//!
//! For a row x, mean m and covariance S the whitened row is z = L^-1 (x - m), with L the Cholesky factor of
//! S + `SHRINK` * mean(diag S) * I. The dot product of two whitened rows is (x - m)' (S + ..)^-1 (y - m), whichever
//! square root is taken, so scores agree with `whitened_cosine` of the reference implementation.

use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::matrix::{Block, Matrix, row_hash};

/// Share of the mean variance added to the covariance's diagonal (METHOD: "shrink 0.01").
pub const SHRINK: f64 = 0.01;

/// Products with fewer columns take another way and round differently: a row must have the same bits wherever it is.
const LEAST_COLUMNS: usize = 8;

/// Rows of one product of the covariance.
const CHUNK_ROWS: usize = 1024;

/// Statistics of one view in one generation.
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
    /// Fits mean and covariance on the live rows of `matrix`; `None` when they do not vary.
    pub(crate) fn fit(matrix: &Matrix, live: &RoaringBitmap) -> Option<Self> {
        let dimension = matrix.dimension();
        let rows = ordered(matrix, live);
        if rows.len() < 2 {
            return None;
        }
        let mean = mean_row(&rows, dimension);
        let covariance = covariance(&rows, &mean);
        let spread = covariance.diagonal().mean();
        if spread.is_nan() || spread <= 0.0 {
            return None;
        }
        let shrunk = covariance + DMatrix::identity(dimension, dimension) * (SHRINK * spread);
        let lower = Cholesky::new(shrunk)?.l();
        let factor = lower.solve_lower_triangular(&DMatrix::identity(dimension, dimension))?.cast::<f32>();
        let mut whitening = Self { mean, factor, inverse_norms: Vec::new() };
        whitening.inverse_norms =
            matrix.blocks().par_iter().map(|block| whitening.block_norms(block)).collect();
        Some(whitening)
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

    fn block_norms(&self, block: &Block) -> Vec<f32> {
        let whitened = self.whitened(block.values());
        whitened
            .column_iter()
            .map(|z| z.norm())
            .map(|norm| if norm > 0.0 { 1.0 / norm } else { 0.0 })
            .collect()
    }
}

/// The live rows in an order that depends on their values alone, so that sums of them have the same bits whatever the
/// order was in which they were stored.
fn ordered<'a>(matrix: &'a Matrix, live: &RoaringBitmap) -> Vec<&'a [f32]> {
    let mut rows: Vec<(u64, &[f32])> = matrix
        .blocks()
        .par_iter()
        .flat_map_iter(|block| {
            let rows = block.ids().iter().zip(block.values().chunks_exact(matrix.dimension()));
            rows.filter(|(id, _)| live.contains(**id)).map(|(_, row)| (row_hash(row), row))
        })
        .collect();
    let bits = |row: &'a [f32]| row.iter().map(|value| value.to_bits());
    rows.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| bits(a.1).cmp(bits(b.1))));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn mean_row(rows: &[&[f32]], dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f64; dimension];
    for row in rows {
        sum.iter_mut().zip(*row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sum.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}

/// Covariance with n - 1 in the denominator. Products are taken in f32 chunk by chunk and summed in f64 in the order
/// of the chunks, so the result does not depend on the number of threads.
fn covariance(rows: &[&[f32]], mean: &[f32]) -> DMatrix<f64> {
    let dimension = mean.len();
    let mut total = DMatrix::<f64>::zeros(dimension, dimension);
    // A few products at a time: all of them at once would take chunks * dimension^2 * 4 bytes.
    for group in rows.chunks(8 * CHUNK_ROWS) {
        let products: Vec<DMatrix<f32>> = group
            .par_chunks(CHUNK_ROWS)
            .map(|chunk| {
                let mut centred = Vec::with_capacity(chunk.len() * dimension);
                for row in chunk {
                    centred.extend(row.iter().zip(mean).map(|(value, mean)| value - mean));
                }
                let centred = DMatrix::from_vec(dimension, chunk.len(), centred);
                &centred * centred.transpose()
            })
            .collect();
        for product in products {
            total.zip_apply(&product, |sum, value| *sum += f64::from(value));
        }
    }
    total / (rows.len() - 1) as f64
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

    #[test]
    fn a_row_is_its_own_nearest_with_cosine_one() {
        let matrix = thin();
        let whitening = Whitening::fit(&matrix, &(0..4).collect()).unwrap();
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
        let whitening = Whitening::fit(&matrix, &(0..4).collect()).unwrap();
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
        assert!(Whitening::fit(&matrix, &(0..1).collect()).is_none());
        matrix.push(1, &[1.0, 2.0]);
        assert!(Whitening::fit(&matrix, &(0..2).collect()).is_none());
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let mut random = plugin_api::SplitMix64::new(3);
        // The last block has two rows, of which one is in a full block when the order is turned round.
        let rows: Vec<[f32; 24]> = (0..2_050).map(|_| [(); 24].map(|()| random.unit())).collect();
        let fitted = |order: &mut dyn Iterator<Item = usize>| {
            let mut matrix = Matrix::new(24);
            order.enumerate().for_each(|(id, at)| matrix.push(id as u32, &rows[at]));
            Whitening::fit(&matrix, &(0..2_050).collect()).unwrap()
        };
        let (forth, back) = (fitted(&mut (0..2_050)), fitted(&mut (0..2_050).rev()));
        assert_eq!((forth.mean(), &forth.factor), (back.mean(), &back.factor));
        let norms: Vec<u32> = forth.inverse_norms.concat().iter().map(|norm| norm.to_bits()).collect();
        let mut others: Vec<u32> = back.inverse_norms.concat().iter().map(|norm| norm.to_bits()).collect();
        others.reverse();
        assert_eq!(norms, others);
    }

    #[test]
    fn deleted_rows_do_not_count() {
        let mut matrix = thin();
        let before = Whitening::fit(&matrix, &(0..4).collect()).unwrap();
        matrix.push(9, &[1e6, -1e6]);
        let after = Whitening::fit(&matrix, &(0..4).collect()).unwrap();
        assert_eq!(before.mean(), after.mean());
        assert_eq!(before.factor, after.factor);
    }
}
