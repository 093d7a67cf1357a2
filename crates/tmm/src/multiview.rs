//! Reranking by the features alone: the query and disturbed copies of it, in several views, nothing fitted.

mod config;
mod plugin;

pub use config::{Copies, MAX_COPIES, MultiViewConfig};
pub use plugin::MultiViewReranker;

#[cfg(test)]
mod tests;
