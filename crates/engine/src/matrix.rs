//! The feature rows of one view in memory: derived state, rebuilt from the store at will.
//!
//! Rows lie in blocks behind `Arc`s. What was there when the collection was opened stays in the store's segments,
//! mapped from files where these are, and a block is a view into one; what is written later is owned. A write makes a
//! new matrix that shares every full block with the old one and copies only the last owned one, so a search keeps its
//! state while an ingest goes on, at the price of at most one block's copy a batch.

use std::ops::Range;
use std::sync::Arc;

use lookalike_plugin_api::ExemplarId;
use lookalike_store::RowSegment;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::metric::dot;

/// Rows in a full block: 2 MiB at 512 values, large enough to stream, small enough to copy.
const BLOCK_ROWS: usize = 1024;

/// Up to [`BLOCK_ROWS`] rows, one after the other, with what every metric needs of them.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    rows: Rows,
    /// 1 / ||row||, or 0 for a row of zeros, which is then as far as a row can be.
    inverse_norms: Vec<f32>,
}

#[derive(Debug, Clone)]
enum Rows {
    Owned {
        ids: Vec<ExemplarId>,
        values: Vec<f32>,
    },
    /// The rows at these places of a segment.
    Shared {
        segment: Arc<RowSegment>,
        places: Range<usize>,
    },
}

impl Block {
    fn shared(segment: Arc<RowSegment>, places: Range<usize>) -> Self {
        let dimension = segment.dimension();
        let mut block = Self { rows: Rows::Shared { segment, places }, inverse_norms: Vec::new() };
        block.inverse_norms = block.values().chunks_exact(dimension).map(inverse_norm).collect();
        block
    }

    pub(crate) fn ids(&self) -> &[ExemplarId] {
        match &self.rows {
            Rows::Owned { ids, .. } => ids,
            Rows::Shared { segment, places } => &segment.ids()[places.clone()],
        }
    }

    pub(crate) fn values(&self) -> &[f32] {
        match &self.rows {
            Rows::Owned { values, .. } => values,
            Rows::Shared { segment, places } => {
                let dimension = segment.dimension();
                &segment.values()[places.start * dimension..places.end * dimension]
            }
        }
    }

    pub(crate) fn inverse_norms(&self) -> &[f32] {
        &self.inverse_norms
    }

    /// Whether a row can be added without touching what others share.
    fn has_room(&self) -> bool {
        match &self.rows {
            Rows::Owned { ids, .. } => ids.len() < BLOCK_ROWS,
            Rows::Shared { .. } => false,
        }
    }
}

/// Rows of one dimension under ascending ids.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    dimension: usize,
    blocks: Vec<Arc<Block>>,
    rows: usize,
}

impl Matrix {
    pub(crate) fn new(dimension: usize) -> Self {
        Self { dimension, blocks: Vec::new(), rows: 0 }
    }

