//! Queries and collections at the edge of what makes sense, with the method on: each of them is answered, by the method
//! or, where it is not defined, by the shortlist.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use lookalike_datasets::GlyphSet;
use lookalike_engine::{Answer, Candidates, Collection, Database, Metric, Query, Rerank, StoreConfig};
use lookalike_plugin_api::{Budget, Image, ParameterValue, Parameters, RankingStatus};
use lookalike_tmm::TmmReranker;
use lookalike_vision::{ComputeConfig, Model};
use tempfile::TempDir;

use crate::support::{exact, item};

const SEED: u64 = 3;

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/assets/glyphs.safetensors");
    Arc::new(Model::open(&weights, ComputeConfig::default()).unwrap())
});

fn glyph(index: u64) -> Image {
    GlyphSet::new(SEED).glyph(index).image
}

/// A collection of the first glyphs, with the labels that `label` gives them.
fn collection(count: u64, label: impl Fn(u64) -> Option<String>) -> (TempDir, Collection) {
    let folder = tempfile::tempdir().unwrap();
    let reranker = TmmReranker::new(Arc::clone(&MODEL), exact()).unwrap();
    let database =
        Database::create(&folder.path().join("db"), MODEL.clone(), StoreConfig::default()).unwrap();
    let collection = database.with_reranker(Arc::new(reranker)).collection_or_create("main").unwrap();
    let items: Vec<_> =
        (0..count).map(|index| item(&format!("{index:03}"), glyph(index), label(index).as_deref())).collect();
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    (folder, collection)
}

fn name(index: u64) -> String {
    GlyphSet::new(SEED).glyph(index).name.to_owned()
}

/// A search with few steps over everything, to which the method must have been applied.
fn search(collection: &Collection, image: Image) -> Answer {
    let answer = answered(collection, image);
    assert_eq!(answer.status, RankingStatus::Applied);
    answer
}

/// A search for which the method is not defined: the order is the shortlist's, and the answer says why.
fn fallen_back(collection: &Collection, image: Image) -> Answer {
    let answer = answered(collection, image);
    assert!(
        matches!(&answer.status, RankingStatus::Fallback { reason } if !reason.is_empty()),
        "{}",
        answer.status
    );
    answer
}

fn answered(collection: &Collection, image: Image) -> Answer {
    let few = [("trigger_steps", 4.0), ("epochs", 2.0), ("background", 24.0), ("positives", 2.0)];
    let few = few.map(|(name, value)| (name.to_owned(), ParameterValue::Number(value)));
    let rerank = Rerank {
        candidates: Candidates::All,
        parameters: Parameters(few.into_iter().collect()),
        ..Rerank::new("tmm")
    };
    let hits = collection.len().min(10) as usize;
    let query = Query { metric: Metric::Cosine, hits, rerank: Some(rerank), ..Query::decoded(image) };
    let answer = collection.search(&query).unwrap();
    assert_eq!(answer.hits.len(), hits);
    assert!(answer.hits.iter().flat_map(|hit| &hit.stages).all(|stage| stage.score.is_finite()));
    answer
}

/// The trigger's share is the query's standard deviation; where that is 0, all triggered images are one.
#[test]
fn constant_and_black_queries_are_answered_by_the_shortlist() {
    let (_folder, collection) = collection(40, |index| Some(name(index)));
    let (height, width) = (glyph(0).height(), glyph(0).width());
    for value in [0, 128, 255] {
        let flat = Image::new(height, width, 1, vec![value; height * width]).unwrap();
        let answer = fallen_back(&collection, flat);
        assert!(answer.status.to_string().contains("of one colour"), "{}", answer.status);
    }
}

#[test]
fn queries_of_another_size_or_in_colour_are_brought_to_the_models_input() {
    let (_folder, collection) = collection(40, |index| Some(name(index)));
    for (height, width, channels) in [(2, 1, 1), (9, 70, 1), (64, 64, 3), (5, 3, 3)] {
        let samples = (0..height * width * channels).map(|n| (n * 37 % 251) as u8).collect();
        search(&collection, Image::new(height, width, channels, samples).unwrap());
    }
}

#[test]
fn a_query_that_is_stored_comes_first() {
    let (_folder, collection) = collection(40, |index| Some(name(index)));
    for index in [0, 17, 39] {
        assert_eq!(search(&collection, glyph(index)).hits[0].key, format!("{index:03}"));
    }
}

#[test]
fn one_exemplar_is_its_own_neighbour() {
    let (_folder, collection) = collection(1, |index| Some(name(index)));
    assert_eq!(fallen_back(&collection, glyph(5)).hits[0].key, "000");
}

#[test]
fn without_labels_the_models_own_answers_stand_for_them() {
    let (_folder, collection) = collection(40, |_| None);
    assert_eq!(search(&collection, glyph(8)).hits[0].key, "008");
}

#[test]
fn one_class_and_classes_that_the_model_does_not_know_are_answered() {
    let (_folder, one) = collection(30, |_| Some("ring".to_owned()));
    search(&one, glyph(2));
    let (_folder, foreign) = collection(30, |index| Some(format!("holiday {}", index % 3)));
    search(&foreign, glyph(2));
}

#[test]
fn an_empty_collection_has_no_neighbours() {
    let (_folder, collection) = collection(0, |index| Some(name(index)));
    let answer = collection.search(&Query::decoded(glyph(0))).unwrap();
    assert!(answer.hits.is_empty());
}
