//! The arithmetic of all pairs: products of strips of rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use lookalike_plugin_api::ExemplarId;
use nalgebra::{DMatrixView, DMatrixViewMut};
use roaring::RoaringBitmap;

use super::DuplicatePair;
use super::forest::Forest;
use crate::matrix::{Block, Matrix};

/// Rows of a strip: 256 KiB of products of two strips, which the pass over them finds in the cache.
const STRIP_ROWS: usize = 256;

/// A shorter strip is filled up with zeros to this, because the matrix library adds in another order below it.
const FEWEST_ROWS: usize = 8;

/// Similarities are rounded to whole multiples of one over this. It hides the last bits of the sums, so that equal
/// rows have a similarity of exactly 1.
const STEPS: f32 = (1 << 20) as f32;

/// The most similar first, ties by ids.
pub(super) fn by_similarity(a: &DuplicatePair, b: &DuplicatePair) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.first.cmp(&b.first)).then(a.second.cmp(&b.second))
}

/// What one comparison of two strips found.
pub(super) struct Found {
    /// Pairs compared.
    pub(super) compared: u64,
    /// Pairs at or above the threshold.
    pub(super) count: u64,
    /// The best of them.
    pub(super) pairs: Vec<DuplicatePair>,
    /// Row numbers of pairs that connect everything that the found pairs connect.
    pub(super) links: Vec<(u32, u32)>,
}

/// Working space of one thread, and the strip that it has chosen.
#[derive(Default)]
pub(super) struct Work {
    chosen: usize,
    transposed: Vec<f32>,
    products: Vec<f32>,
}

/// The rows of a matrix with what makes them directions.
pub(super) struct Directions<'a> {
    matrix: &'a Matrix,
    strips: Vec<Strip<'a>>,
    rows: usize,
}

/// Up to [`STRIP_ROWS`] neighbouring rows of a block.
struct Strip<'a> {
    ids: &'a [ExemplarId],
    /// At least [`FEWEST_ROWS`] rows, one after the other.
    values: Cow<'a, [f32]>,
    /// 1 / ||row||; NaN for a row that is not to be compared, because no comparison with NaN holds.
    inverse_norms: Vec<f32>,
    live: u64,
    /// Number of its first row.
    start: usize,
}

impl<'a> Directions<'a> {
    pub(super) fn new(matrix: &'a Matrix, live: &RoaringBitmap) -> Self {
        let dimension = matrix.dimension();
        let mut strips = Vec::new();
        let mut work = Work::default();
        let mut start = 0;
        for block in matrix.blocks() {
            let block: &Block = block;
            for (ids, values) in
                block.ids().chunks(STRIP_ROWS).zip(block.values().chunks(STRIP_ROWS * dimension))
            {
                strips.push(Strip::new(ids, values, dimension, start, live, &mut work));
                start += ids.len();
            }
        }
        Self { matrix, strips, rows: start }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn strips(&self) -> usize {
        self.strips.len()
    }

    /// The id of a row number.
    pub(super) fn id(&self, row: u32) -> ExemplarId {
        let strip = self.strips.partition_point(|strip| strip.start <= row as usize) - 1;
        let strip = &self.strips[strip];
        strip.ids[row as usize - strip.start]
    }

    /// Makes strip `number` the one that [`Directions::compare`] compares with others.
    pub(super) fn choose(&self, number: usize, work: &mut Work) {
        work.chosen = number;
        self.strips[number].transpose(self.matrix.dimension(), &mut work.transposed);
    }

    /// Compares each row of the chosen strip with each later row of strip `second`, which is at or after it.
    pub(super) fn compare(&self, second: usize, threshold: f32, most: usize, work: &mut Work) -> Found {
        let same = work.chosen == second;
        let (first, second) = (&self.strips[work.chosen], &self.strips[second]);
        let height = multiply(&work.transposed, &second.values, self.matrix.dimension(), &mut work.products);
        let compared =
            if same { first.live * first.live.saturating_sub(1) / 2 } else { first.live * second.live };
        let mut found = Found { compared, count: 0, pairs: Vec::new(), links: Vec::new() };
        // Below this nothing is rounded up to the threshold; most pairs end here.
        let floor = threshold - 1.0 / STEPS;
        // The links of a tile are those of a spanning forest, however many pairs it has.
        let mut forest: Option<Forest> = None;
        let columns = work.products.chunks_exact(height).zip(&second.inverse_norms);
        for (column, (products, norm)) in columns.enumerate() {
            let rows = if same { column } else { first.ids.len() };
            for (row, (product, inverse_norm)) in
                products.iter().zip(&first.inverse_norms).take(rows).enumerate()
            {
                let similarity = product * inverse_norm * norm;
                if similarity < floor {
                    continue;
                }
                let similarity = rounded(similarity);
                if similarity >= threshold {
                    found.count += 1;
                    let forest =
                        forest.get_or_insert_with(|| Forest::new(first.ids.len() + second.ids.len()));
                    if forest.join(row as u32, (first.ids.len() + column) as u32) {
                        found.links.push(((first.start + row) as u32, (second.start + column) as u32));
                    }
                    let (first, second) = (first.ids[row], second.ids[column]);
                    found.pairs.push(DuplicatePair { first, second, similarity, same_content: false });
                }
            }
        }
        super::keep_best(&mut found.pairs, most);
        found
    }
}

impl<'a> Strip<'a> {
    fn new(
        ids: &'a [ExemplarId],
        values: &'a [f32],
        dimension: usize,
        start: usize,
        live: &RoaringBitmap,
        work: &mut Work,
    ) -> Self {
        let mut values = Cow::Borrowed(values);
        if ids.len() < FEWEST_ROWS {
            values.to_mut().resize(FEWEST_ROWS * dimension, 0.0);
        }
        let mut strip = Self { ids, values, inverse_norms: vec![f32::NAN; ids.len()], live: 0, start };
        // Norms come from the same products as similarities, rounded alike, so that a row and its equal cancel.
        strip.transpose(dimension, &mut work.transposed);
        let height = multiply(&work.transposed, &strip.values, dimension, &mut work.products);
        for (row, id) in ids.iter().enumerate() {
            if !live.contains(*id) {
                continue;
            }
            strip.live += 1;
            let square = work.products[row * height + row];
            if square > 0.0 {
                strip.inverse_norms[row] = 1.0 / square.sqrt();
            }
        }
        strip
    }

    /// The values by column instead of by row.
    fn transpose(&self, dimension: usize, transposed: &mut Vec<f32>) {
        let rows = self.values.len() / dimension;
        transposed.resize(self.values.len(), 0.0);
        for (row, values) in self.values.chunks_exact(dimension).enumerate() {
            for (column, value) in values.iter().enumerate() {
                transposed[column * rows + row] = *value;
            }
        }
    }
}

/// Products of all rows of a transposed strip with all rows of another, `[others, rows]`; gives the number of the
/// former.
fn multiply(transposed: &[f32], others: &[f32], dimension: usize, products: &mut Vec<f32>) -> usize {
    let (rows, columns) = (transposed.len() / dimension, others.len() / dimension);
    products.resize(rows * columns, 0.0);
    // The matrix library goes by columns: a slice of rows is, seen so, one row a column.
    let first = DMatrixView::from_slice(transposed, rows, dimension);
    let second = DMatrixView::from_slice(others, dimension, columns);
    DMatrixViewMut::from_slice(products, rows, columns).gemm(1.0, &first, &second, 0.0);
    rows
}

fn rounded(similarity: f32) -> f32 {
    ((similarity * STEPS).round() / STEPS).clamp(-1.0, 1.0)
}
