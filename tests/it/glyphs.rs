//! The whole product on drawn glyphs with the shipped network: ingest, search by every ranking, rerank.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;

use lookalike_datasets::{Disturbance, GlyphSet};
use lookalike_engine::{
    Answer, Candidates, Collection, Database, Metric, Query, Rerank, SearchError, StoreConfig,
};
use lookalike_plugin_api::{
    Artifact, Budget, CancelFlag, Completion, Image, ParameterValue, Parameters, RankingStatus,
};
use lookalike_tmm::TmmReranker;
use lookalike_vision::{ComputeConfig, Model};

use crate::support::{exact, item};

const GLYPHS: u64 = 240;
const SEED: u64 = 7;

struct Fixture {
    model: Arc<Model>,
    collection: Collection,
    _folder: tempfile::TempDir,
}

/// One collection for all tests of this file: none of them changes it.
static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/assets/glyphs.safetensors");
    let model = Arc::new(Model::open(&weights, ComputeConfig::default()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let reranker = TmmReranker::new(Arc::clone(&model), exact()).unwrap();
    let database =
        Database::create(&folder.path().join("db"), model.clone(), StoreConfig::default()).unwrap();
    let collection = database.with_reranker(Arc::new(reranker)).collection_or_create("main").unwrap();
    let glyphs = GlyphSet::new(SEED);
    let items = (0..GLYPHS).map(|index| {
        let glyph = glyphs.glyph(index);
        item(&format!("glyph/{index:05}"), glyph.image, Some(glyph.name))
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    Fixture { model, collection, _folder: folder }
});

fn stored(index: u64) -> Image {
    GlyphSet::new(SEED).glyph(index).image
}

fn parameters(given: &[(&str, ParameterValue)]) -> Parameters {
    Parameters(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// A rerank with few steps: these tests are about behaviour, not about quality.
fn quick(candidates: Candidates) -> Rerank {
    let few = [("trigger_steps", 4.0), ("epochs", 2.0), ("background", 24.0), ("positives", 2.0)];
    let few: Vec<_> = few.map(|(name, value)| (name, ParameterValue::Number(value))).into();
    Rerank { candidates, parameters: parameters(&few), ..Rerank::new("tmm") }
}

fn ranking(answer: &Answer) -> Vec<(u32, u32)> {
    answer.hits.iter().map(|hit| (hit.id, hit.stages.last().unwrap().score.to_bits())).collect()
}

#[test]
fn every_plain_metric_finds_a_stored_glyph_first() {
    for metric in Metric::ALL {
        for index in [0, 17, 101] {
            let answer =
                FIXTURE.collection.search(&Query { metric, ..Query::decoded(stored(index)) }).unwrap();
            assert_eq!(answer.hits[0].key, format!("glyph/{index:05}"), "{metric}");
            assert_eq!(answer.status, RankingStatus::Skipped);
        }
    }
}

#[test]
fn a_dimmed_glyph_still_finds_its_own_class() {
    let mut right = 0;
    for index in 0..12 {
        let dimmed = Disturbance::Brightness(0.6).apply(&stored(index), 1);
        let answer = FIXTURE.collection.search(&Query::decoded(dimmed)).unwrap();
        let class = GlyphSet::new(SEED).glyph(index).name;
        right += usize::from(answer.hits[0].label.as_deref() == Some(class));
    }
    assert!(right >= 9, "{right} of 12");
}

#[test]
fn a_rerank_is_a_permutation_of_its_candidates_with_every_stage_reported() {
    let query =
        Query { hits: 40, rerank: Some(quick(Candidates::Shortlist(40))), ..Query::decoded(stored(3)) };
    let answer = FIXTURE.collection.search(&query).unwrap();
    assert_eq!(answer.status, RankingStatus::Applied);
    let mut ranks: Vec<usize> = answer.hits.iter().map(|hit| hit.stages[0].rank).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=40).collect::<Vec<_>>());
    let stages: Vec<&str> = answer.timings.iter().map(|timing| timing.stage).collect();
    assert_eq!(stages, ["decode", "embed", "shortlist", "trigger", "fine_tune", "score", "respond"]);
    assert!(
        answer.artifacts.iter().any(|artifact| matches!(artifact, Artifact::Image { name: "trigger", .. }))
    );
}

#[test]
fn the_full_set_is_scored_when_asked_for() {
    let query = Query {
        hits: GLYPHS as usize,
        rerank: Some(quick(Candidates::All)),
        filter: Some("label in (theta, cross)".parse().unwrap()),
        ..Query::decoded(stored(0))
    };
    let answer = FIXTURE.collection.search(&query).unwrap();
    assert_eq!((answer.status, answer.matched), (RankingStatus::Applied, 40));
    assert_eq!(answer.hits.len(), 40);
}

#[test]
fn equal_queries_give_equal_bits_alone_and_side_by_side() {
    let query =
        Query { seed: 11, rerank: Some(quick(Candidates::Shortlist(60))), ..Query::decoded(stored(5)) };
    let alone = ranking(&FIXTURE.collection.search(&query).unwrap());
    let before = FIXTURE.model.weights_digest().unwrap();
    thread::scope(|scope| {
        let searches: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ranking(&FIXTURE.collection.search(&query).unwrap()))).collect();
        for search in searches {
            assert_eq!(search.join().unwrap(), alone);
        }
    });
    assert_eq!(FIXTURE.model.weights_digest().unwrap(), before, "no query may change the weights");
}

