//! Near duplicates: all pairs of exemplars whose clean rows point the same way.

mod forest;
mod tile;

use std::sync::{Mutex, MutexGuard, PoisonError};

use lookalike_plugin_api::{Budget, Completion, ExemplarId};
use rayon::prelude::*;
use roaring::RoaringBitmap;
use thiserror::Error;
use tracing::info_span;

use self::forest::Forest;
use self::tile::{Directions, Found, Work};
use crate::collection::Collection;
use crate::matrix::Matrix;

/// Two exemplars that are near duplicates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicatePair {
    /// The one stored first.
    pub first: ExemplarId,
    /// The one stored later; larger than `first`.
    pub second: ExemplarId,
    /// Cosine of their clean rows, in steps of 2^-20: equal rows have exactly 1.
    pub similarity: f32,
    /// Whether their encoded images are the same bytes.
    pub same_content: bool,
}

/// The near duplicates of a collection, in one state of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DuplicateReport {
    /// Number of pairs found, whether kept or not.
    pub found: u64,
    /// The most similar of them: most similar first, ties by `first`, then by `second`.
    pub pairs: Vec<DuplicatePair>,
    /// Exemplars that found pairs connect, directly or through others, all pairs considered: groups of two and more,
    /// the largest first, ties by the smallest id; ids ascend within a group. Two members of a group may be less
    /// similar to each other than the threshold.
    pub groups: Vec<Vec<ExemplarId>>,
    /// Number of pairs compared.
    pub compared: u64,
    /// Whether all pairs were compared.
    pub completion: Completion,
}

/// Why near duplicates could not be looked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DuplicatesError {
    /// The threshold is no similarity.
    #[error("the threshold is {found}, it must be a cosine similarity from 0 to 1; 0.98 is a good start")]
    Threshold {
        /// The threshold given.
        found: f32,
    },
    /// What is stored could not be read.
    #[error("the collection cannot be read")]
    Read(#[from] lookalike_store::ReadError),
}

impl Collection {
    /// All pairs of exemplars whose clean rows have a cosine similarity of at least `threshold`, 0 to 1, from the
    /// state that is current at the call. The `most` most similar ones are given, all are counted and grouped.
    ///
    /// Every pair is compared, exactly and on all cores: n exemplars of d values take n * n * d / 2 multiplications.
    /// The budget is polled every few milliseconds; when it runs out, the report holds what was found until then.
    /// A row of zeros has no direction and is similar to nothing. A complete report is the same whatever the number
    /// of threads.
    ///
    /// Memory: beside the collection some 2 MiB a thread, 12 bytes a row, and twice `most` pairs.
    ///
    /// # Errors
    ///
    /// [`DuplicatesError::Threshold`]; [`DuplicatesError::Read`] when the records of the kept pairs cannot be read.
    pub fn near_duplicates(
        &self,
        threshold: f32,
        most: usize,
        budget: &Budget,
    ) -> Result<DuplicateReport, DuplicatesError> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(DuplicatesError::Threshold { found: threshold });
        }
        let state = self.state();
        let mut report = compare_all(state.clean(), state.catalog().live(), threshold, most, budget);
        let stored = self.stored();
        for pair in &mut report.pairs {
            // Who was deleted meanwhile has no content to compare.
            if let (Some(first), Some(second)) = (stored.record(pair.first)?, stored.record(pair.second)?) {
                pair.same_content = first.content == second.content;
            }
        }
        Ok(report)
    }
}

/// What the threads have found so far.
struct Tally {
    found: u64,
    compared: u64,
    /// The best so far, and at most as many again that are not yet sorted out.
    pairs: Vec<DuplicatePair>,
    forest: Forest,
    ended: Option<Completion>,
}

fn compare_all(
    rows: &Matrix,
    live: &RoaringBitmap,
    threshold: f32,
    most: usize,
    budget: &Budget,
) -> DuplicateReport {
    let directions = Directions::new(rows, live);
    let _span = info_span!("stage", name = "duplicates", n = directions.rows()).entered();
    let tally = Mutex::new(Tally {
        found: 0,
        compared: 0,
        pairs: Vec::new(),
        forest: Forest::new(directions.rows()),
        ended: None,
    });
    // Which thread takes which strip changes nothing: counts, the best pairs and the groups do not depend on the order
    // in which they are put together.
    (0..directions.strips()).into_par_iter().for_each_init(Work::default, |work, first| {
        directions.choose(first, work);
        for second in first..directions.strips() {
            if let Some(end) = budget.exhausted() {
                lock(&tally).ended.get_or_insert(end);
                return;
            }
            let found = directions.compare(second, threshold, most, work);
            merge(&mut lock(&tally), found, most);
        }
    });
    let Tally { found, compared, mut pairs, forest, ended } =
        tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    keep_best(&mut pairs, most);
    pairs.sort_unstable_by(tile::by_similarity);
    let groups = forest.groups(|row| directions.id(row));
    DuplicateReport { found, pairs, groups, compared, completion: ended.unwrap_or(Completion::Complete) }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn merge(tally: &mut Tally, found: Found, most: usize) {
    tally.found += found.count;
    tally.compared += found.compared;
    tally.pairs.extend(found.pairs);
    if tally.pairs.len() / 2 >= most {
        keep_best(&mut tally.pairs, most);
    }
    for (first, second) in found.links {
        tally.forest.join(first, second);
    }
}

fn keep_best(pairs: &mut Vec<DuplicatePair>, most: usize) {
    if pairs.len() > most {
        pairs.select_nth_unstable_by(most, tile::by_similarity);
        pairs.truncate(most);
    }
}

#[cfg(test)]
mod tests;
