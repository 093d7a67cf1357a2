//! How sure one may be of a measured number: intervals and differences over queries.

mod bootstrap;
mod error;
mod holm;
mod seeds;

pub use bootstrap::{Bootstrap, DEFAULT_RESAMPLES, Difference, Interval, MOST_RESAMPLES};
pub use error::StatisticsError;
pub use holm::holm;
pub use seeds::mean_over_seeds;
