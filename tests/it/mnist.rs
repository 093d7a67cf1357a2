//! The whole product on real digits with a real ResNet-18. Skipped where data or weights are absent.

use std::path::Path;
use std::sync::Arc;

use lookalike_datasets::{SampleImage, Split, mnist};
use lookalike_engine::{
    Candidates, Collection, Database, IngestItem, ItemImage, Metric, Query, Rerank, StoreConfig,
};
use lookalike_plugin_api::{Budget, Image, ParameterValue, Parameters, RankingStatus};
use lookalike_tmm::TmmReranker;
use lookalike_vision::{ComputeConfig, Device, Model, ModelManifest};

use crate::support::{exact, shared};

fn model(weights: &Path, device: Device) -> Model {
    let manifest = ModelManifest::infer(weights, 28, 28).unwrap();
    let compute = ComputeConfig { device, ..ComputeConfig::default() };
    Model::load(manifest, &std::fs::read(weights).unwrap(), compute).unwrap()
}

fn samples(folder: &Path, split: Split, limit: usize) -> Vec<(String, Image, String)> {
    mnist(folder, split)
        .unwrap()
        .take(limit)
        .map(|sample| {
            let sample = sample.unwrap();
            let SampleImage::Decoded(image) = sample.image else { panic!("IDX holds pixels") };
            (sample.key, image, sample.label.unwrap())
        })
        .collect()
}

#[test]
fn the_model_reaches_its_accuracy_on_all_test_digits_and_every_device() {
    let (Some(folder), Some(weights)) = (shared("data/mnist"), shared("models/mnist-resnet18.safetensors"))
    else {
        return;
    };
    let digits = samples(&folder, Split::Test, usize::MAX);
    assert_eq!(digits.len(), 10_000);
    for device in Device::found() {
        let model = model(&weights, device);
        let mut right = 0;
        for chunk in digits.chunks(512) {
            let pixels: Vec<_> = chunk.iter().map(|(_, image, _)| model.prepare(image)).collect();
            let logits = model.logits(&pixels).unwrap();
            for ((_, _, label), row) in chunk.iter().zip(logits.rows()) {
                let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
                right += usize::from(best.to_string() == *label);
            }
        }
        let accuracy = f64::from(u32::try_from(right).unwrap()) / 100.0;
        assert!((accuracy - 98.3).abs() <= 0.1, "{device}: {accuracy} % of the test digits");
    }
}

#[test]
fn digits_are_ingested_and_found_by_every_ranking() {
    let (Some(folder), Some(weights)) = (shared("data/mnist"), shared("models/mnist-resnet18.safetensors"))
    else {
        return;
    };
    let model = Arc::new(model(&weights, Device::default()));
    let tmm = TmmReranker::new(Arc::clone(&model), exact()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let database = Database::create(&root.path().join("db"), model, StoreConfig::default()).unwrap();
    let collection = database.with_reranker(Arc::new(tmm)).collection_or_create("main").unwrap();
    let items = samples(&folder, Split::Train, 2000).into_iter().map(|(key, image, label)| IngestItem {
        key,
        image: ItemImage::Decoded(image),
        label: Some(label),
        tags: [].into(),
    });
    let report = collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!((report.inserted, report.refused), (2000, 0));

    for (_, digit, label) in samples(&folder, Split::Test, 3) {
        for metric in Metric::ALL {
            let answer = collection.search(&Query { metric, ..Query::decoded(digit.clone()) }).unwrap();
            assert_agrees(&answer, &label);
        }
        assert_agrees(&reranked(&collection, &digit, Candidates::Shortlist(200), 100.0), &label);
    }
    let (_, digit, _) = samples(&folder, Split::Test, 1).remove(0);
    let full = reranked(&collection, &digit, Candidates::All, 5.0);
    assert_eq!((full.matched, full.hits.len()), (2000, 10));
}

fn reranked(
    collection: &Collection,
    digit: &Image,
    candidates: Candidates,
    trigger_steps: f64,
) -> lookalike_engine::Answer {
    let parameters = Parameters([("trigger_steps".to_owned(), ParameterValue::Number(trigger_steps))].into());
    let rerank = Some(Rerank { candidates, parameters, ..Rerank::new("tmm") });
    let answer = collection.search(&Query { rerank, ..Query::decoded(digit.clone()) }).unwrap();
    assert_eq!(answer.status, RankingStatus::Applied);
    answer
}

/// At least six of the ten neighbours bear the digit's own label.
fn assert_agrees(answer: &lookalike_engine::Answer, label: &str) {
    let same = answer.hits.iter().filter(|hit| hit.label.as_deref() == Some(label)).count();
    assert!(same >= 6, "{same} of {} neighbours are a {label}", answer.hits.len());
}
