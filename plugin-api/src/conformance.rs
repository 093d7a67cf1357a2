//! Checks that hold an implementation to the contract of this crate, and a source of exemplars in memory to run
//! them with.
//!
//! [`check_embedder`] and [`check_reranker`] run an implementation through the cases that its trait documents and
//! return the first broken clause as a [`Violation`]; they neither panic nor print. Passing them does not make a
//! plugin good, only fit to be called.
//!
//! What they do not do: they check no quality of features or scores, and measure no time.
//!
//! # Examples
//!
//! ```
//! use lookalike_plugin_api::conformance::{MemoryExemplar, MemorySource, check_reranker};
//! use lookalike_plugin_api::{FeatureRows, Image, Parameters, QueryRows, RerankJob};
//! # use lookalike_plugin_api::*;
//! # struct Brightest(RerankerDescription);
//! # impl Reranker for Brightest {
//! #     fn describe(&self) -> &RerankerDescription { &self.0 }
//! #     fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
//! #         if job.candidates.len() > self.0.max_candidates {
//! #             let (found, most) = (job.candidates.len(), self.0.max_candidates);
//! #             return Err(RerankError::TooManyCandidates { found, most });
//! #         }
//! #         job.parameters.check(&self.0.parameters).map_err(RerankError::Parameter)?;
//! #         let mut scores = Vec::new();
//! #         let mut completion = Completion::Complete;
//! #         for id in job.candidates {
//! #             if let Some(end) = budget.spend(1) { completion = end; break; }
//! #             let images = job.source.images(&[*id])
//! #                 .map_err(|source| RerankError::Source { stage: "score", source })?;
//! #             scores.push(f32::from(images[0].samples()[0]));
//! #         }
//! #         Ok(RerankScores::new(AppliedRanking::of(&self.0), scores, completion))
//! #     }
//! # }
//! # let reranker = Brightest(RerankerDescription {
//! #     name: "brightest", version: "1", summary: "the first sample", max_candidates: 10, parameters: vec![], views: vec![],
//! # });
//! let pixel = |level| Image::new(1, 1, 1, vec![level]);
//! let exemplars = vec![
//!     MemoryExemplar { image: pixel(10)?, label: Some("dark".to_owned()) },
//!     MemoryExemplar { image: pixel(200)?, label: None },
//! ];
//! let source = MemorySource::new(exemplars, FeatureRows::new(2, vec![0.1, 1.0, 2.0, 0.5])?)?;
//! let query = pixel(90)?;
//! check_reranker(
//!     &reranker,
//!     &RerankJob {
//!         query: &query,
//!         query_label: None,
//!         query_rows: &QueryRows::default(),
//!         candidates: &[1, 0],
//!         source: &source,
//!         parameters: &Parameters::default(),
//!         seed: 1,
//!     },
//! )?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod embedder;
mod memory;
mod reranker;
mod violation;

pub use embedder::check_embedder;
pub use memory::{MemoryError, MemoryExemplar, MemorySource};
pub use reranker::check_reranker;
pub use violation::Violation;

#[cfg(test)]
mod tests;