    /// A matrix of the rows of `segments`, whose ids ascend from one to the next. No row is copied.
    pub(crate) fn of_segments(dimension: usize, segments: &[Arc<RowSegment>]) -> Self {
        debug_assert!(segments.iter().all(|segment| segment.dimension() == dimension));
        let blocks: Vec<(&Arc<RowSegment>, Range<usize>)> = segments
            .iter()
            .flat_map(|segment| {
                let rows = segment.len();
                let starts = (0..rows).step_by(BLOCK_ROWS);
                starts.map(move |start| (segment, start..rows.min(start + BLOCK_ROWS)))
            })
            .collect();
        // Every value is read once for the norms, and the cores together are quicker at that.
        let blocks = blocks
            .into_par_iter()
            .map(|(segment, places)| Arc::new(Block::shared(Arc::clone(segment), places)))
            .collect();
        Self { dimension, blocks, rows: segments.iter().map(|segment| segment.len()).sum() }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// Rows held, those of deleted exemplars included.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a row. Ids must ascend from call to call: the store hands out ids in that order.
    pub(crate) fn push(&mut self, id: ExemplarId, row: &[f32]) {
        debug_assert_eq!(row.len(), self.dimension);
        debug_assert!(self.blocks.last().and_then(|b| b.ids().last()).is_none_or(|last| *last < id));
        if !self.blocks.last().is_some_and(|block| block.has_room()) {
            self.blocks.push(Arc::new(Block {
                rows: Rows::Owned {
                    ids: Vec::with_capacity(BLOCK_ROWS),
                    values: Vec::with_capacity(BLOCK_ROWS * self.dimension),
                },
                inverse_norms: Vec::with_capacity(BLOCK_ROWS),
            }));
        }
        let last = self.blocks.len() - 1;
        let block = Arc::make_mut(&mut self.blocks[last]);
        if let Rows::Owned { ids, values } = &mut block.rows {
            ids.push(id);
            values.extend_from_slice(row);
            block.inverse_norms.push(inverse_norm(row));
            self.rows += 1;
        }
    }

    /// The matrix after a write: these rows added, and the dead ones dropped once they outnumber the live.
    pub(crate) fn with_rows(&self, live: &RoaringBitmap, added: &[(ExemplarId, Vec<f32>)]) -> Self {
        let dead = (self.rows + added.len()) as u64 - live.len().min((self.rows + added.len()) as u64);
        let mut next = if dead > live.len() + BLOCK_ROWS as u64 { self.only(live) } else { self.clone() };
        added.iter().for_each(|(id, row)| next.push(*id, row));
        next
    }

    fn only(&self, live: &RoaringBitmap) -> Self {
        let mut kept = Self::new(self.dimension);
        for block in &self.blocks {
            for (id, row) in block.ids().iter().zip(block.values().chunks_exact(self.dimension)) {
                if live.contains(*id) {
                    kept.push(*id, row);
                }
            }
        }
        kept
    }

    /// The row of `id`, if there is one.
    pub(crate) fn row(&self, id: ExemplarId) -> Option<&[f32]> {
        let block = self.blocks.partition_point(|block| block.ids().last().is_some_and(|last| *last < id));
        let block = self.blocks.get(block)?;
        let place = block.ids().binary_search(&id).ok()?;
        Some(&block.values()[self.span(place)])
    }

    /// Where row `place` of a block lies in its values.
    pub(crate) fn span(&self, place: usize) -> Range<usize> {
        place * self.dimension..(place + 1) * self.dimension
    }
}

/// A number that depends on the values of a row alone, by which rows are put in an order that does not depend on when
/// they were stored.
pub(crate) fn row_hash(row: &[f32]) -> u64 {
    row.iter().fold(0, |hash: u64, value| {
        (hash.rotate_left(5) ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

fn inverse_norm(row: &[f32]) -> f32 {
    let norm = dot(row, row).sqrt();
    if norm > 0.0 { 1.0 / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_id_across_blocks() {
        let mut matrix = Matrix::new(2);
        for id in 0..3000_u32 {
            matrix.push(id * 3, &[id as f32, 1.0]);
        }
        assert_eq!(matrix.len(), 3000);
        assert_eq!(matrix.row(0), Some(&[0.0, 1.0][..]));
        assert_eq!(matrix.row(2999 * 3), Some(&[2999.0, 1.0][..]));
        assert_eq!(matrix.row(1024 * 3), Some(&[1024.0, 1.0][..]));
        assert_eq!(matrix.row(1), None);
        assert_eq!(matrix.row(9001), None);
    }

    #[test]
    fn dead_rows_are_dropped_once_they_outnumber_the_live() {
        let mut matrix = Matrix::new(1);
        (0..4000).for_each(|id| matrix.push(id, &[id as f32]));
        let few = matrix.with_rows(&(0..2000).collect(), &[]);
        assert_eq!(few.len(), 4000);
        let live: RoaringBitmap = (3000..3100).chain([4000]).collect();
        let next = matrix.with_rows(&live, &[(4000, vec![9.0])]);
        assert_eq!(next.len(), 101);
        assert_eq!((next.row(3050), next.row(4000)), (Some(&[3050.0][..]), Some(&[9.0][..])));
    }

    #[test]
    fn an_older_clone_does_not_see_new_rows() {
        let mut matrix = Matrix::new(1);
        matrix.push(0, &[1.0]);
        let before = matrix.clone();
        matrix.push(1, &[2.0]);
        assert_eq!((before.len(), before.row(1)), (1, None));
        assert_eq!(before.blocks()[0].ids(), [0]);
        assert_eq!(matrix.row(1), Some(&[2.0][..]));
    }
}
