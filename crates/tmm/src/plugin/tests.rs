use lookalike_plugin_api::conformance::{MemorySource, check_reranker};
use lookalike_plugin_api::{CancelFlag, Completion, ExemplarId, ParameterValue, Parameters, QueryRows};
use lookalike_vision::Layer;

use super::*;
use crate::config::{DummyStart, FeatureSpace, Omega};
use crate::test_collection::{EXEMPLARS, source, views};
use crate::tiny;

/// A reranker with little to do, and a collection of random images; image 7 is the query of most tests.
fn reranker(config: TmmConfig) -> TmmReranker {
    TmmReranker::new(Arc::new(tiny::model()), config).unwrap().with_views(views()).unwrap()
}

fn quick() -> TmmConfig {
    TmmConfig {
        mode: Some(Mode::Exact),
        trigger_steps: 3,
        epochs: 5,
        batch: 8,
        background: 16,
        positives: 2,
        ..TmmConfig::default()
    }
}

fn rerank_with(
    config: TmmConfig,
    candidates: &[ExemplarId],
    parameters: &Parameters,
    budget: &Budget,
) -> Result<RerankScores, RerankError> {
    let (source, query) = (source(), tiny::image(107));
    let query_rows = &QueryRows::default();
    let job = RerankJob {
        query: &query,
        query_label: None,
        query_rows,
        candidates,
        source: &source,
        parameters,
        seed: 3,
    };
    reranker(config).rerank(&job, budget)
}

fn rerank(config: TmmConfig, budget: &Budget) -> RerankScores {
    let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
    rerank_with(config, &candidates, &Parameters::default(), budget).unwrap()
}

/// Every mode, in every space that it has.
fn modes() -> Vec<TmmConfig> {
    let [whitened, raw] = spaces();
    let modes = [Mode::Exact, Mode::Shared, Mode::Cascade].into_iter();
    let fitted = modes
        .flat_map(|mode| [&whitened, &raw].map(|config| TmmConfig { mode: Some(mode), ..config.clone() }));
    let kinds = [TriggerKind::FixedPatch, TriggerKind::VariablePatch, TriggerKind::Random];
    let kinds = kinds.map(|trigger| TmmConfig { trigger, ..whitened.clone() });
    let layered = TmmConfig { layer: Some(Layer::Layer4), epochs: 1, ..raw.clone() };
    fitted.chain([layered]).chain(kinds).map(|config| TmmConfig { cascade: 6, ..config }).collect()
}

fn spaces() -> [TmmConfig; 2] {
    let raw =
        TmmConfig { feature_space: FeatureSpace::Raw, dummy_start: DummyStart::Seeded, ewc: 10.0, ..quick() };
    [quick(), raw]
}

