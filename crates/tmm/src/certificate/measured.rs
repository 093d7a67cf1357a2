use std::error::Error;

use lookalike_plugin_api::{Budget, Completion, ExemplarId};
use lookalike_vision::Pixels;

use super::direction::{direction, moved};
use crate::random::{Stream, seeded};

/// Largest distance over tolerance: beyond it the pixels' own 24 bits end.
const MOST_STEPS: f64 = 16_777_216.0;

/// Where [`measured_radius`] looks for a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadiusSearch {
    /// Size of the set of nearest exemplars that is watched, at least 1.
    pub k: usize,
    /// Directions, at least 1.
    pub directions: usize,
    /// Largest distance from the query: Euclidean length over all pixel values (0..=1 each) and channels, finite and
    /// above 0.
    pub most: f64,
    /// How exactly the distance is found, same unit: above 0, at most `most`, at least `most / 2^24`.
    pub tolerance: f64,
    /// The seed that the directions come from.
    pub seed: u64,
}

/// What [`measured_radius`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredRadius {
    /// The smallest distance at which the top k was seen to differ from the query's own; `None` when it was seen to
    /// differ nowhere up to the largest distance.
    pub radius: Option<f64>,
    /// Directions that were searched to their end; fewer than asked for when the budget ran out. A radius from a
    /// search that was cut short is one at which a change was seen, only not yet the smallest, nor to the tolerance.
    pub directions: usize,
    /// Queries ranked, that of the undisturbed query included.
    pub rankings: usize,
    /// How the work ended.
    pub completion: Completion,
}

/// Why there is no [`MeasuredRadius`]. `E` is the error of whoever ranks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasuredRadiusError<E: Error + 'static> {
    /// Nothing is watched or nowhere is looked.
    #[error("{what} of the radius search is 0, at least 1 is needed")]
    Nothing {
        /// The setting.
        what: &'static str,
    },
    /// The largest distance is no length.
    #[error("largest radius is {found}, a finite number above 0 was expected")]
    Most {
        /// The distance given.
        found: f64,
    },
    /// The tolerance is not in its range.
    #[error("tolerance is {found}, {least} to {most} was expected")]
    Tolerance {
        /// The tolerance given.
        found: f64,
        /// Smallest tolerance for this largest distance.
        least: f64,
        /// The largest distance.
        most: f64,
    },
    /// A query could not be ranked.
    #[error("a disturbed query could not be ranked")]
    Rank(#[source] E),
}

/// The smallest distance at which the set of the `k` nearest exemplars changes (the radius of the paper's definition
/// 1, Euclidean), as far as a set of seeded directions shows it.
///
/// `rank` gives the exemplars of a query, nearest first, at least `k` of them if there are so many; their order
/// within the first `k` does not count, as in the definition. The disturbed queries are not clamped to 0..=1.
///
/// Along each direction the distance is found by **bisection, which assumes that the top k changes once** along the
/// ray and then stays changed. Where it changes back and forth, bisection finds one of the changes, or none if the
/// top k is the query's own again at the end. The result is therefore always an upper bound of the distance of the
/// first change, and of the radius over all directions. A direction that shows no change at the best distance so far
/// is left there, for it cannot better it.
///
/// The budget is looked at before and after each call of `rank`, which may spend of the same budget: what it gives
/// after the budget ran out is not used. *Determinism*: as that of `rank`; the directions of a smaller search are the
/// first of a larger one.
///
/// # Errors
///
/// [`MeasuredRadiusError`] when a setting is out of its range or `rank` fails.
pub fn measured_radius<E: Error + 'static>(
    query: &Pixels,
    search: &RadiusSearch,
    budget: &Budget,
    rank: impl FnMut(&Pixels) -> Result<Vec<ExemplarId>, E>,
) -> Result<MeasuredRadius, MeasuredRadiusError<E>> {
    search.validate()?;
    let mut watch = Watch { k: search.k, budget, rank, rankings: 0 };
    let mut found =
        MeasuredRadius { radius: None, directions: 0, rankings: 0, completion: Completion::Complete };
    let ended = watch.narrow(query, search, &mut found);
    found.rankings = watch.rankings;
    match ended {
        Ok(()) => Ok(found),
        Err(Stop::Spent(reason)) => Ok(MeasuredRadius { completion: reason, ..found }),
        Err(Stop::Failed(error)) => Err(MeasuredRadiusError::Rank(error)),
    }
}

impl RadiusSearch {
    fn validate<E: Error + 'static>(&self) -> Result<(), MeasuredRadiusError<E>> {
        for (what, number) in [("k", self.k), ("number of directions", self.directions)] {
            if number == 0 {
                return Err(MeasuredRadiusError::Nothing { what });
            }
        }
        if !self.most.is_finite() || self.most <= 0.0 {
            return Err(MeasuredRadiusError::Most { found: self.most });
        }
        let least = self.most / MOST_STEPS;
        if !(least..=self.most).contains(&self.tolerance) || self.tolerance <= 0.0 {
            return Err(MeasuredRadiusError::Tolerance { found: self.tolerance, least, most: self.most });
        }
        Ok(())
    }
}

/// Why the search ends before its last direction.
enum Stop<E> {
    Spent(Completion),
    Failed(E),
}

/// Ranks queries and counts.
struct Watch<'a, F> {
    k: usize,
    budget: &'a Budget,
    rank: F,
    rankings: usize,
}

impl<E, F: FnMut(&Pixels) -> Result<Vec<ExemplarId>, E>> Watch<'_, F> {
    /// Brings `found` as far as the budget goes.
    fn narrow(
        &mut self,
        query: &Pixels,
        search: &RadiusSearch,
        found: &mut MeasuredRadius,
    ) -> Result<(), Stop<E>> {
        let own = self.top(query)?;
        let mut random = seeded(search.seed, Stream::Directions);
        for _ in 0..search.directions {
            let towards = direction(&mut random, query.values().len());
            let mut changed = found.radius.unwrap_or(search.most);
            if self.top(&moved(query, &towards, changed))? != own {
                found.radius = Some(changed);
                let mut unchanged = 0.0;
                while changed - unchanged > search.tolerance {
                    let middle = f64::midpoint(unchanged, changed);
                    if self.top(&moved(query, &towards, middle))? == own {
                        unchanged = middle;
                    } else {
                        changed = middle;
                        found.radius = Some(changed);
                    }
                }
            }
            found.directions += 1;
        }
        Ok(())
    }

    /// The first k of a query, as a set.
    fn top(&mut self, query: &Pixels) -> Result<Vec<ExemplarId>, Stop<E>> {
        self.poll()?;
        let mut ids = (self.rank)(query).map_err(Stop::Failed)?;
        self.poll()?;
        self.rankings += 1;
        ids.truncate(self.k);
        ids.sort_unstable();
        Ok(ids)
    }

    fn poll(&self) -> Result<(), Stop<E>> {
        self.budget.exhausted().map_or(Ok(()), |reason| Err(Stop::Spent(reason)))
    }
}

#[cfg(test)]
mod tests;
