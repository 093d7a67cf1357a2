//! Dot products of many rows with a few directions: one pass over the rows, on all cores.

use lookalike_plugin_api::ExemplarId;
use rayon::prelude::*;

use crate::matrix::Matrix;
use crate::metric::{dot, four_dots};
use crate::whitening::Whitening;

/// Exemplars that a thread takes at a time: a megabyte of rows of 512 values.
const TAKEN_AT_ONCE: usize = 512;

/// Rows that are held against a few directions together: 32 KiB of 512 values, which the nearest cache has.
const ROWS_TOGETHER: usize = 16;

/// Directions in the space of raw rows, `[directions, dimension]`, and the rows they are held against.
#[derive(Debug)]
pub(crate) struct Projection<'a> {
    matrix: &'a Matrix,
    /// With one, a product is that of the whitened row, scaled to unit length.
    whitening: Option<&'a Whitening>,
    directions: Vec<f32>,
}

impl<'a> Projection<'a> {
    /// Products with the rows as they are.
    pub(crate) fn raw(matrix: &'a Matrix, directions: &[f32]) -> Self {
        Self { matrix, whitening: None, directions: directions.to_vec() }
    }

    /// Products of whitened rows of unit length with directions in the whitened space. The directions are turned, not
    /// the rows: w · L^-1 (x - m) = (L^-T w) · (x - m).
    pub(crate) fn whitened(matrix: &'a Matrix, whitening: &'a Whitening, directions: &[f32]) -> Self {
        Self { matrix, whitening: Some(whitening), directions: whitening.turned(directions) }
    }

    /// Whitened cosines with a raw row.
    pub(crate) fn cosine(matrix: &'a Matrix, whitening: &'a Whitening, row: &[f32]) -> Self {
        Self { matrix, whitening: Some(whitening), directions: whitening.query(row).direction }
    }

    /// Products `[ids, directions]`; an id that has no row where there is one.
    ///
    /// Each is computed by itself in a fixed order of additions, so it has the same bits for any number of threads and
    /// whatever the other ids are.
    pub(crate) fn of(&self, ids: &[ExemplarId]) -> Result<Vec<f32>, ExemplarId> {
        let dimension = self.matrix.dimension();
        let directions = self.directions.len() / dimension;
        if directions == 0 {
            return Ok(Vec::new());
        }
        let mut products = vec![0.0; ids.len() * directions];
        if ids.len() <= TAKEN_AT_ONCE {
            // Not worth a turn of the pool, which others may keep busy.
            self.fill(&mut products, directions, ids)?;
            return Ok(products);
        }
        products
            .par_chunks_mut(TAKEN_AT_ONCE * directions)
            .zip(ids.par_chunks(TAKEN_AT_ONCE))
            .try_for_each(|(products, ids)| self.fill(products, directions, ids))?;
        Ok(products)
    }

    fn fill(&self, products: &mut [f32], directions: usize, ids: &[ExemplarId]) -> Result<(), ExemplarId> {
        pulp::Arch::new().dispatch(Fill { projection: self, products, directions, ids })
    }

    /// Where the row of `id` is. `last` is where the one before was: ids mostly ascend one by one.
    fn place(&self, id: ExemplarId, last: Place) -> Option<Place> {
        let blocks = self.matrix.blocks();
        let next = Place { block: last.block, row: last.row + 1 };
        let near = blocks.get(last.block).map(|block| block.ids());
        if near.and_then(|ids| ids.get(next.row)) == Some(&id) {
            return Some(next);
        }
        let is_near = near.is_some_and(|ids| ids.first() <= Some(&id) && Some(&id) <= ids.last());
        let block = if is_near {
            last.block
        } else {
            blocks.partition_point(|block| block.ids().last().is_some_and(|last| *last < id))
        };
        let row = blocks.get(block)?.ids().binary_search(&id).ok()?;
        Some(Place { block, row })
    }
}

/// The products of some rows, compiled for the processor that it runs on; a struct because a closure is not always
/// inlined into the dispatch.
struct Fill<'p, 'a> {
    projection: &'p Projection<'a>,
    products: &'p mut [f32],
    directions: usize,
    ids: &'p [ExemplarId],
}

