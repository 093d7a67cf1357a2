use thiserror::Error;

/// Why a statistic is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There are no values.
    #[error("there are no values; measure one query at least")]
    Empty,
    /// A value is NaN or infinite.
    #[error("the value of query {position} is not finite")]
    NotFinite {
        /// Its query.
        position: usize,
    },
    /// Two rows of values that must belong to the same queries do not.
    #[error("values are of {first} and of {second} queries; pairs need the same queries in the same order")]
    Unpaired {
        /// Queries of the first.
        first: usize,
        /// Queries of the second.
        second: usize,
    },
    /// The number of resamples cannot be used.
    #[error("{found} resamples are asked for, 1 to {most} are possible")]
    Resamples {
        /// Resamples asked for.
        found: usize,
        /// The most there may be.
        most: usize,
    },
    /// The level of an interval is no share.
    #[error("the level is {found}, it must lie between 0 and 1, both excluded")]
    Level {
        /// The level asked for.
        found: f64,
    },
    /// A p-value is none.
    #[error("p-value {position} is {found}, it must be 0 to 1")]
    PValue {
        /// Its place.
        position: usize,
        /// The value.
        found: f64,
    },
}
