//! Equal queries on equal data give equal bits: for any number of threads, alone and side by side, after a restart, and
//! whatever the order was in which the images were stored.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use lookalike_datasets::{Disturbance, GlyphSet};
use lookalike_engine::{Candidates, Collection, Database, Metric, Query, Rerank, StoreConfig};
use lookalike_plugin_api::{Budget, Image, ParameterValue, Parameters, RankingStatus};
use lookalike_tmm::{Blend, StoredTrigger, TmmConfig, TmmReranker, TmmView, Transformation, TriggerStart};
use lookalike_vision::{ComputeConfig, Model};
use tempfile::TempDir;

use crate::support::item;

/// More than a chunk of any kind, and no multiple of one.
const GLYPHS: u64 = 301;
const SEED: u64 = 9;

/// A ranking, bit for bit: keys with scores.
type Ranked = Vec<(String, u32)>;

fn model(threads: usize) -> Arc<Model> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/assets/glyphs.safetensors");
    Arc::new(Model::open(&weights, ComputeConfig { threads, ..ComputeConfig::default() }).unwrap())
}

fn glyph(index: u64) -> Image {
    GlyphSet::new(SEED).glyph(index).image
}

fn open(folder: &Path, model: &Arc<Model>) -> Collection {
    let trigger = StoredTrigger::random(model, &TriggerStart::Uniform, 1).unwrap();
    let trigger = Transformation::Trigger { trigger, blend: Blend::AsPrinted, omega: 0.3 };
    let views = vec![
        TmmView::new("trigger", trigger).unwrap(),
        TmmView::new("mirror", Transformation::Mirror).unwrap(),
    ];
    let reranker = TmmReranker::new(Arc::clone(model), TmmConfig::default()).unwrap();
    let database = if folder.exists() {
        Database::open(folder, model.clone(), StoreConfig::default()).unwrap()
    } else {
        Database::create(folder, model.clone(), StoreConfig::default()).unwrap()
    };
    let database = database.with_reranker(Arc::new(reranker.with_views(views).unwrap()));
    database.collection_or_create("main").unwrap()
}

fn stored(model: &Arc<Model>, order: impl Iterator<Item = u64> + Send) -> (TempDir, Collection) {
    let folder = tempfile::tempdir().unwrap();
    let collection = open(&folder.path().join("db"), model);
    let items = order.map(|index| {
        let glyph = GlyphSet::new(SEED).glyph(index);
        // Some labels are missing, and what is missing does not depend on the order either.
        item(&format!("{index:03}"), glyph.image, (index % 5 != 0).then_some(glyph.name))
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    (folder, collection)
}

fn rerank(words: &[(&str, &str)], numbers: &[(&str, f64)]) -> Rerank {
    let words = words.iter().map(|(name, word)| (*name, ParameterValue::Text((*word).to_owned())));
    let few = [
        ("trigger_steps", 4.0),
        ("background", 70.0),
        ("positives", 3.0),
        ("batch", 16.0),
        ("cascade", 40.0),
    ];
    let numbers = few.iter().chain(numbers).map(|(name, number)| (*name, ParameterValue::Number(*number)));
    let parameters = words.chain(numbers).map(|(name, value)| (name.to_owned(), value)).collect();
    Rerank { candidates: Candidates::All, parameters: Parameters(parameters), ..Rerank::new("tmm") }
}

/// One search of every kind.
fn queries() -> Vec<Query> {
    let image = Disturbance::Brightness(0.7).apply(&glyph(17), 1);
    let query = Query { hits: GLYPHS as usize, seed: 5, ..Query::decoded(image) };
    let plain = Metric::ALL.map(|metric| Query { metric, ..query.clone() });
    let views = ["clean", "trigger", "mirror"].map(str::to_owned).to_vec();
    let summed = Query { views, ..query.clone() };
    let reranked = [
        rerank(&[], &[]),
        rerank(&[("mode", "exact")], &[]),
        rerank(&[("preset", "paper")], &[]),
        rerank(&[("preset", "paper"), ("layer", "layer4")], &[("background", 20.0)]),
        rerank(&[("mode", "shared")], &[]),
        rerank(&[("mode", "cascade")], &[]),
        rerank(&[("mode", "views"), ("copies", "mean")], &[]),
    ];
    let reranked = reranked.map(|rerank| Query { rerank: Some(rerank), ..query.clone() });
    plain.into_iter().chain([summed]).chain(reranked).collect()
}

fn ranked(collection: &Collection, query: &Query) -> Ranked {
    let answer = collection.search(query).unwrap();
    let expected = if query.rerank.is_some() { RankingStatus::Applied } else { RankingStatus::Skipped };
    assert_eq!(answer.status, expected);
    answer.hits.into_iter().map(|hit| (hit.key, hit.stages.last().unwrap().score.to_bits())).collect()
}

fn all(collection: &Collection) -> Vec<Ranked> {
    queries().iter().map(|query| ranked(collection, query)).collect()
}

fn assert_equal(found: &[Ranked], expected: &[Ranked]) {
    for ((found, expected), query) in found.iter().zip(expected).zip(queries()) {
        assert_eq!(found.len(), GLYPHS as usize);
        assert!(found == expected, "{:?} {:?} {:?}", query.metric, query.views, query.rerank);
    }
}

#[test]
fn the_number_of_threads_and_the_order_of_storing_do_not_matter() {
    let (_kept, forth) = stored(&model(2), 0..GLYPHS);
    let expected = all(&forth);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let found = one.install(|| {
        let (_kept, alone) = stored(&model(1), 0..GLYPHS);
        all(&alone)
    });
    assert_equal(&found, &expected);
    // 53 and 301 have no common divisor, so every number comes once.
    let (_kept, shuffled) = stored(&model(2), (0..GLYPHS).map(|index| index * 53 % GLYPHS));
    assert_equal(&all(&shuffled), &expected);
}

#[test]
fn neighbours_in_time_and_a_restart_do_not_matter() {
    let model = model(2);
    let (folder, collection) = stored(&model, 0..GLYPHS);
    let expected = all(&collection);
    thread::scope(|scope| {
        let searches: Vec<_> = (0..8).map(|_| scope.spawn(|| all(&collection))).collect();
        for search in searches {
            assert_equal(&search.join().unwrap(), &expected);
        }
    });
    drop(collection);
    assert_equal(&all(&open(&folder.path().join("db"), &model)), &expected);
}

#[test]
fn two_hundred_queries_leave_the_weights_as_they_are() {
    let model = model(2);
    let (_kept, collection) = stored(&model, 0..40);
    let before = model.weights_digest().unwrap();
    let kinds = queries();
    for number in 0..200 {
        let query = Query { seed: number, ..kinds[number as usize % kinds.len()].clone() };
        assert!(!collection.search(&query).unwrap().hits.is_empty());
    }
    assert_eq!(model.weights_digest().unwrap(), before);
}