#[test]
fn the_paper_preset_answers_too() {
    let rerank = Rerank {
        parameters: parameters(&[
            ("preset", ParameterValue::Text("paper".to_owned())),
            ("trigger_steps", ParameterValue::Number(3.0)),
            ("background", ParameterValue::Number(24.0)),
        ]),
        ..quick(Candidates::Shortlist(20))
    };
    let answer =
        FIXTURE.collection.search(&Query { rerank: Some(rerank), ..Query::decoded(stored(8)) }).unwrap();
    assert_eq!(answer.status, RankingStatus::Applied);
}

#[test]
fn a_search_that_runs_out_of_steps_is_still_a_ranking() {
    let budget = Budget::unlimited().with_step_limit(40);
    let rerank = Some(quick(Candidates::Shortlist(200)));
    let query = Query { hits: 200, budget, rerank, ..Query::decoded(stored(2)) };
    let answer = FIXTURE.collection.search(&query).unwrap();
    assert!(
        matches!(answer.status, RankingStatus::Partial { scored, of: 200, completion: Completion::StepLimit } if scored < 200),
        "{}",
        answer.status
    );
    let mut ids: Vec<u32> = answer.hits.iter().map(|hit| hit.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200, "every candidate is there once");
}

#[test]
fn a_search_cancelled_before_its_shortlist_is_an_error_that_says_so() {
    let flag = CancelFlag::default();
    flag.cancel();
    let query = Query { budget: Budget::unlimited().with_cancel(flag), ..Query::decoded(stored(2)) };
    let error = FIXTURE.collection.search(&query).unwrap_err();
    assert!(matches!(error, SearchError::Stopped(Completion::Cancelled)), "{error}");
}

#[test]
fn what_the_caller_gets_wrong_is_refused_before_any_work() {
    let search = |rerank| {
        FIXTURE.collection.search(&Query { rerank: Some(rerank), ..Query::decoded(stored(2)) }).unwrap_err()
    };
    let error = search(Rerank::new("absent"));
    assert_eq!(error.to_string(), "search: there is no reranker \"absent\"; registered are: tmm");
    let error = search(Rerank {
        parameters: parameters(&[("omega", ParameterValue::Number(7.0))]),
        ..Rerank::new("tmm")
    });
    assert_eq!(error.to_string(), "parameter \"omega\" is \"7\", it takes a number from 0 to 1");
    let error = search(Rerank { candidates: Candidates::Shortlist(3), ..Rerank::new("tmm") });
    assert!(matches!(error, SearchError::Shortlist { found: 3, hits: 10 }), "{error}");
}
