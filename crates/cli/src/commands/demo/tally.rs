//! Counting how well each ranking did, against what is known about the glyphs.

use lookalike_datasets::{GlyphFactors, GlyphSet};
use lookalike_engine::Answer;
use serde::Serialize;

use super::queries::{GlyphQuery, key};

/// Neighbours that are judged, without the very glyph.
pub(crate) const JUDGED: usize = 5;

/// The drawn glyphs: class and factors of each, which are the truth about who is alike.
#[derive(Debug)]
pub(crate) struct Truth {
    glyphs: Vec<(usize, GlyphFactors)>,
}

impl Truth {
    pub(crate) fn of(set: GlyphSet, count: u64) -> Self {
        let drawn = |index| {
            let glyph = set.glyph(index);
            (glyph.class, glyph.factors)
        };
        Self { glyphs: (0..count).map(drawn).collect() }
    }

    /// Distances of factors from glyph `index` to the others of its class, ascending.
    fn distances(&self, index: u64) -> Vec<f32> {
        let (class, factors) = &self.glyphs[index as usize];
        let others =
            self.glyphs.iter().enumerate().filter(|(other, (c, _))| *other as u64 != index && c == class);
        let mut distances: Vec<f32> = others.map(|(_, (_, other))| factors.distance(other)).collect();
        distances.sort_unstable_by(f32::total_cmp);
        distances
    }

    /// What the best possible ranking and one by lot would get for these queries.
    pub(crate) fn yardsticks<'a>(&self, queries: impl Iterator<Item = &'a GlyphQuery>) -> Yardsticks {
        let (mut best, mut lot, mut same) = (Mean::default(), Mean::default(), Mean::default());
        for query in queries {
            let distances = self.distances(query.index);
            for (place, distance) in distances.iter().map(|distance| f64::from(*distance)).enumerate() {
                lot.add(distance);
                if place < JUDGED {
                    best.add(distance);
                }
            }
            same.add(distances.len() as f64 / (self.glyphs.len() - 1) as f64);
        }
        Yardsticks {
            best_factor_distance: best.get(),
            random_factor_distance: lot.get(),
            random_same_class: same.get(),
        }
    }
}

/// What can be reached at best, and without looking.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Yardsticks {
    pub(crate) best_factor_distance: Option<f64>,
    pub(crate) random_factor_distance: Option<f64>,
    pub(crate) random_same_class: Option<f64>,
}

/// How one ranking did on one set of queries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Per query, whether the very glyph came first.
    pub(crate) very_first: Vec<bool>,
    pub(crate) same_class: Mean,
    pub(crate) factor_distance: Mean,
    pub(crate) seconds: Vec<f64>,
}

impl Tally {
    /// Counts one answer.
    pub(crate) fn add(&mut self, query: &GlyphQuery, answer: &Answer, truth: &Truth) {
        let very = key(query.index);
        self.very_first.push(answer.hits.first().is_some_and(|hit| hit.key == very));
        self.seconds.push(answer.elapsed().as_secs_f64());
        let (class, factors) = &truth.glyphs[query.index as usize];
        for hit in answer.hits.iter().filter(|hit| hit.key != very).take(JUDGED) {
            let found = hit.key.rsplit('/').next().and_then(|index| index.parse::<usize>().ok());
            let Some((found_class, found_factors)) = found.and_then(|index| truth.glyphs.get(index)) else {
                continue;
            };
            let same = found_class == class;
            self.same_class.add(f64::from(u8::from(same)));
            if same {
                self.factor_distance.add(f64::from(factors.distance(found_factors)));
            }
        }
    }

    pub(crate) fn found(&self) -> usize {
        self.very_first.iter().filter(|first| **first).count()
    }
}

/// A running mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// `None` when nothing was added.
    pub(crate) fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, count: self.count + other.count }
    }
}

/// The middle value; the lower one of two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// Two-sided sign test of two rankings on the same queries: the chance of counts at least as uneven if both were
/// equally good. Queries on which they agree say nothing.
pub(crate) fn sign_test(a: &[bool], b: &[bool]) -> f64 {
    let only = |x: &[bool], y: &[bool]| x.iter().zip(y).filter(|(x, y)| **x && !**y).count() as u64;
    let (wins, losses) = (only(a, b), only(b, a));
    let trials = wins + losses;
    // Terms of the binomial distribution, each from the one before; as logarithms, since 2^-trials may be tiny.
    let mut term = -(trials as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=wins.min(losses) {
        tail += term.exp();
        term += ((trials - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_test_gives_the_binomial_tail() {
        let split = |wins: usize, losses: usize| {
            let a: Vec<bool> = (0..wins + losses).map(|i| i < wins).collect();
            let b: Vec<bool> = a.iter().map(|x| !x).collect();
            sign_test(&a, &b)
        };
        assert!((split(5, 0) - 0.0625).abs() < 1e-12);
        assert!((split(1, 4) - 0.375).abs() < 1e-12);
        assert!((split(3, 3) - 1.0).abs() < 1e-12);
        assert!((sign_test(&[true, false], &[true, false]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_median_is_a_value_that_occurred() {
        assert_eq!(median([3.0, 1.0, 2.0]).to_bits(), 2.0f64.to_bits());
        assert_eq!(median([4.0, 1.0]).to_bits(), 1.0f64.to_bits());
        assert_eq!(median([]).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn the_best_neighbours_are_nearer_than_those_by_lot() {
        let set = GlyphSet::new(1);
        let [clean, _] = super::super::queries::queries(set, 240, 4);
        let yardsticks = Truth::of(set, 240).yardsticks(clean.iter());
        assert!(yardsticks.best_factor_distance < yardsticks.random_factor_distance);
        let share = yardsticks.random_same_class.unwrap();
        assert!((share - 19.0 / 239.0).abs() < 1e-9, "{share}");
    }
}
