use thiserror::Error;

/// Why a measure is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// There is nothing to measure.
    #[error("the list is empty; a measure needs one entry at least")]
    Empty,
    /// The number of entries to look at cannot be used.
    #[error("the cut-off is {found}, it must be 1 to {most}, the length of the shorter list")]
    CutOff {
        /// Entries asked for.
        found: usize,
        /// Entries there are.
        most: usize,
    },
    /// The entry looked for is not among those ranked.
    #[error("entry {found} is looked for among {entries} scores; entries count from 0")]
    Target {
        /// The entry asked for.
        found: usize,
        /// Scores given.
        entries: usize,
    },
    /// Two lists that must be equally long are not.
    #[error("lists have {first} and {second} entries; give both the same length")]
    Lengths {
        /// Entries of the first.
        first: usize,
        /// Entries of the second.
        second: usize,
    },
    /// A score is NaN.
    #[error("the score of entry {position} is not a number")]
    NotANumber {
        /// Its place.
        position: usize,
    },
    /// A list of scores does not fall.
    #[error("the score of entry {position} is larger than the one before it; sort the list, best first")]
    Unsorted {
        /// Its place.
        position: usize,
    },
    /// A list names something twice.
    #[error("id {id} is in the list twice; a ranking names each id once")]
    Repeated {
        /// The id.
        id: u32,
    },
    /// The persistence of rank-biased overlap is no share.
    #[error("the persistence is {found}, it must lie between 0 and 1, both excluded")]
    Persistence {
        /// The value given.
        found: f64,
    },
    /// No entry is relevant.
    #[error(
        "the query has {relevant} relevant entries, {found} of them are in the list; give the true count"
    )]
    Relevant {
        /// Relevant entries there are said to be.
        relevant: usize,
        /// Relevant entries among those ranked.
        found: usize,
    },
}
