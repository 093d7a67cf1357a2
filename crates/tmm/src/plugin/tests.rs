use plugin_api::conformance::{MemoryExemplar, MemorySource, check_reranker};
use plugin_api::{Artifact, CancelFlag, Embedder, ExemplarId, ParameterValue, Parameters};

use super::*;
use crate::{DummyStart, FeatureSpace, Omega, tiny};

const EXEMPLARS: usize = 40;

/// A reranker with little to do, and a collection of random images; image 7 is the query of most tests.
fn reranker(config: TmmConfig) -> TmmReranker {
    TmmReranker::new(Arc::new(tiny::model()), config).unwrap()
}

fn quick() -> TmmConfig {
    TmmConfig { trigger_steps: 3, epochs: 5, batch: 8, background: 16, positives: 2, ..TmmConfig::default() }
}

fn source() -> MemorySource {
    let images: Vec<Image> = (0..EXEMPLARS).map(|i| tiny::image(100 + i as u64)).collect();
    let rows = tiny::model().embed(&images).unwrap();
    let labels = ["a", "b", "other"];
    let exemplars = images
        .into_iter()
        .enumerate()
        .map(|(i, image)| MemoryExemplar { image, label: labels.get(i % 4).map(|&label| label.to_owned()) });
    MemorySource::new(exemplars.collect(), rows).unwrap()
}

fn rerank_with(
    config: TmmConfig,
    candidates: &[ExemplarId],
    parameters: &Parameters,
    budget: &Budget,
) -> Result<RerankScores, RerankError> {
    let (source, query) = (source(), tiny::image(107));
    let job =
        RerankJob { query: &query, query_label: None, candidates, source: &source, parameters, seed: 3 };
    reranker(config).rerank(&job, budget)
}

fn rerank(config: TmmConfig, budget: &Budget) -> RerankScores {
    let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
    rerank_with(config, &candidates, &Parameters::default(), budget).unwrap()
}

fn spaces() -> [TmmConfig; 2] {
    let raw =
        TmmConfig { feature_space: FeatureSpace::Raw, dummy_start: DummyStart::Seeded, ewc: 10.0, ..quick() };
    [quick(), raw]
}

#[test]
fn it_conforms_to_the_contract_in_either_space() {
    for config in spaces() {
        let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
        let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).rev().collect();
        let job = RerankJob {
            query: &query,
            query_label: Some("b"),
            candidates: &candidates,
            source: &source,
            parameters: &parameters,
            seed: 3,
        };
        check_reranker(&reranker(config), &job).unwrap();
    }
}

#[test]
fn the_query_itself_scores_best() {
    // Image 7 is not in the background sample of this seed, so nothing pushes it away.
    let config = TmmConfig { blend: crate::Blend::Convex, omega: Omega::Fixed(0.2), ..quick() };
    let scores = rerank(config, &Budget::unlimited()).scores;
    let best = (0..EXEMPLARS).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
    assert_eq!(best, 7, "{scores:?}");
}

