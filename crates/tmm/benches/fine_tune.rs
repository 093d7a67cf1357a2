//! Time of the head's fine-tuning: `cargo bench -p lookalike-tmm`.

use lookalike_plugin_api::{Budget, FeatureRows};
use lookalike_tmm::{DummyHead, Schedule, TrainingRows, fine_tune};

const DIMENSION: usize = 512;
const CLASSES: usize = 10;
const BATCH: usize = 256;
const UPDATES: usize = 240;

fn main() {
    divan::main();
}

/// Numbers in -1..1 that are spread well enough to keep the arithmetic honest.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn rows(n: usize) -> FeatureRows {
    FeatureRows::new(DIMENSION, numbers(n * DIMENSION)).expect("the numbers are finite")
}

/// 240 updates of 256 exemplars, clean and triggered, 512 values, ten classes and the dummy class; one thread.
#[divan::bench(name = "fine_tune/240x256", sample_count = 10)]
fn fine_tune_240x256(bencher: divan::Bencher<'_, '_>) {
    let exemplars = 4096;
    let (positives, query, triggered, clean) = (rows(1), rows(1), rows(exemplars), rows(exemplars));
    let labels: Vec<usize> = (0..exemplars).map(|i| i % CLASSES).collect();
    let order: Vec<Vec<usize>> = vec![(0..exemplars).collect(); UPDATES * BATCH / exemplars];
    let head = DummyHead::new(&numbers(CLASSES * DIMENSION), &[0.0; CLASSES], &numbers(DIMENSION), 0.0);
    let head = head.expect("the shapes fit");
    let training = TrainingRows {
        positives: &positives,
        query: Some((&query, 0)),
        triggered: &triggered,
        clean: Some(&clean),
        labels: &labels,
    };
    let schedule = Schedule { order: &order, batch: BATCH, learning_rate: 0.001, consolidation: None };
    bencher.with_inputs(|| head.clone()).bench_local_values(|mut head| {
        fine_tune(&mut head, &training, &schedule, &Budget::unlimited()).expect("the job fits")
    });
}