impl pulp::WithSimd for Fill<'_, '_> {
    type Output = Result<(), ExemplarId>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled inside the processor dispatch")]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let Self { projection, products, directions, ids } = self;
        let Projection { matrix, whitening, directions: turned } = projection;
        let dimension = matrix.dimension();
        // Rows less the mean, and what their products are scaled by.
        let mut rows = vec![0.0; ROWS_TOGETHER * dimension];
        let mut scales = [1.0; ROWS_TOGETHER];
        let mut place = Place { block: 0, row: 0 };
        for (products, ids) in products.chunks_mut(ROWS_TOGETHER * directions).zip(ids.chunks(ROWS_TOGETHER))
        {
            for ((id, row), scale) in ids.iter().zip(rows.chunks_exact_mut(dimension)).zip(&mut scales) {
                place = projection.place(*id, place).ok_or(*id)?;
                let block = &matrix.blocks()[place.block];
                row.copy_from_slice(&block.values()[matrix.span(place.row)]);
                if let Some(whitening) = whitening {
                    row.iter_mut().zip(whitening.mean()).for_each(|(value, mean)| *value -= mean);
                    *scale = whitening.inverse_norms(place.block)[place.row];
                }
            }
            let rows = || rows.chunks_exact(dimension).zip(&scales);
            // Four directions stay in the nearest cache while the rows pass.
            for (group, four) in turned.chunks(4 * dimension).enumerate() {
                for (products, (row, scale)) in products.chunks_exact_mut(directions).zip(rows()) {
                    let products = &mut products[4 * group..];
                    if four.len() == 4 * dimension {
                        let of = |at: usize| &four[at * dimension..(at + 1) * dimension];
                        let dots = four_dots([of(0), of(1), of(2), of(3)], row);
                        products.iter_mut().zip(dots).for_each(|(product, dot)| *product = dot * scale);
                    } else {
                        let few = products.iter_mut().zip(four.chunks_exact(dimension));
                        few.for_each(|(product, direction)| *product = dot(direction, row) * scale);
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    block: usize,
    row: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let mut matrix = Matrix::new(2);
        (0..5000).for_each(|id| matrix.push(id * 2, &[id as f32, 1.0]));
        matrix
    }

    #[test]
    fn rows_are_found_in_any_order_and_as_often_as_they_are_asked_for() {
        let matrix = matrix();
        let projection = Projection::raw(&matrix, &[1.0, 0.0, 0.0, 3.0]);
        let ascending: Vec<ExemplarId> = (0..5000).map(|id| id * 2).collect();
        let mixed: Vec<ExemplarId> =
            (0..5000).map(|id| id * 7919 % 5000 * 2).chain([0, 0, 9998, 2]).collect();
        for ids in [ascending, mixed, vec![4096]] {
            let expected: Vec<f32> = ids.iter().flat_map(|id| [(id / 2) as f32, 3.0]).collect();
            assert_eq!(projection.of(&ids), Ok(expected));
        }
        assert_eq!(projection.of(&[]), Ok(Vec::new()));
        assert_eq!(Projection::raw(&matrix, &[]).of(&[4]), Ok(Vec::new()));
    }

    #[test]
    fn a_product_has_the_same_bits_among_any_number_of_directions() {
        let mut matrix = Matrix::new(37);
        let value = |at: u32| ((at * 7919 % 1013) as f32 / 1013.0).sin();
        (0..40).for_each(|id| matrix.push(id, &(0..37).map(|at| value(id * 37 + at)).collect::<Vec<_>>()));
        let directions: Vec<f32> = (0..7 * 37).map(|at| value(at + 5)).collect();
        let ids: Vec<ExemplarId> = (0..40).collect();
        let together = Projection::raw(&matrix, &directions).of(&ids).unwrap();
        for (number, direction) in directions.chunks_exact(37).enumerate() {
            let alone = Projection::raw(&matrix, direction).of(&ids).unwrap();
            let among: Vec<f32> = together.iter().skip(number).step_by(7).copied().collect();
            assert_eq!(among, alone);
        }
    }

    #[test]
    fn an_id_without_a_row_is_named() {
        let matrix = matrix();
        for missing in [1, 9_999, 10_000] {
            assert_eq!(Projection::raw(&matrix, &[1.0, 1.0]).of(&[0, missing, 2]), Err(missing));
        }
        assert_eq!(Projection::raw(&Matrix::new(2), &[1.0, 1.0]).of(&[0]), Err(0));
    }
}
