use thiserror::Error;

/// Why a ranking cannot be made or asked.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum RankingError {
    /// A row has another length than it must have.
    #[error("a row has {found} values, {expected} are needed; take query and exemplars from the same layer")]
    Dimension {
        /// Values found.
        found: usize,
        /// Values needed.
        expected: usize,
    },
    /// A query's value is NaN or infinite.
    #[error("value {position} of the query is not finite")]
    NotFinite {
        /// Its place.
        position: usize,
    },
    /// There are too few rows.
    #[error("there are {found} rows, {least} are needed")]
    TooFew {
        /// Rows given.
        found: usize,
        /// The fewest that do.
        least: usize,
    },
    /// There are too many rows for a matrix of all pairs.
    #[error("{found} candidates are to be reranked, the limit is {most}; shorten the shortlist")]
    TooMany {
        /// Candidates given.
        found: usize,
        /// The most there may be.
        most: usize,
    },
    /// The rows are too long for a covariance.
    #[error("rows have {found} values, a covariance is made of {most} at most")]
    TooWide {
        /// Values in a row.
        found: usize,
        /// The most there may be.
        most: usize,
    },
    /// The rows do not vary, or the shrinkage leaves their covariance singular.
    #[error("the covariance has no inverse; give rows that differ, or a larger shrinkage")]
    Singular,
    /// There is not one class per row.
    #[error("there are {found} classes for {expected} rows; give one for each")]
    Classes {
        /// Classes given.
        found: usize,
        /// Rows given.
        expected: usize,
    },
    /// A setting is out of its range.
    #[error("{name} is {found}, it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value given.
        found: f64,
        /// The values that do.
        range: &'static str,
    },
}
