//! Lesson 2: a reranker of your own, held against the contract, without a database.
//!
//! `cargo run --release --example custom_reranker`

use std::time::Instant;

use lookalike_plugin_api::conformance::{MemoryExemplar, MemorySource, check_reranker};
use lookalike_plugin_api::{
    AppliedRanking, Budget, Completion, ExemplarSource, FeatureRows, Image, ParameterKind, ParameterSpec,
    ParameterValue, Parameters, QueryRows, RerankError, RerankJob, RerankScores, Reranker,
    RerankerDescription, StageTiming, order_by_score,
};

/// Scores a candidate by how close its mean brightness is to the query's.
struct Brightness {
    description: RerankerDescription,
}

impl Brightness {
    fn new() -> Self {
        let weight = ParameterSpec {
            name: "weight",
            kind: ParameterKind::Number { least: 0.0, most: 10.0 },
            default: ParameterValue::Number(1.0),
            help: "what a difference of one full brightness costs",
        };
        let description = RerankerDescription {
            name: "brightness",
            version: "1",
            summary: "nearest by mean brightness",
            max_candidates: 100_000,
            parameters: vec![weight],
            views: Vec::new(),
        };
        Self { description }
    }
}

fn mean(image: &Image) -> f32 {
    image.samples().iter().map(|s| f32::from(*s)).sum::<f32>() / (255.0 * image.samples().len() as f32)
}

impl Reranker for Brightness {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        // What the caller got wrong comes first, before any work.
        job.parameters.check(&self.description.parameters).map_err(RerankError::Parameter)?;
        let (found, most) = (job.candidates.len(), self.description.max_candidates);
        if found > most {
            return Err(RerankError::TooManyCandidates { found, most });
        }
        let weight = match job.parameters.0.get("weight") {
            Some(ParameterValue::Number(weight)) => *weight as f32,
            Some(ParameterValue::Text(_)) | None => 1.0,
        };
        let start = Instant::now();
        let target = mean(job.query);
        let mut scores = Vec::with_capacity(found);
        let mut completion = Completion::Complete;
        // Chunks keep memory bounded and let the budget stop the work; what was scored so far is still an answer.
        for chunk in job.candidates.chunks(64) {
            if let Some(stopped) = budget.spend(chunk.len() as u64) {
                completion = stopped;
                break;
            }
            let failed = |source| RerankError::Source { stage: "score", source };
            let images = job.source.images(chunk).map_err(failed)?;
            scores.extend(images.iter().map(|image| -weight * (mean(image) - target).abs()));
        }
        let steps = scores.len() as u64;
        let timings = vec![StageTiming { stage: "score", elapsed: start.elapsed(), steps }];
        Ok(RerankScores {
            timings,
            ..RerankScores::new(AppliedRanking::of(&self.description), scores, completion)
        })
    }
}

fn main() -> anyhow::Result<()> {
    let grey = |level: u8| Image::new(2, 2, 1, vec![level; 4]);
    let exemplars = [10, 250, 120, 90, 200]
        .into_iter()
        .map(|level| Ok(MemoryExemplar { image: grey(level)?, label: None }))
        .collect::<Result<Vec<_>, lookalike_plugin_api::ImageError>>()?;
    let rows = FeatureRows::new(1, (0..5_u8).map(f32::from).collect())?;
    let source = MemorySource::new(exemplars, rows)?;

    let query = grey(100)?;
    let candidates = source.ids();
    let parameters = Parameters::default();
    let job = RerankJob {
        query: &query,
        query_label: None,
        query_rows: &QueryRows::default(),
        candidates: &candidates,
        source: &source as &dyn ExemplarSource,
        parameters: &parameters,
        seed: 0,
    };
    let plugin = Brightness::new();
    check_reranker(&plugin, &job)?;
    println!("the plugin keeps its contract");

    // A host sorts the scores; the engine does the same, with Database::with_reranker and Query::rerank.
    let scores = plugin.rerank(&job, &Budget::unlimited())?.scores;
    let mut ranking: Vec<(u32, f32)> = candidates.iter().copied().zip(scores).collect();
    order_by_score(&mut ranking);
    println!("ids, nearest first: {:?}", ranking.iter().map(|(id, _)| id).collect::<Vec<_>>());
    Ok(())
}
