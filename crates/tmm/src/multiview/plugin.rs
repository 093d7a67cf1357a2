use std::sync::Arc;

use lookalike_plugin_api::{
    AppliedRanking, Budget, FeatureRows, Image, ParameterError, RerankError, RerankJob, RerankScores,
    Reranker, RerankerDescription, Space, View,
};
use lookalike_vision::Model;

use super::config::{Copies, MultiViewConfig};
use crate::run::halt::Halt;
use crate::run::query_views::{QUERY_VIEWS, QueryView};
use crate::run::{self, MAX_CANDIDATES, Method, QueryRun};
use crate::view::{TmmView, ViewError};
use crate::view_set::ViewSet;

/// Name that requests use.
const NAME: &str = "multiview";

/// A reranker that fits nothing: whitened cosine of the query and of disturbed copies of it, in the clean view and in
/// each stored one. Per exemplar and view the nearest copy counts, or the mean, and the views are summed.
///
/// Its score lies between minus and plus the number of views. The stages are *`query_views`* (the query and its copies
/// through the network, in every view) and *score* (a scan of the rows that the host stores). A step of the budget is
/// one scored candidate.
///
/// It lives beside TMM-NN because its views may be triggers, and its copies are disturbed in the network's prepared
/// pixels.
///
/// *Determinism*: equal jobs give equal scores, on any number of threads.
#[derive(Debug)]
pub struct MultiViewReranker {
    set: ViewSet,
    config: MultiViewConfig,
    description: RerankerDescription,
}

impl MultiViewReranker {
    /// The plugin on `model`, with the settings that a request starts from.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] when a setting is out of range.
    pub fn new(model: Arc<Model>, config: MultiViewConfig) -> Result<Self, ParameterError> {
        config.validate()?;
        let description = RerankerDescription {
            name: NAME,
            version: env!("CARGO_PKG_VERSION"),
            summary: "whitened cosine of the query and disturbed copies of it, in several views; nothing is fitted",
            max_candidates: MAX_CANDIDATES,
            parameters: config.schema(),
            views: Vec::new(),
        };
        Ok(Self { set: ViewSet::clean(model), config, description })
    }

    /// The same with stored views beside the clean one.
    ///
    /// # Errors
    ///
    /// [`ViewError`] when two views have one name, or a trigger is another model's.
    pub fn with_views(mut self, views: Vec<TmmView>) -> Result<Self, ViewError> {
        self.set = ViewSet::new(Arc::clone(self.set.model()), views)?;
        self.description.views = self.set.declared().to_vec();
        Ok(self)
    }

    /// The stored views that it knows.
    pub fn views(&self) -> &[TmmView] {
        self.set.views()
    }

    /// The settings that a request starts from.
    pub fn config(&self) -> &MultiViewConfig {
        &self.config
    }
}

impl Reranker for MultiViewReranker {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        self.set.derive(view, images)
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        let config = self.config.with_parameters(job.parameters).map_err(RerankError::Parameter)?;
        run::answer(&self.set, &config, job, budget)
    }
}

impl Method for ViewSet {
    type Config = MultiViewConfig;

    fn model(&self) -> &Model {
        self.model()
    }

    fn views(&self) -> &[TmmView] {
        self.views()
    }

    fn applied(&self, config: &MultiViewConfig) -> AppliedRanking {
        AppliedRanking { name: NAME.to_owned(), summary: config.summary(1 + self.views().len()) }
    }

    fn unexplained(config: &MultiViewConfig) -> MultiViewConfig {
        MultiViewConfig { measures_radius: false, ..config.clone() }
    }

    fn score(run: &mut QueryRun<'_, Self>, scores: &mut Vec<f32>) -> Result<(), Halt> {
        run.summed_cosines(scores)?;
        if run.config.measures_radius {
            let (radius, directions) = (run.config.radius, run.config.directions);
            run.explained(|run, _| run.measure(radius, directions))?;
        }
        Ok(())
    }
}

impl QueryRun<'_, ViewSet> {
    fn summed_cosines(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        const STAGE: &str = "score";
        let copies = self.config.disturbed_copies;
        let query = self.timed(QUERY_VIEWS, |run, _| run.query_views(copies))?;
        self.timed(STAGE, |run, steps| {
            let embedding = run.embedding();
            let directions: Vec<(String, FeatureRows)> = query
                .into_iter()
                .map(|QueryView { name, rows }| {
                    let rows = embedding.whitened(STAGE, &name, &rows)?;
                    Ok((name, rows))
                })
                .collect::<Result<_, Halt>>()?;
            run.scan(scores, steps, |run, ids, sums| {
                for (view, directions) in &directions {
                    let cosines = run.job.source.project(view, Space::Whitened, directions, ids);
                    let cosines = cosines.map_err(|error| Halt::of_source(STAGE, error))?;
                    for (sum, cosines) in sums.iter_mut().zip(cosines.rows()) {
                        *sum += match run.config.copies {
                            Copies::Best => cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                            Copies::Mean => cosines.iter().sum::<f32>() / cosines.len() as f32,
                        };
                    }
                }
                Ok(())
            })
        })
    }
}
