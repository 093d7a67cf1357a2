use std::sync::Arc;

use lookalike_plugin_api::conformance::check_reranker;
use lookalike_plugin_api::{
    Artifact, Budget, Embedder, ExemplarId, ExemplarSource, FeatureRows, Parameters, QueryRows, RerankJob,
    RerankScores, Reranker, View,
};

use super::{Copies, MultiViewConfig, MultiViewReranker};
use crate::test_collection::{EXEMPLARS, source, views};
use crate::tiny;
use crate::view::TmmView;

fn few() -> MultiViewConfig {
    MultiViewConfig { disturbed_copies: 2, ..MultiViewConfig::default() }
}

fn reranker(config: MultiViewConfig, views: Vec<TmmView>) -> MultiViewReranker {
    MultiViewReranker::new(Arc::new(tiny::model()), config).unwrap().with_views(views).unwrap()
}

/// Of image 7 of the collection, over everything.
fn rerank(reranker: &MultiViewReranker, seed: u64) -> RerankScores {
    let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).collect();
    let (source, query) = (source(), tiny::image(107));
    let job = RerankJob {
        query: &query,
        query_label: None,
        query_rows: &QueryRows::default(),
        candidates: &candidates,
        source: &source,
        parameters: &Parameters::default(),
        seed,
    };
    reranker.rerank(&job, &Budget::unlimited()).unwrap()
}

#[test]
fn it_conforms_to_the_contract() {
    for copies in [Copies::Best, Copies::Mean] {
        let (source, query) = (source(), tiny::image(107));
        let candidates: Vec<ExemplarId> = (0..EXEMPLARS as u32).rev().collect();
        let job = RerankJob {
            query: &query,
            query_label: Some("b"),
            query_rows: &QueryRows::default(),
            candidates: &candidates,
            source: &source,
            parameters: &Parameters::default(),
            seed: 3,
        };
        check_reranker(&reranker(MultiViewConfig { copies, ..few() }, views()), &job).unwrap();
    }
}

#[test]
fn scores_are_sums_of_whitened_cosines() {
    let config = MultiViewConfig { disturbed_copies: 0, ..few() };
    let (source, reranker) = (source(), reranker(config, views()));
    let scores = rerank(&reranker, 3).scores;
    let unit = |view: &str, rows: &FeatureRows| -> Vec<Vec<f32>> {
        let rows = source.whiten(view, rows).unwrap();
        let unit = |row: &[f32]| {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter().map(|v| v / length).collect()
        };
        rows.rows().map(unit).collect()
    };
    let query = [tiny::image(107)];
    let mut expected = vec![0.0; EXEMPLARS];
    let clean = (View::CLEAN.to_owned(), tiny::model().embed(&query).unwrap());
    let others = reranker.describe().views.iter();
    let others = others.map(|view| (view.name.clone(), reranker.derive(view, &query).unwrap()));
    for (view, row) in std::iter::once(clean).chain(others) {
        let query = unit(&view, &row).remove(0);
        let rows = unit(&view, &source.rows(&view, &source.ids()).unwrap());
        for (sum, row) in expected.iter_mut().zip(rows) {
            *sum += row.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
        }
    }
    for (score, expected) in scores.iter().zip(&expected) {
        assert!((score - expected).abs() < 1e-4, "{score} {expected}");
    }
}

#[test]
fn copies_can_only_bring_an_exemplar_nearer() {
    // Whitened cosine in the clean view: an exemplar is its own nearest.
    let plain = rerank(&reranker(MultiViewConfig { disturbed_copies: 0, ..few() }, vec![]), 3).scores;
    assert!((plain[7] - 1.0).abs() < 1e-4, "{plain:?}");
    assert!(plain.iter().all(|score| *score <= plain[7] + 1e-6), "{plain:?}");
    let copies = rerank(&reranker(MultiViewConfig { disturbed_copies: 4, ..few() }, vec![]), 3).scores;
    assert!(copies.iter().zip(&plain).all(|(copies, plain)| *copies >= plain - 1e-6));
}

#[test]
fn the_seed_decides_about_the_copies() {
    let reranker = reranker(few(), views());
    assert_eq!(rerank(&reranker, 1).scores, rerank(&reranker, 1).scores);
    assert_ne!(rerank(&reranker, 1).scores, rerank(&reranker, 2).scores);
}

#[test]
fn a_measured_radius_is_shown_and_changes_no_score() {
    let measured = MultiViewConfig { measures_radius: true, radius: 4.0, directions: 2, ..few() };
    let (plain, shown) = (rerank(&reranker(few(), views()), 3), rerank(&reranker(measured, views()), 3));
    assert_eq!(shown.scores, plain.scores);
    let is_told = |artifact: &Artifact| {
        matches!(artifact, Artifact::Number { name: "measured_radius", value } if *value <= 4.0)
            || matches!(artifact, Artifact::Note(note) if note.contains("did not change"))
    };
    assert!(shown.artifacts.iter().any(is_told), "{:?}", shown.artifacts);
    let stages: Vec<_> = shown.timings.iter().map(|timing| timing.stage).collect();
    assert_eq!(stages, ["query_views", "score", "explain"]);
}
