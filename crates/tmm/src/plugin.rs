mod background;
mod embedding;
mod exact;
mod explain;
mod halt;
mod judge;
mod query;
mod shared;

use std::fmt;
use std::sync::Arc;

use lookalike_plugin_api::{
    Budget, Completion, FeatureRows, Image, ParameterError, RerankError, RerankJob, RerankScores, Reranker,
    RerankerDescription, View,
};
use lookalike_vision::{Model, Pixels};

use self::background::Backgrounds;
use self::embedding::CHUNK;
use self::halt::Halt;
use self::query::QueryRun;
use crate::{TmmConfig, TmmView, ViewError};

/// Images of a view that are transformed at once.
const DERIVED_AT_ONCE: usize = 4 * CHUNK;

/// Largest number of candidates of one job. In the mode `exact` each costs a forward pass of the network.
pub const MAX_CANDIDATES: usize = 1 << 20;

/// The method as a reranker plugin, in the four modes of [`Mode`](crate::Mode).
///
/// In the mode `exact` the stages are *trigger* (equation 8), *`fine_tune`* (equation 3, on a background sample that
/// stands for the collection) and *score* (equation 4); every candidate runs through the network with the query's own
/// trigger. In the modes `shared` and `views` they are *embed* (the query in every view), *`fine_tune`* (not in
/// `views`) and *score*, all on rows that the host stores; `cascade` is `shared` followed by `exact` on the best. A
/// step of the budget is one update of trigger or head, or one scored candidate.
///
/// The number `margin` is that of the head of the trigger (`exact`), or of the last view (`shared`).
///
/// What depends on the host's state and the sample alone (classes, whitened rows, Fisher information of the
/// background) is kept from query to query where the host says which state it is in.
///
/// *Determinism*: equal jobs give equal scores, on any number of threads. The model is shared and never changes:
/// each query fine-tunes a copy of its head.
pub struct TmmReranker {
    model: Arc<Model>,
    config: TmmConfig,
    views: Vec<TmmView>,
    backgrounds: Backgrounds,
    description: RerankerDescription,
}

impl fmt::Debug for TmmReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TmmReranker")
            .field("model", &self.model)
            .field("config", &self.config)
            .field("views", &self.description.views)
            .finish_non_exhaustive()
    }
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
        let (views, backgrounds) = (Vec::new(), Backgrounds::default());
        Ok(Self { model, config, views, backgrounds, description })
    }

    /// The same with stored views, which every mode but [`Mode::Exact`](crate::Mode::Exact) looks at beside the clean one.
    /// In the raw feature space the first of them with a trigger is the triggered view of equation 3.
    ///
    /// # Errors
    ///
    /// [`ViewError`] when two views have one name, or a trigger is another model's.
    pub fn with_views(mut self, views: Vec<TmmView>) -> Result<Self, ViewError> {
        for (place, view) in views.iter().enumerate() {
            view.ensure_for(&self.model)?;
            if views[..place].iter().any(|other| other.name() == view.name()) {
                return Err(ViewError::Twice { name: view.name().to_owned() });
            }
        }
        self.description.views = views.iter().map(|view| view.declared(self.model.fingerprint())).collect();
        self.views = views;
        Ok(self)
    }

    /// The stored views that it knows.
    pub fn views(&self) -> &[TmmView] {
        &self.views
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

    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        let declared = self.description.views.iter().position(|declared| declared == view);
        let unknown = || RerankError::UnknownView { name: view.name.clone() };
        let transformed = &self.views[declared.ok_or_else(unknown)?];
        let mut values = Vec::with_capacity(images.len() * self.model.head().dimension());
        // Chunk by chunk, so that transformed pixels are never held of all images at once.
        for chunk in images.chunks(DERIVED_AT_ONCE) {
            let pixels: Vec<Pixels> =
                chunk.iter().map(|image| transformed.apply(&self.model.prepare(image))).collect();
            let rows = self.model.features(&pixels).map_err(failed)?;
            values.extend_from_slice(rows.values());
        }
        FeatureRows::new(self.model.head().dimension(), values).map_err(failed)
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        let config = self.config.with_parameters(job.parameters).map_err(RerankError::Parameter)?;
        if job.candidates.len() > MAX_CANDIDATES {
            let (found, most) = (job.candidates.len(), MAX_CANDIDATES);
            return Err(RerankError::TooManyCandidates { found, most });
        }
        let mut run = QueryRun::new(self, &config, job, budget);
        let completion = match run.run() {
            Ok(()) => Completion::Complete,
            Err(Halt::Spent(completion)) => completion,
            Err(Halt::Failed(error)) => return Err(error),
        };
        Ok(run.finish(completion))
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> RerankError {
    RerankError::Model { stage: "derive", source: Box::new(error) }
}

#[cfg(test)]
mod tests;
