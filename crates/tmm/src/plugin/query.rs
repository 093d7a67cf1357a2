use std::sync::Arc;
use std::time::Instant;

use lookalike_plugin_api::{
    Artifact, Budget, Completion, ExemplarId, FeatureRows, RerankError, RerankJob, RerankScores, StageScores,
    StageTiming, order_by_score,
};
use lookalike_vision::{Model, Pixels};

use super::TmmReranker;
use super::background::{Background, class_of, predicted};
use super::embedding::Embedding;
use super::halt::Halt;
use crate::{Mode, TmmConfig, TmmView, disturbed_copies};

/// One job on its way through the stages.
pub(crate) struct QueryRun<'a> {
    plugin: &'a TmmReranker,
    pub(crate) model: &'a Model,
    pub(crate) views: &'a [TmmView],
    pub(crate) config: &'a TmmConfig,
    pub(crate) job: &'a RerankJob<'a>,
    /// Stands for the job's query where it is given.
    pub(crate) query: Option<Pixels>,
    pub(crate) budget: &'a Budget,
    pub(crate) scores: Vec<f32>,
    pub(crate) stages: Vec<StageScores>,
    pub(crate) timings: Vec<StageTiming>,
    pub(crate) artifacts: Vec<Artifact>,
}

impl QueryRun<'_> {
    /// All stages.
    pub(crate) fn run(&mut self) -> Result<(), Halt> {
        if self.job.candidates.is_empty() {
            return Ok(());
        }
        self.embedding().poll()?;
        let mut scores = Vec::with_capacity(self.job.candidates.len());
        let end = match self.config.mode {
            Mode::Exact => self.exact(self.job.candidates, &mut scores),
            Mode::Shared => self.shared(&mut scores),
            Mode::Views => self.stored_views(&mut scores),
            Mode::Cascade => self.cascade(&mut scores),
        };
        self.scores = scores;
        end
    }

    pub(crate) fn finish(self, completion: Completion) -> RerankScores {
        let Self { scores, stages, timings, artifacts, .. } = self;
        RerankScores { scores, completion, stages, timings, artifacts }
    }

    /// The stored views for all candidates, then the network for the best of them.
    fn cascade(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        self.shared(scores)?;
        let mut order: Vec<(ExemplarId, f32)> =
            self.job.candidates.iter().copied().zip(scores.iter().copied()).collect();
        self.stages.push(StageScores { stage: "shared", scores: order.clone() });
        order_by_score(&mut order);
        let best: Vec<ExemplarId> = order.iter().take(self.config.cascade).map(|(id, _)| *id).collect();
        let mut exact = Vec::with_capacity(best.len());
        match self.exact(&best, &mut exact) {
            Ok(()) => {}
            Err(Halt::Spent(completion)) if !exact.is_empty() => {
                // Every candidate has a score, and what the second pass reached counts.
                let (done, of) = (exact.len(), best.len());
                self.note(format!("the exact stage scored {done} of {of} candidates ({completion:?})"));
            }
            Err(Halt::Spent(completion)) => {
                self.note(format!("the exact stage did not get to its scores ({completion:?})"));
                return Ok(());
            }
            Err(failed) => return Err(failed),
        }
        let exact: Vec<(ExemplarId, f32)> = best.into_iter().zip(exact).collect();
        place_above(self.job.candidates, scores, &exact);
        self.stages.push(StageScores { stage: "exact", scores: exact });
        Ok(())
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

    /// The query in the shape of the model's input, and its disturbed copies after it.
    pub(crate) fn query_images(&self) -> Vec<Pixels> {
        let query = self.prepared();
        let mut images = disturbed_copies(&query, self.config.positives, self.job.seed);
        images.insert(0, query);
        images
    }

    /// The query's class: that of its label, else the model's own of its clean row.
    pub(crate) fn query_class(&self, clean: &FeatureRows) -> usize {
        let named = self.job.query_label.and_then(|label| class_of(self.model, label));
        named.unwrap_or_else(|| predicted(self.model, clean)[0])
    }

    pub(crate) fn background(&mut self, stage: &'static str) -> Result<Arc<Background>, Halt> {
        let embedding = self.embedding();
        let sample =
            self.plugin.backgrounds.sample(&embedding, stage, self.config.background, self.job.seed)?;
        if sample.predicted > 0 {
            let (predicted, of) = (sample.predicted, sample.ids.len());
            self.note(format!(
                "{predicted} of {of} background exemplars have no label of the model; its own prediction stands in"
            ));
        }
        Ok(sample)
    }
}

impl<'a> QueryRun<'a> {
    pub(crate) fn new(
        plugin: &'a TmmReranker,
        config: &'a TmmConfig,
        job: &'a RerankJob<'a>,
        budget: &'a Budget,
    ) -> Self {
        Self {
            plugin,
            model: &plugin.model,
            views: &plugin.views,
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
    pub(crate) fn again<'b>(&self, config: &'b TmmConfig, query: Pixels) -> QueryRun<'b>
    where
        'a: 'b,
    {
        QueryRun { query: Some(query), ..QueryRun::new(self.plugin, config, self.job, self.budget) }
    }

    pub(crate) fn embedding(&self) -> Embedding<'a> {
        Embedding { model: self.model, source: self.job.source, budget: self.budget }
    }
}

/// Puts candidates with another score in front of all others, whose order stays: these move below the least of the
/// new scores, in steps that keep them apart.
fn place_above(candidates: &[ExemplarId], scores: &mut [f32], above: &[(ExemplarId, f32)]) {
    let new: std::collections::HashMap<ExemplarId, f32> = above.iter().copied().collect();
    let least = above.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
    let mut rest: Vec<(ExemplarId, f32)> = candidates
        .iter()
        .copied()
        .zip(scores.iter().copied())
        .filter(|(id, _)| !new.contains_key(id))
        .collect();
    order_by_score(&mut rest);
    // Equal scores stay equal, so that their ids go on deciding.
    let (mut below, mut last) = (least, None);
    let mut moved = std::collections::HashMap::with_capacity(rest.len());
    for (id, score) in rest {
        if last != Some(score) {
            below = below.next_down();
            last = Some(score);
        }
        moved.insert(id, below);
    }
    for (id, score) in candidates.iter().zip(scores) {
        *score = new.get(id).or_else(|| moved.get(id)).copied().unwrap_or(*score);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_scores_come_first_and_the_rest_keeps_its_order_and_its_ties() {
        let candidates = [3, 1, 9, 4, 7];
        let mut scores = [5.0, 4.0, 4.0, 9.0, 1e9];
        place_above(&candidates, &mut scores, &[(4, -20.0), (7, -30.0)]);
        let mut order: Vec<_> = candidates.into_iter().zip(scores).collect();
        order_by_score(&mut order);
        assert_eq!(order.iter().map(|entry| entry.0).collect::<Vec<_>>(), [4, 7, 3, 1, 9]);
        assert_eq!(scores[1].to_bits(), scores[2].to_bits());
        assert!(scores[0] < -30.0);
    }
}
