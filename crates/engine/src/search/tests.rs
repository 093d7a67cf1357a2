use lookalike_plugin_api::{Budget, View};

use super::*;
use crate::toy::{self, Toy, ToyViews};

fn collection(folder: &std::path::Path) -> Collection {
    let views = Arc::new(ToyViews::new("toy", &[("dim", 1), ("dark", 2)]));
    toy::with_rerankers(folder, &Toy::new(1), &[views]).unwrap()
}

fn query(number: u32, views: &[&str]) -> Query {
    let views = views.iter().map(|view| (*view).to_owned()).collect();
    Query { views, hits: 50, ..Query::decoded(toy::scattered(number)) }
}

/// Whitened cosine of two whitened rows.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn the_score_in_several_views_is_the_sum_of_whitened_cosines() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..50);
    let generation = collection.generation();
    let asked = toy::scattered(777);
    let clean: Vec<f32> = asked.samples().iter().map(|sample| f32::from(*sample) + 0.1).collect();
    let own = |view: &str| match view {
        View::CLEAN => clean.clone(),
        "dim" => toy::turned(&asked, 1, 4),
        _ => toy::turned(&asked, 2, 4),
    };
    for views in [&["clean", "dim"][..], &["dark"], &["dark", "clean", "dim"], &["clean"]] {
        let mut expected: Vec<(ExemplarId, f64)> = (0..50)
            .map(|id| {
                let sum = views.iter().map(|name| {
                    let view = generation.view(name).unwrap();
                    let budget = Budget::unlimited();
                    let fitted = view.whitening(generation.catalog().live(), &budget);
                    let whitening = fitted.unwrap().unwrap();
                    let whitened = |row: &[f32]| whitening.whiten(row);
                    cosine(&whitened(&own(name)), &whitened(view.matrix().row(id).unwrap()))
                });
                (id, sum.sum())
            })
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        let answer = collection.search(&query(777, views)).unwrap();
        let found: Vec<ExemplarId> = answer.hits.iter().map(|hit| hit.id).collect();
        assert_eq!(found, expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{views:?}");
        for (hit, (_, score)) in answer.hits.iter().zip(&expected) {
            assert!((f64::from(hit.stages[0].score) - score).abs() < 1e-4, "{hit:?}, expected {score}");
        }
        let plain =
            if views == ["clean"] { "whitened".to_owned() } else { format!("whitened({})", views.join("+")) };
        assert_eq!(answer.hits[0].stages[0].ranking, plain);
    }
}

#[test]
fn a_filter_and_deletions_hold_in_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..40);
    collection.delete(&["k7".to_owned(), "k9".to_owned()]).unwrap();
    let filtered = Query { filter: Some("has nothing".parse().unwrap()), ..query(7, &["clean", "dim"]) };
    assert!(collection.search(&filtered).unwrap().hits.is_empty());
    let found = collection.search(&query(7, &["clean", "dim"])).unwrap();
    assert_eq!(found.hits.len(), 38);
    assert!(found.hits.iter().all(|hit| hit.id != 7 && hit.id != 9));
    assert_eq!(collection.search(&query(8, &["dim", "dark"])).unwrap().hits[0].id, 8);
}

#[test]
fn views_that_a_search_cannot_have_are_refused_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..20);
    let refused = |query: Query| collection.search(&query).unwrap_err();
    let error = refused(query(1, &["clean", "x-ray"]));
    assert!(error.to_string().contains("there are: clean, dim, dark"), "{error}");
    let error = refused(query(1, &["dim", "dim"]));
    assert!(matches!(&error, SearchError::ViewTwice { name } if name == "dim"), "{error}");
    for metric in [Metric::L2, Metric::Cosine] {
        let error = refused(Query { metric, ..query(1, &["clean", "dim"]) });
        assert!(matches!(error, SearchError::ViewMetric { .. }), "{error}");
        assert!(error.to_string().contains("use whitened"), "{error}");
        assert!(collection.search(&Query { metric, ..query(1, &["clean"]) }).is_ok());
    }
}

#[test]
fn a_collection_too_small_to_be_whitened_answers_by_cosine_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..1);
    let answer = collection.search(&query(0, &["clean", "dim"])).unwrap();
    assert_eq!((answer.metric, answer.hits[0].stages[0].ranking.as_str()), (Metric::Cosine, "cosine"));
    assert_eq!(answer.notes, ["whitened needs exemplars that differ; cosine was used"]);
}

#[test]
fn stages_of_a_reranker_stand_between_shortlist_and_score() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..30);
    let reranked = Query { rerank: Some(Rerank::new("toy")), hits: 4, ..query(3, &["clean", "dark"]) };
    let answer = collection.search(&reranked).unwrap();
    let mut firsts: Vec<(ExemplarId, f32)> =
        (0..30).map(|id| (id, f32::from(toy::scattered(id).samples()[0]) + 0.1)).collect();
    lookalike_plugin_api::order_by_score(&mut firsts);
    for (place, hit) in answer.hits.iter().enumerate() {
        let [shortlist, first, score] = &hit.stages[..] else { panic!("{:?}", hit.stages) };
        assert_eq!((shortlist.stage, shortlist.ranking.as_str()), ("shortlist", "whitened(clean+dark)"));
        assert_eq!((first.stage, first.ranking.as_str()), ("first", "toy"));
        let rank = firsts.iter().position(|(id, _)| *id == hit.id).unwrap();
        assert_eq!((first.score, first.rank), (firsts[rank].1, rank + 1));
        assert_eq!((score.stage, score.rank), ("score", place + 1));
    }
}

#[test]
fn a_stage_with_a_score_that_is_none_falls_back_to_the_shortlist() {
    let stages = vec![lookalike_plugin_api::StageScores { stage: "first", scores: vec![(4, f32::NAN)] }];
    let completion = Completion::Complete;
    let outcome = lookalike_plugin_api::RerankScores {
        scores: vec![1.0],
        completion,
        stages,
        timings: Vec::new(),
        artifacts: Vec::new(),
    };
    let reranked = Reranked::of(&[4], outcome);
    let reason = "the score of exemplar 4 in stage first is not finite".to_owned();
    assert_eq!(reranked.status, lookalike_plugin_api::RankingStatus::Fallback { reason });
}
