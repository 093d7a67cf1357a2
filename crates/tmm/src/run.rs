//! One job of a reranker on its way through its stages: what both rerankers of this crate do alike.

pub(crate) mod embedding;
pub(crate) mod halt;
pub(crate) mod measure;
pub(crate) mod query_views;

use std::time::Instant;

use lookalike_plugin_api::{
    AppliedRanking, Artifact, Budget, Completion, ExemplarId, RerankError, RerankJob, RerankScores,
    StageScores, StageTiming,
};
use lookalike_vision::{Model, Pixels};

use self::embedding::Embedding;
use self::halt::Halt;
use crate::disturb::disturbed_copies;
use crate::view::TmmView;

/// Largest number of candidates of one job.
pub const MAX_CANDIDATES: usize = 1 << 20;

/// What a reranker does with a job.
pub(crate) trait Method: Sized {
    /// The settings of one job.
    type Config;

    fn model(&self) -> &Model;

    /// The stored views that it looks at beside the clean one.
    fn views(&self) -> &[TmmView];

    /// What these settings do, in words for people.
    fn applied(&self, config: &Self::Config) -> AppliedRanking;

    /// The same settings without explanations.
    fn unexplained(config: &Self::Config) -> Self::Config;

    /// Scores the job's candidates, in their order, as far as the budget goes.
    fn score(run: &mut QueryRun<'_, Self>, scores: &mut Vec<f32>) -> Result<(), Halt>;
}

/// One job on its way through the stages of a method.
pub(crate) struct QueryRun<'a, M: Method> {
    pub(crate) method: &'a M,
    pub(crate) model: &'a Model,
    pub(crate) views: &'a [TmmView],
    pub(crate) config: &'a M::Config,
    pub(crate) job: &'a RerankJob<'a>,
    /// Stands for the job's query where it is given.
    query: Option<Pixels>,
    pub(crate) budget: &'a Budget,
    pub(crate) scores: Vec<f32>,
    pub(crate) stages: Vec<StageScores>,
    pub(crate) timings: Vec<StageTiming>,
    pub(crate) artifacts: Vec<Artifact>,
}

/// Runs a job from its start to its end.
pub(crate) fn answer<M: Method>(
    method: &M,
    config: &M::Config,
    job: &RerankJob<'_>,
    budget: &Budget,
) -> Result<RerankScores, RerankError> {
    if job.candidates.len() > MAX_CANDIDATES {
        let (found, most) = (job.candidates.len(), MAX_CANDIDATES);
        return Err(RerankError::TooManyCandidates { found, most });
    }
    let mut run = QueryRun::new(method, config, job, budget);
    let completion = match run.run() {
        Ok(()) => Completion::Complete,
        Err(Halt::Spent(completion)) => completion,
        Err(Halt::Failed(error)) => return Err(error),
    };
    let QueryRun { scores, stages, timings, artifacts, .. } = run;
    Ok(RerankScores { ranking: method.applied(config), scores, completion, stages, timings, artifacts })
}

impl<M: Method> QueryRun<'_, M> {
    /// All stages.
    pub(crate) fn run(&mut self) -> Result<(), Halt> {
        if self.job.candidates.is_empty() {
            return Ok(());
        }
        self.embedding().poll()?;
        let mut scores = Vec::with_capacity(self.job.candidates.len());
        let end = M::score(self, &mut scores);
        self.scores = scores;
        end
    }

    /// Runs one stage and keeps its time, also when it ends early. The stage counts its steps.
    pub(crate) fn timed<T>(
        &mut self,
        stage: &'static str,
        work: impl FnOnce(&mut Self, &mut u64) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let span = tracing::debug_span!("rerank", stage).entered();
        let (start, mut steps) = (Instant::now(), 0);
        let result = work(self, &mut steps);
        self.timings.push(StageTiming { stage, elapsed: start.elapsed(), steps });
        tracing::debug!(steps, "done");
        drop(span);
        result
    }

    /// Scores the candidates in their order, `at_once` together, as far as the budget goes. `score` gives the scores of a
    /// group, or of the first of it and why it ended there; candidates that it gets were taken from the budget's steps.
    pub(crate) fn score_groups(
        &self,
        candidates: &[ExemplarId],
        at_once: usize,
        scores: &mut Vec<f32>,
        steps: &mut u64,
        score: impl Fn(&Self, &[ExemplarId]) -> Result<(Vec<f32>, Option<Completion>), Halt>,
    ) -> Result<(), Halt> {
        for group in candidates.chunks(at_once) {
            let spent = group.iter().map(|_| self.budget.spend(1)).position(|spent| spent.is_some());
            let group = &group[..spent.unwrap_or(group.len())];
            let (of_group, ended) = score(self, group)?;
            if of_group.iter().any(|score| !score.is_finite()) {
                return Err(Halt::Failed(RerankError::NotFinite { stage: "score" }));
            }
            *steps += of_group.len() as u64;
            scores.extend(of_group);
            let ended =
                ended.or_else(|| spent.map(|_| self.budget.exhausted().unwrap_or(Completion::StepLimit)));
            if let Some(completion) = ended {
                return Err(Halt::Spent(completion));
            }
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, note: String) {
        if !self.artifacts.iter().any(|artifact| matches!(artifact, Artifact::Note(known) if *known == note))
        {
            self.artifacts.push(Artifact::Note(note));
        }
    }

    /// The query in the shape of the model's input.
    pub(crate) fn prepared(&self) -> Pixels {
        self.query.clone().unwrap_or_else(|| self.model.prepare(self.job.query))
    }

    /// The query in the shape of the model's input, and as many disturbed copies after it.
    pub(crate) fn query_images(&self, copies: usize) -> Vec<Pixels> {
        let query = self.prepared();
        let mut images = disturbed_copies(&query, copies, self.job.seed);
        images.insert(0, query);
        images
    }
}

impl<'a, M: Method> QueryRun<'a, M> {
    fn new(method: &'a M, config: &'a M::Config, job: &'a RerankJob<'a>, budget: &'a Budget) -> Self {
        Self {
            method,
            model: method.model(),
            views: method.views(),
            config,
            job,
            query: None,
            budget,
            scores: Vec::new(),
            stages: Vec::new(),
            timings: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    /// The same job for another query image.
    pub(crate) fn again<'b>(&self, config: &'b M::Config, query: Pixels) -> QueryRun<'b, M>
    where
        'a: 'b,
    {
        QueryRun { query: Some(query), ..QueryRun::new(self.method, config, self.job, self.budget) }
    }

    pub(crate) fn embedding(&self) -> Embedding<'a> {
        Embedding { model: self.model, source: self.job.source, budget: self.budget }
    }
}
