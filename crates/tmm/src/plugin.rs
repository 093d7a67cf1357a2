mod embedding;
mod halt;
mod judge;
mod query;

use std::sync::Arc;

use plugin_api::{
    Budget, Completion, FeatureRows, Image, ParameterError, RerankError, RerankJob, RerankScores, Reranker,
    RerankerDescription, View,
};
use vision::Model;

use self::halt::Halt;
use self::query::QueryRun;
use crate::TmmConfig;

/// Largest number of candidates of one job. Each costs a forward pass of the network.
pub const MAX_CANDIDATES: usize = 1 << 20;

/// The method as a reranker plugin, in its `exact` mode: every query fits a trigger of its own, and every candidate
/// runs through the network with that trigger.
///
/// The stages are *trigger* (equation 8), *`fine_tune`* (equation 3, on a background sample that stands for the
/// collection) and *score* (equation 4). A step of the budget is one update of trigger or head, or one scored
/// candidate.
///
/// *Determinism*: equal jobs give equal scores, on any number of threads. The model is shared and never changes:
/// each query fine-tunes a copy of its head.
#[derive(Debug)]
pub struct TmmReranker {
    model: Arc<Model>,
    config: TmmConfig,
    description: RerankerDescription,
}

impl TmmReranker {
    /// The plugin on `model`, with the settings that a request starts from.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] when a setting is out of range.
    pub fn new(model: Arc<Model>, config: TmmConfig) -> Result<Self, ParameterError> {
        config.validate()?;
        let description = RerankerDescription {
            name: "tmm",
            version: env!("CARGO_PKG_VERSION"),
            summary: "scores by the chance that a candidate and the query's trigger fall into a class made for the query",
            max_candidates: MAX_CANDIDATES,
            parameters: config.schema(),
            views: Vec::new(),
        };
        Ok(Self { model, config, description })
    }

    /// The settings that a request starts from.
    pub fn config(&self) -> &TmmConfig {
        &self.config
    }
}

impl Reranker for TmmReranker {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, view: &View, _: &[Image]) -> Result<FeatureRows, RerankError> {
        Err(RerankError::UnknownView { name: view.name.clone() })
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        let config = self.config.with_parameters(job.parameters).map_err(RerankError::Parameter)?;
        if job.candidates.len() > MAX_CANDIDATES {
            let (found, most) = (job.candidates.len(), MAX_CANDIDATES);
            return Err(RerankError::TooManyCandidates { found, most });
        }
        let mut run = QueryRun::new(&self.model, &config, job, budget);
        let completion = match run.run() {
            Ok(()) => Completion::Complete,
            Err(Halt::Spent(completion)) => completion,
            Err(Halt::Failed(error)) => return Err(error),
        };
        Ok(run.finish(completion))
    }
}

#[cfg(test)]
mod tests;
