use std::cmp::Ordering;

use lookalike_plugin_api::FeatureRows;
use rayon::prelude::*;

use crate::ranking::RankingError;
use crate::ranking::arithmetic::{check, squared_distance};

/// Most candidates of one reranking: distances of all pairs are kept, 4 bytes each, twice.
pub const MOST_RERANKED: usize = 4_096;

/// k-reciprocal re-ranking (Zhong, Zheng, Cao and Li 2017) of a shortlist: two images are near when they are among each
/// other's nearest and share such neighbours.
///
/// Query and candidates are items. With N(i, k) the k + 1 nearest items of i, itself first:
/// 1. `R(i, k) = {j in N(i, k): i in N(j, k)}`; `R*(i)` is `R(i, k1)` with every `R(j, k1 / 2)` of its members added of
///    which two thirds are in `R(i, k1)` already (equation 5).
/// 2. `V(i, j) = exp(-d(i, j))` for j in `R*(i)`, else 0, scaled to sum 1 (equation 7; the scaling as in the authors'
///    program), then the mean of V over the k2 nearest items of i, itself included (equation 11).
/// 3. Jaccard distance `1 - sum min(V_q, V_i) / sum max(V_q, V_i)` (equation 10); the score is
///    `-((1 - lambda) Jaccard + lambda d(q, i))` (equation 12).
///
/// d is the squared Euclidean distance of the rows divided by the largest of item i, as in the authors' program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KReciprocal {
    /// Nearest items in which reciprocity is looked for, at least 1.
    pub k1: usize,
    /// Items over which the vectors are averaged, at least 1; 1 averages nothing.
    pub k2: usize,
    /// Weight of the original distance, 0 to 1.
    pub lambda: f64,
}

/// The paper's: 20, 6, 0.3.
impl Default for KReciprocal {
    fn default() -> Self {
        Self { k1: 20, k2: 6, lambda: 0.3 }
    }
}

impl KReciprocal {
    /// One score per candidate, larger is nearer. Give rows of unit length, or whitened ones, if that is the metric that
    /// made the shortlist.
    ///
    /// # Errors
    ///
    /// [`RankingError`] when the query has another dimension or is not finite, when there are more than
    /// [`MOST_RERANKED`] candidates, and when a setting is out of range.
    pub fn scores(&self, query: &[f32], candidates: &FeatureRows) -> Result<Vec<f32>, RankingError> {
        check(query, candidates.dimension())?;
        self.check(candidates.len())?;
        let items: Vec<&[f32]> = std::iter::once(query).chain(candidates.rows()).collect();
        let distances: Vec<Vec<f32>> = items.par_iter().map(|item| distances(item, &items)).collect();
        let nearest: Vec<Vec<usize>> = distances.par_iter().map(|of_item| self.nearest(of_item)).collect();
        let vectors: Vec<Vec<f32>> =
            (0..items.len()).into_par_iter().map(|item| self.vector(item, &distances, &nearest)).collect();
        let averaged = |item: usize| -> Vec<f32> {
            let chosen = &nearest[item][..self.k2.min(nearest[item].len())];
            let sum = |at: usize| chosen.iter().map(|other| vectors[*other][at]).sum::<f32>();
            (0..items.len()).map(|at| sum(at) / chosen.len() as f32).collect()
        };
        let of_query = averaged(0);
        let score = |item: usize| {
            let of_item = averaged(item);
            let pairs = of_query.iter().zip(&of_item);
            let (least, most) = pairs.fold((0.0, 0.0), |(least, most), (a, b)| {
                (least + f64::from(a.min(*b)), most + f64::from(a.max(*b)))
            });
            let jaccard = 1.0 - least / most;
            -((1.0 - self.lambda) * jaccard + self.lambda * f64::from(distances[0][item])) as f32
        };
        Ok((1..items.len()).into_par_iter().map(score).collect())
    }

    fn check(&self, candidates: usize) -> Result<(), RankingError> {
        if candidates > MOST_RERANKED {
            return Err(RankingError::TooMany { found: candidates, most: MOST_RERANKED });
        }
        for (name, value) in [("k1", self.k1), ("k2", self.k2)] {
            if value == 0 {
                return Err(RankingError::Setting { name, found: 0.0, range: "1 at least" });
            }
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            return Err(RankingError::Setting { name: "lambda", found: self.lambda, range: "0 to 1" });
        }
        Ok(())
    }

