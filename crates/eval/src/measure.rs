//! What a ranking is worth, as pure functions of ranks, relevance and lists.

mod error;
mod latent;
mod overlap;
mod precision;
mod rank;
mod rank_biased;

pub use error::MeasureError;
pub use latent::mean_latent_distance;
pub use overlap::{overlap_at, shortlist_ceiling};
pub use precision::{average_precision_at_r, precision_at};
pub use rank::rank_of;
pub use rank_biased::{DEFAULT_PERSISTENCE, rank_biased_overlap};