#[test]
fn it_conforms_to_the_contract_in_every_mode_and_space() {
    for config in modes() {
        let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
        let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).rev().collect();
        let job = RerankJob {
            query: &query,
            query_label: Some("b"),
            query_rows: &QueryRows::default(),
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
fn the_query_itself_scores_best_in_the_stored_views_too() {
    // All exemplars but the query's own image are against it.
    for mode in [Mode::Shared, Mode::Cascade] {
        let omega = Omega::Fixed(0.2);
        let config =
            TmmConfig { mode: Some(mode), blend: crate::Blend::Convex, omega, cascade: 5, ..quick() };
        let scores = rerank(config, &Budget::unlimited()).scores;
        let best = (0..EXEMPLARS).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(best, 7, "{mode:?}: {scores:?}");
    }
}

#[test]
fn a_cascade_puts_what_the_network_looked_at_in_front_and_tells_both_scores() {
    let config = TmmConfig { mode: Some(Mode::Cascade), cascade: 5, ..quick() };
    let result = rerank(config, &Budget::unlimited());
    let [shared, exact] = &result.stages[..] else { panic!("{:?}", result.stages) };
    assert_eq!((shared.stage, shared.scores.len()), ("shared", EXEMPLARS));
    assert_eq!((exact.stage, exact.scores.len()), ("exact", 5));
    let mut order: Vec<(ExemplarId, f32)> = (0..).zip(result.scores).collect();
    lookalike_plugin_api::order_by_score(&mut order);
    let front: std::collections::BTreeSet<_> = order[..5].iter().map(|entry| entry.0).collect();
    assert_eq!(front, exact.scores.iter().map(|entry| entry.0).collect());
    // The exact pass has its own word for its time: every stage is there.
    let stages: Vec<_> = result.timings.iter().map(|timing| timing.stage).collect();
    let shared = ["query_views", "shared_fine_tune", "shared_score"];
    assert_eq!(stages, [shared, ["trigger", "fine_tune", "score"]].concat());
}

#[test]
fn what_is_asked_for_beside_the_scores_is_shown_and_changes_none_of_them() {
    for config in modes() {
        let plain = rerank(config.clone(), &Budget::unlimited());
        let asked = TmmConfig {
            heat_maps: 2,
            certify: Certify::Measured,
            certificate_radius: 4.0,
            certificate_points: 2,
            ..config
        };
        let shown = rerank(asked.clone(), &Budget::unlimited());
        assert_eq!(shown.scores, plain.scores);
        let mut order: Vec<(ExemplarId, f32)> = (0..).zip(shown.scores).collect();
        lookalike_plugin_api::order_by_score(&mut order);
        let maps: Vec<ExemplarId> = shown
            .artifacts
            .iter()
            .filter_map(|artifact| {
                let Artifact::HeatMap { exemplar, image } = artifact else { return None };
                assert_eq!((image.height(), image.width(), image.channels()), (8, 8, 1));
                assert_eq!(image.samples().iter().max(), Some(&255));
                Some(*exemplar)
            })
            .collect();
        let number = |wanted: &str| {
            shown.artifacts.iter().find_map(|artifact| {
                let Artifact::Number { name, value } = artifact else { return None };
                (*name == wanted).then_some(*value)
            })
        };
        let noted = |words: &str| {
            shown.artifacts.iter().any(|a| matches!(a, Artifact::Note(note) if note.contains(words)))
        };
        if asked.layer.is_some() {
            assert!(maps.is_empty() && noted("no heat map") && noted("no certificate"));
        } else {
            assert_eq!(maps, [order[0].0, order[1].0], "{asked:?}");
            assert!(number("lipschitz_estimate").is_some_and(|slope| slope > 0.0));
            assert!(number("certificate_margin").is_some());
        }
        let radius = number("measured_radius");
        assert!(radius.is_some_and(|radius| radius <= 4.0) || noted("did not change"), "{asked:?}");
        assert_eq!(shown.timings.last().map(|timing| timing.stage), Some("explain"));
    }
}

#[test]
fn an_explanation_without_budget_leaves_the_scores_whole() {
    let config = TmmConfig { heat_maps: 4, ..quick() };
    // Three updates of the trigger, twenty of the heads, forty candidates, and two maps of two terms.
    let result = rerank(config, &Budget::unlimited().with_step_limit(68));
    assert_eq!((result.scores.len(), result.completion), (EXEMPLARS, Completion::Complete));
    let maps =
        result.artifacts.iter().filter(|artifact| matches!(artifact, Artifact::HeatMap { .. })).count();
    assert!(maps < 4, "{maps}");
    assert!(
        result.artifacts.iter().any(|a| matches!(a, Artifact::Note(note) if note.contains("not finished")))
    );
}

#[test]
fn a_layer_in_the_whitened_space_is_refused_with_what_to_do() {
    let config = TmmConfig { layer: Some(Layer::Layer2), ..quick() };
    let error = rerank_with(config, &[1], &Parameters::default(), &Budget::unlimited()).unwrap_err();
    assert!(error.to_string().contains("set feature_space to raw"), "{error}");
}

#[test]
fn without_stored_views_the_clean_one_serves_unless_equation_3_needs_a_trigger() {
    let run = |feature_space| {
        let config = TmmConfig { mode: Some(Mode::Shared), feature_space, positives: 0, ..quick() };
        let bare = TmmReranker::new(Arc::new(tiny::model()), config).unwrap();
        let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
        let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
        let job = RerankJob {
            query: &query,
            query_label: None,
            query_rows: &QueryRows::default(),
            candidates: &candidates,
            source: &source,
            parameters: &parameters,
            seed: 3,
        };
        bare.rerank(&job, &Budget::unlimited()).map(|result| result.scores)
    };
    assert!(run(FeatureSpace::Whitened).is_ok());
    let error = run(FeatureSpace::Raw).unwrap_err();
    assert!(error.to_string().contains("needs a view with a trigger; declare one"), "{error}");
    let twice = TmmReranker::new(Arc::new(tiny::model()), quick()).unwrap();
    assert!(matches!(twice.with_views([views(), views()].concat()), Err(ViewError::Twice { .. })));
}

#[test]
fn what_is_kept_of_a_background_changes_no_score() {
    for config in modes() {
        let reranker = reranker(config);
        let (query, parameters) = (tiny::image(107), Parameters::default());
        let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
        let run = |source: &MemorySource| {
            let job = RerankJob {
                query: &query,
                query_label: None,
                query_rows: &QueryRows::default(),
                candidates: &candidates,
                source,
                parameters: &parameters,
                seed: 3,
            };
            reranker.rerank(&job, &Budget::unlimited()).unwrap()
        };
        let (unknown, known) = (source(), source().with_state_number(5));
        let expected = run(&unknown);
        for _ in 0..2 {
            let found = run(&known);
            assert_eq!((found.scores, found.stages), (expected.scores.clone(), expected.stages.clone()));
        }
    }
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
    assert_eq!(names, ["trigger_loss_first", "trigger_loss_last", "trigger", "omega", "margin"]);
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
    for config in modes() {
        let run = |seed: u64| {
            let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
            let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
            let job = RerankJob {
                query: &query,
                query_label: None,
                query_rows: &QueryRows::default(),
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
        "exemplar 99 is not in this state of the collection"
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
        query_rows: &QueryRows::default(),
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

#[test]
fn the_summary_says_what_ran() {
    let of = |config: TmmConfig| rerank(config, &Budget::unlimited()).ranking;
    let exact = of(quick());
    assert_eq!(exact.name, "tmm");
    assert_eq!(
        exact.summary,
        "log-probability of a dummy class fitted to the query, each candidate with a trigger fitted to the query"
    );
    let shared = of(TmmConfig { mode: Some(Mode::Shared), score: ScoreKind::Margin, ..quick() });
    assert_eq!(shared.summary, "margin of dummy classes fitted to the query, on stored rows of 3 views");
}

#[test]
fn without_a_mode_multiview_answers_and_says_so() {
    let asked = TmmConfig { mode: None, heat_maps: 1, certify: Certify::Bound, ..quick() };
    let answer = rerank(asked.clone(), &Budget::unlimited());
    assert_eq!(answer.ranking.name, "multiview");
    assert!(
        answer.ranking.summary.contains("2 disturbed copies, summed over 3 views"),
        "{:?}",
        answer.ranking
    );
    let noted = |words: &str| {
        answer.artifacts.iter().any(|a| matches!(a, Artifact::Note(note) if note.contains(words)))
    };
    assert!(noted("give tmm a mode") && noted("no heat map") && noted("no certificate"));
    let views = Parameters([("mode".to_owned(), ParameterValue::Text("views".to_owned()))].into());
    let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
    let named = rerank_with(quick(), &candidates, &views, &Budget::unlimited()).unwrap();
    assert_eq!((named.ranking, named.scores), (answer.ranking, answer.scores));
}

#[test]
fn the_hosts_row_of_the_query_stands_in_for_its_own() {
    let (source, query, parameters) = (source(), tiny::image(107), Parameters::default());
    let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
    for config in modes() {
        let reranker = reranker(config);
        let run = |query_rows: &QueryRows| {
            let job = RerankJob {
                query: &query,
                query_label: None,
                query_rows,
                candidates: &candidates,
                source: &source,
                parameters: &parameters,
                seed: 3,
            };
            reranker.rerank(&job, &Budget::unlimited())
        };
        let row = tiny::model().features(&[tiny::model().prepare(&query)]).unwrap().into_values();
        let expected = run(&QueryRows::default()).unwrap().scores;
        assert_eq!(run(&QueryRows::default().with(View::CLEAN, row)).unwrap().scores, expected);
        let error = run(&QueryRows::default().with(View::CLEAN, vec![1.0])).unwrap_err();
        assert!(matches!(error, RerankError::Source { .. }), "{error}");
    }
}