    /// The nearest items first, as many as any step looks at; ties by index.
    fn nearest(&self, distances: &[f32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..distances.len()).collect();
        let by_distance =
            |a: &usize, b: &usize| -> Ordering { distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)) };
        let kept = self.k1.saturating_add(1).max(self.k2).min(order.len());
        if kept < order.len() {
            order.select_nth_unstable_by(kept, by_distance);
            order.truncate(kept);
        }
        order.sort_unstable_by(by_distance);
        order
    }

    /// V of an item, over all items.
    fn vector(&self, item: usize, distances: &[Vec<f32>], nearest: &[Vec<usize>]) -> Vec<f32> {
        let core = reciprocal(item, self.k1, nearest);
        let mut members = core.clone();
        for &other in &core {
            let theirs = reciprocal(other, self.k1.div_ceil(2), nearest);
            let shared = theirs.iter().filter(|at| core.contains(at)).count();
            if 3 * shared >= 2 * theirs.len() {
                members.extend(theirs);
            }
        }
        members.sort_unstable();
        members.dedup();
        let mut vector = vec![0.0; nearest.len()];
        for &member in &members {
            vector[member] = (-distances[item][member]).exp();
        }
        let sum: f32 = vector.iter().sum();
        if sum > 0.0 {
            vector.iter_mut().for_each(|value| *value /= sum);
        }
        vector
    }
}

/// Squared distances of an item from all, the largest scaled to 1.
fn distances(item: &[f32], items: &[&[f32]]) -> Vec<f32> {
    let squared: Vec<f64> = items.iter().map(|other| squared_distance(item, other)).collect();
    let largest = squared.iter().copied().fold(0.0, f64::max);
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    squared.into_iter().map(|value| (value * scale) as f32).collect()
}

/// R(i, k).
fn reciprocal(item: usize, k: usize, nearest: &[Vec<usize>]) -> Vec<usize> {
    let first = |of: usize| &nearest[of][..(k.saturating_add(1)).min(nearest[of].len())];
    first(item).iter().copied().filter(|other| first(*other).contains(&item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &[f32]) -> FeatureRows {
        FeatureRows::new(1, places.to_vec()).unwrap()
    }

    #[test]
    fn three_items_give_the_value_by_hand() {
        // Query 0, candidates 1 and 3. d(q, .) = 0, 1/9, 1; d(1, .) = 1/4, 0, 1 (largest 4); d(3, .) = 1, 4/9, 0.
        // k1 = 1: N(q) = {q, 1}, N(1) = {1, q}, N(3) = {3, 1}: R(q) = {q, 1}, R(1) = {1, q}, R(3) = {3}.
        // The halves of k1 add nothing new. V(q) = (1, e^-1/9) / sum, V(1) = (e^-1/4, 1) / sum, V(3) = third only.
        let scores = KReciprocal { k1: 1, k2: 1, lambda: 0.3 }.scores(&[0.0], &line(&[1.0, 3.0])).unwrap();
        let (a, b) = ((-1.0_f64 / 9.0).exp(), (-0.25_f64).exp());
        let (of_query, of_first) = ([1.0 / (1.0 + a), a / (1.0 + a)], [b / (1.0 + b), 1.0 / (1.0 + b)]);
        let least = of_query[0].min(of_first[0]) + of_query[1].min(of_first[1]);
        let jaccard = 1.0 - least / (2.0 - least);
        assert!((f64::from(scores[0]) + 0.7 * jaccard + 0.3 / 9.0).abs() < 1e-6, "{scores:?}");
        assert!((scores[1] + 1.0).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn a_candidate_of_the_query_s_cluster_beats_a_nearer_one_of_another() {
        // The query at 0 belongs to the chain -0.9 .. 0; the cluster at 1 .. 1.2 is dense and has its own neighbours.
        let candidates = line(&[-1.05, -0.35, -0.7, 1.0, 1.05, 1.1, 1.15]);
        let scores = KReciprocal { k1: 3, k2: 1, lambda: 0.1 }.scores(&[0.0], &candidates).unwrap();
        assert!(scores[0] > scores[3], "{scores:?}");
    }

    #[test]
    fn few_or_equal_candidates_are_ranked_too() {
        let reranked = KReciprocal::default().scores(&[2.0], &line(&[2.0, 2.0])).unwrap();
        assert!(reranked.iter().all(|score| score.abs() < 1e-6), "{reranked:?}");
        assert_eq!(KReciprocal::default().scores(&[2.0], &FeatureRows::empty(1)), Ok(vec![]));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let wrong = |setting: KReciprocal| setting.scores(&[0.0], &line(&[1.0])).unwrap_err();
        let usual = KReciprocal::default();
        assert!(matches!(wrong(KReciprocal { k1: 0, ..usual }), RankingError::Setting { name: "k1", .. }));
        let error = wrong(KReciprocal { lambda: f64::NAN, ..usual });
        assert!(matches!(error, RankingError::Setting { name: "lambda", .. }));
        let many = line(&vec![0.0; MOST_RERANKED + 1]);
        assert!(matches!(usual.scores(&[0.0], &many), Err(RankingError::TooMany { .. })));
    }
}