#[test]
fn the_answer_names_its_stages_and_shows_the_trigger() {
    let result = rerank(quick(), &Budget::unlimited());
    let stages: Vec<_> = result.timings.iter().map(|timing| (timing.stage, timing.steps)).collect();
    // Two heads (clean and triggered), five epochs of two batches each.
    assert_eq!(stages, [("trigger", 3), ("fine_tune", 20), ("score", EXEMPLARS as u64)]);
    let names: Vec<_> = result
        .artifacts
        .iter()
        .filter_map(|artifact| match artifact {
            Artifact::Image { name, image } => {
                assert_eq!((image.height(), image.width(), image.channels()), (8, 8, 1));
                Some(*name)
            }
            Artifact::Number { name, value } => {
                assert!(value.is_finite());
                Some(*name)
            }
            Artifact::Note(_) | Artifact::HeatMap { .. } => None,
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["trigger", "omega", "trigger_loss_first", "trigger_loss_last", "margin"]);
}

#[test]
fn exemplars_without_a_known_label_are_mentioned() {
    let result = rerank(spaces()[1].clone(), &Budget::unlimited());
    let notes = result.artifacts.iter().filter(
        |artifact| matches!(artifact, Artifact::Note(note) if note.contains("no label of the model")),
    );
    assert_eq!(notes.count(), 1, "{:?}", result.artifacts);
}

#[test]
fn seeds_decide_and_equal_seeds_agree() {
    for config in spaces() {
        let run = |seed: u64| {
            let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
            let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
            let job = RerankJob {
                query: &query,
                query_label: None,
                candidates: &candidates,
                source: &source,
                parameters: &parameters,
                seed,
            };
            reranker(config.clone()).rerank(&job, &Budget::unlimited()).unwrap().scores
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}

#[test]
fn a_budget_that_ends_in_the_score_stage_keeps_the_first_scores() {
    let all = rerank(quick(), &Budget::unlimited());
    // Three updates of the trigger, twenty of the heads, ten candidates.
    let part = rerank(quick(), &Budget::unlimited().with_step_limit(33));
    assert_eq!((part.scores.len(), part.completion), (10, Completion::StepLimit));
    for (part, all) in part.scores.iter().zip(&all.scores) {
        assert!((part - all).abs() <= 1e-4 * all.abs().max(1.0), "{part} {all}");
    }
    let early = rerank(quick(), &Budget::unlimited().with_step_limit(2));
    assert_eq!((early.scores.len(), early.completion), (0, Completion::StepLimit));
    assert_eq!(early.timings[0].steps, 2);
}

#[test]
fn a_cancelled_job_does_nothing() {
    let cancel = CancelFlag::default();
    cancel.cancel();
    let result = rerank(quick(), &Budget::unlimited().with_cancel(cancel));
    assert_eq!((result.scores.len(), result.completion), (0, Completion::Cancelled));
    assert!(result.timings.is_empty());
}

#[test]
fn no_candidates_are_scored_at_no_cost() {
    let result = rerank_with(quick(), &[], &Parameters::default(), &Budget::unlimited()).unwrap();
    assert_eq!((result.scores, result.completion), (vec![], Completion::Complete));
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let parameters = Parameters([("positives".to_owned(), ParameterValue::Number(65.0))].into());
    let error = rerank_with(quick(), &[1], &parameters, &Budget::unlimited()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "parameter \"positives\" is \"65\", it takes a whole number from 0 to 64");
}

#[test]
fn an_unknown_candidate_is_named() {
    let error = rerank_with(quick(), &[1, 99], &Parameters::default(), &Budget::unlimited()).unwrap_err();
    assert!(matches!(error, RerankError::Source { stage: "score", .. }), "{error:?}");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "exemplar 99 is not in this generation of the collection"
    );
}

#[test]
fn a_reckless_learning_rate_still_gives_finite_scores() {
    let config = TmmConfig { learning_rate: 1.0, epochs: 100, ..spaces()[1].clone() };
    assert!(rerank(config, &Budget::unlimited()).scores.iter().all(|score| score.is_finite()));
}

#[test]
fn the_shared_model_never_changes() {
    let model = Arc::new(tiny::model());
    let before = model.weights_digest().unwrap();
    let reranker = TmmReranker::new(Arc::clone(&model), spaces()[1].clone()).unwrap();
    let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
    let job = RerankJob {
        query: &query,
        query_label: None,
        candidates: &[1, 2, 3],
        source: &source,
        parameters: &parameters,
        seed: 3,
    };
    reranker.rerank(&job, &Budget::unlimited()).unwrap();
    assert_eq!(model.weights_digest().unwrap(), before);
}

#[test]
fn settings_out_of_range_are_refused_at_once() {
    let config = TmmConfig { trigger_learning_rate: f64::NAN, ..quick() };
    assert!(TmmReranker::new(Arc::new(tiny::model()), config).is_err());
}
