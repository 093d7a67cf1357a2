//! What came of the second stage.

use std::collections::HashMap;

use lookalike_plugin_api::{
    AppliedRanking, Artifact, ExemplarId, RankingStatus, RerankScores, StageScores, StageTiming,
    order_by_score,
};
use roaring::RoaringBitmap;

/// The outcome of the second stage: scores in ranking order, best first.
pub(super) struct Reranked {
    pub(super) status: RankingStatus,
    /// What made the scores; `None` where there are none.
    pub(super) ranking: Option<AppliedRanking>,
    pub(super) ranked: Vec<(ExemplarId, f32)>,
    /// What went into the scores, stage by stage.
    stages: Vec<StageScores>,
    pub(super) timings: Vec<StageTiming>,
    pub(super) artifacts: Vec<Artifact>,
}

/// Score and rank of some exemplars in one stage.
pub(super) type Places = HashMap<ExemplarId, (f32, usize)>;

impl Reranked {
    pub(super) fn skipped() -> Self {
        Self {
            status: RankingStatus::Skipped,
            ranking: None,
            ranked: Vec::new(),
            stages: Vec::new(),
            timings: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    pub(super) fn fallback(reason: String) -> Self {
        Self { status: RankingStatus::Fallback { reason }, ..Self::skipped() }
    }

    /// Orders a reranker's scores, after checking that it kept its contract.
    pub(super) fn of(candidates: &[ExemplarId], outcome: RerankScores) -> Self {
        // A time that comes twice is added up; scores of two stages cannot be told apart.
        if let Some(stage) = outcome.ambiguous_scores() {
            return Self::fallback(format!("two stages have scores under the word \"{stage}\""));
        }
        let RerankScores { ranking, scores, completion, mut stages, timings, artifacts } = outcome;
        if scores.len() > candidates.len() {
            return Self::fallback(format!("{} scores for {} candidates", scores.len(), candidates.len()));
        }
        if let Some(place) = scores.iter().position(|score| !score.is_finite()) {
            return Self::fallback(format!("the score of exemplar {} is not finite", candidates[place]));
        }
        for StageScores { stage, scores } in &mut stages {
            if let Some((id, _)) = scores.iter().find(|(_, score)| !score.is_finite()) {
                return Self::fallback(format!("the score of exemplar {id} in stage {stage} is not finite"));
            }
            order_by_score(scores);
        }
        let status = if scores.len() == candidates.len() {
            RankingStatus::Applied
        } else {
            RankingStatus::Partial { scored: scores.len(), of: candidates.len(), completion }
        };
        let mut ranked: Vec<(ExemplarId, f32)> = candidates.iter().copied().zip(scores).collect();
        order_by_score(&mut ranked);
        Self { status, ranking: Some(ranking), ranked, stages, timings, artifacts }
    }

    /// The stages that went into the score, in their order, with what each thought of `chosen` ones.
    pub(super) fn stages_of(&self, chosen: &RoaringBitmap) -> Vec<(&'static str, Places)> {
        let places = |scores: &[(ExemplarId, f32)]| {
            let ranked = scores.iter().enumerate().filter(|(_, (id, _))| chosen.contains(*id));
            ranked.map(|(place, (id, score))| (*id, (*score, place + 1))).collect()
        };
        self.stages.iter().map(|StageScores { stage, scores }| (*stage, places(scores))).collect()
    }
}
