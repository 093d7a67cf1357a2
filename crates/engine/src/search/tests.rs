use std::time::Duration;

use lookalike_plugin_api::{
    AppliedRanking, Budget, Embedder as _, RankingStatus, RerankScores, StageScores, View,
};

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
    let state = collection.state();
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
                    let view = state.view(name).unwrap();
                    let budget = Budget::unlimited();
                    let fitted = view.whitening(state.catalog().live(), &budget);
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
    let reason = "the score of exemplar 4 in stage first is not finite".to_owned();
    assert_eq!(status_of(&[("first", f32::NAN)]), RankingStatus::Fallback { reason });
}

/// What becomes of an outcome with these stages.
fn status_of(stages: &[(&'static str, f32)]) -> RankingStatus {
    let stages = stages.iter().map(|(stage, score)| StageScores { stage, scores: vec![(4, *score)] });
    let ranking = AppliedRanking { name: "toy".to_owned(), summary: "a toy".to_owned() };
    let scores = RerankScores::new(ranking, vec![1.0], Completion::Complete);
    Reranked::of(&[4], RerankScores { stages: stages.collect(), ..scores }).status
}

#[test]
fn scores_of_two_stages_under_one_word_fall_back_to_the_shortlist() {
    for stages in [&[("first", 1.0), ("first", 2.0)][..], &[("shortlist", 1.0)], &[("score", 1.0)]] {
        let RankingStatus::Fallback { reason } = status_of(stages) else { panic!("{stages:?}") };
        assert!(reason.contains("two stages") && reason.contains(stages[0].0), "{reason}");
    }
    assert_eq!(status_of(&[("first", 1.0), ("second", 2.0)]), RankingStatus::Applied);
}

#[test]
fn times_under_one_word_are_added_up() {
    let time = |stage, steps| StageTiming { stage, elapsed: Duration::from_millis(steps), steps };
    let mut watch = Stopwatch { timings: vec![time("embed", 0)] };
    watch.add(&[time("score", 2), time("embed", 5), time("score", 3)]);
    assert_eq!(watch.timings, [time("embed", 5), time("score", 5)]);
}

#[test]
fn several_rankings_of_a_query_decode_and_embed_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let (model, reranker) = (Toy::new(1), Arc::new(ToyViews::new("toy", &[("dim", 1), ("dark", 2)])));
    let collection = toy::with_rerankers(folder.path(), &model, &[Arc::clone(&reranker)]).unwrap();
    toy::ingest(&collection, 0..30);
    let (embedded, derived) = (model.embedded(), reranker.derived());
    let query = query(3, &[]);
    let by = |metric, views: &[&str], rerank| Ranking {
        metric,
        views: views.iter().map(|view| (*view).to_owned()).collect(),
        rerank,
    };
    let rankings = [
        by(Metric::L2, &[], None),
        by(Metric::Whitened, &["clean", "dim"], None),
        by(Metric::Whitened, &["dim"], Some(Rerank { candidates: Candidates::All, ..Rerank::new("toy") })),
    ];
    let answers = collection.search_rankings(&query, &rankings).unwrap();
    assert_eq!((model.embedded() - embedded, reranker.derived() - derived), (1, 1));
    for (answer, ranking) in answers.iter().zip(&rankings) {
        let Ranking { metric, views, rerank } = ranking.clone();
        let alone = collection.search(&Query { metric, views, rerank, ..query.clone() }).unwrap();
        assert_eq!((&answer.hits, &answer.ranking), (&alone.hits, &alone.ranking));
        let words: Vec<_> = answer.timings.iter().map(|timing| timing.stage).collect();
        assert_eq!(words, ["decode", "embed", "shortlist", "respond"]);
        assert_eq!(answer.query_row, model.embed(&[toy::scattered(3)]).unwrap().row(0));
    }
    let said: Vec<(&str, &str)> =
        answers.iter().map(|a| (a.ranking.name.as_str(), a.ranking.summary.as_str())).collect();
    assert_eq!(
        said,
        [
            ("l2", "Euclidean distance of raw features"),
            ("whitened(clean+dim)", "cosine of features, centred and whitened, summed over 2 views"),
            ("toy", "squares samples"),
        ]
    );
}

#[test]
fn a_ranking_that_cannot_be_had_refuses_all_before_the_image_is_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let model = Toy::new(1);
    let collection = toy::collection(folder.path(), "main", &model);
    toy::ingest(&collection, 0..5);
    let before = model.embedded();
    let views = vec!["x-ray".to_owned()];
    let rankings = [Ranking::default(), Ranking { views, ..Ranking::default() }];
    let error = collection.search_rankings(&query(1, &[]), &rankings).unwrap_err();
    assert!(matches!(error, SearchError::UnknownView { .. }), "{error}");
    assert_eq!(model.embedded(), before);
}
