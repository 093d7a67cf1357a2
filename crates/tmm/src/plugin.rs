mod background;
mod cascade;
mod exact;
mod explain;
mod judge;
mod shared;

use std::fmt;
use std::sync::Arc;

use lookalike_plugin_api::{
    AppliedRanking, Artifact, Budget, FeatureRows, Image, ParameterError, RerankError, RerankJob,
    RerankScores, Reranker, RerankerDescription, View,
};
use lookalike_vision::Model;

use self::background::Backgrounds;
use crate::config::{Certify, Mode, TmmConfig};
use crate::run::halt::Halt;
use crate::run::{self, MAX_CANDIDATES, Method, QueryRun};
use crate::score::ScoreKind;
use crate::trigger::TriggerKind;
use crate::view::{TmmView, ViewError};
use crate::view_set::ViewSet;

/// Name that requests use.
const NAME: &str = "tmm";

/// What a request without a mode is told.
const NOT_FITTED: &str = "tmm without a mode, or in the mode views, fits nothing and is answered by multiview until the \
                          next version; ask for multiview, or give tmm a mode: shared, cascade or exact";
/// What those are told of it who want to see more than multiview has to show.
const NO_HEAT_MAP: &str = "no heat map: multiview has no dummy class";
const NO_CERTIFICATE: &str = "no certificate: multiview has no dummy class";

/// The method as a reranker plugin, in the three modes of [`Mode`].
///
/// In the mode `exact` the stages are *trigger* (equation 8), *`fine_tune`* (equation 3, on a background sample that
/// stands for the collection) and *score* (equation 4); every candidate runs through the network with the query's own
/// trigger. In the mode `shared` they are *`query_views`* (the query in every view), *`fine_tune`* and *score*, all on
/// rows that the host stores; `cascade` is `shared`, whose stages are *`query_views`*, *`shared_fine_tune`* and
/// *`shared_score`* there, followed by `exact` on the best. A step of the budget is one update of trigger or head, or
/// one scored candidate.
///
/// The number `margin` is that of the head of the trigger (`exact`), or of the last view (`shared`).
///
/// What depends on the host's state and the sample alone (classes, whitened rows, Fisher information of the
/// background) is kept from query to query where the host says which state it is in.
///
/// *Determinism*: equal jobs give equal scores, on any number of threads. The model is shared and never changes:
/// each query fine-tunes a copy of its head.
pub struct TmmReranker {
    set: ViewSet,
    config: TmmConfig,
    backgrounds: Backgrounds,
    description: RerankerDescription,
}

impl fmt::Debug for TmmReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TmmReranker")
            .field("set", &self.set)
            .field("config", &self.config)
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
            name: NAME,
            version: env!("CARGO_PKG_VERSION"),
            summary: "TMM-NN: how readily a candidate falls into a dummy class that is fitted to the query and a trigger",
            max_candidates: MAX_CANDIDATES,
            parameters: config.schema(),
            views: Vec::new(),
        };
        let (set, backgrounds) = (ViewSet::clean(model), Backgrounds::default());
        Ok(Self { set, config, backgrounds, description })
    }

    /// The same with stored views, which every mode but [`Mode::Exact`] looks at beside the clean one.
    /// In the raw feature space the first of them with a trigger is the triggered view of equation 3.
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
    pub fn config(&self) -> &TmmConfig {
        &self.config
    }
}

impl Reranker for TmmReranker {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        self.set.derive(view, images)
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        let config = self.config.with_parameters(job.parameters).map_err(RerankError::Parameter)?;
        if config.mode.is_some() {
            return run::answer(self, &config, job, budget);
        }
        let mut answer = run::answer(&self.set, &config.multiview(), job, budget)?;
        let unseen = [
            (true, NOT_FITTED),
            (config.heat_maps > 0, NO_HEAT_MAP),
            (config.certify != Certify::Off, NO_CERTIFICATE),
        ];
        let notes = unseen.into_iter().filter(|(applies, _)| *applies);
        answer.artifacts.extend(notes.map(|(_, note)| Artifact::Note(note.to_owned())));
        Ok(answer)
    }
}

impl Method for TmmReranker {
    type Config = TmmConfig;

    fn model(&self) -> &Model {
        self.set.model()
    }

    fn views(&self) -> &[TmmView] {
        self.set.views()
    }

    fn applied(&self, config: &TmmConfig) -> AppliedRanking {
        AppliedRanking { name: NAME.to_owned(), summary: summary(config, 1 + self.set.views().len()) }
    }

    fn unexplained(config: &TmmConfig) -> TmmConfig {
        TmmConfig { heat_maps: 0, certify: Certify::Off, ..config.clone() }
    }

    fn score(run: &mut QueryRun<'_, Self>, scores: &mut Vec<f32>) -> Result<(), Halt> {
        match run.config.mode {
            Some(Mode::Shared) => run.shared(scores),
            Some(Mode::Cascade) => run.cascade(scores),
            // Without a mode another method runs.
            Some(Mode::Exact) | None => run.exact(run.job.candidates, scores),
        }
    }
}

/// One line on what these settings do; `views` are those kept, the clean one included.
fn summary(config: &TmmConfig, views: usize) -> String {
    let score = match config.score {
        ScoreKind::LogProbability => "log-probability",
        ScoreKind::Logit => "logit",
        ScoreKind::Margin => "margin",
    };
    let trigger = match config.trigger {
        TriggerKind::PerQuery => "a trigger fitted to the query",
        TriggerKind::Global => "the collection's trigger",
        TriggerKind::FixedPatch => "a fixed patch",
        TriggerKind::VariablePatch => "a patch fitted to the query",
        TriggerKind::Random => "a random trigger",
    };
    let layer = config.layer.map_or(String::new(), |layer| format!(", with {} tuned", layer.name()));
    let exact = format!("{score} of a dummy class fitted to the query, each candidate with {trigger}{layer}");
    let shared = match views {
        1 => format!("{score} of a dummy class fitted to the query, on stored rows"),
        _ => format!("{score} of dummy classes fitted to the query, on stored rows of {views} views"),
    };
    match config.mode {
        Some(Mode::Exact) | None => exact,
        Some(Mode::Shared) => shared,
        Some(Mode::Cascade) => format!("{shared}; the best {} again: {exact}", config.cascade),
    }
}

#[cfg(test)]
mod tests;
