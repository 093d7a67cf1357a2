use std::fmt;

use crate::{Completion, ExemplarId, RerankerDescription};

/// What made the scores of one answer, from the settings that ran: a text that a page may show beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedRanking {
    /// Its name: of a reranker the one in its description, unless it let another answer for it.
    pub name: String,
    /// One line for people, lower case, without a full stop.
    pub summary: String,
}

impl AppliedRanking {
    /// A reranker that does the same whatever its settings.
    pub fn of(description: &RerankerDescription) -> Self {
        Self { name: description.name.to_owned(), summary: description.summary.to_owned() }
    }
}

/// What became of the rerank stage of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankingStatus {
    /// Every candidate was scored; the order is the reranker's.
    Applied,
    /// The budget ran out: the first `scored` of `of` candidates are in the reranker's order, the rest follow in
    /// shortlist order.
    Partial {
        /// Candidates with a score.
        scored: usize,
        /// All candidates.
        of: usize,
        /// What ran out.
        completion: Completion,
    },
    /// The reranker could not work; the order is the shortlist's.
    Fallback {
        /// Why, in one line.
        reason: String,
    },
    /// No rerank was asked for.
    Skipped,
}

impl fmt::Display for RankingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("applied"),
            Self::Partial { scored, of, completion } => {
                let why = match completion {
                    Completion::Complete => "complete",
                    Completion::Deadline => "deadline passed",
                    Completion::Cancelled => "cancelled",
                    Completion::StepLimit => "step limit reached",
                };
                write!(f, "partial, {scored} of {of} candidates scored: {why}")
            }
            Self::Fallback { reason } => write!(f, "fallback to the shortlist: {reason}"),
            Self::Skipped => f.write_str("skipped"),
        }
    }
}

/// Sorts entries best first: by score, larger first, and equal scores by ascending id.
///
/// Every ranking of the project is ordered by this one function, so that ties never depend on the path taken.
/// Scores must not be NaN; the order is total and deterministic even if one is.
pub fn order_by_score(entries: &mut [(ExemplarId, f32)]) {
    // Adding 0.0 makes -0.0 equal to 0.0, so that the two tie.
    entries.sort_unstable_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_ascending_id() {
        let mut entries = [(7, 1.0), (3, 1.0), (5, 2.0), (4, -0.0), (2, 0.0)];
        order_by_score(&mut entries);
        assert_eq!(entries.map(|e| e.0), [5, 3, 7, 2, 4]);
    }
}
