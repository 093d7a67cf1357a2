//! Time of the search for triggers: `cargo bench -p lookalike-tmm --bench trigger`.
//!
//! The question: how much sooner do the triggers of sixteen queries come when they share every pass through the
//! network? Each benchmark makes ten updates per trigger and never stops early; what an update needs at least, the
//! pass forth and back of the same images alone, stands beside it. Without the MNIST network in the shared folder the
//! built-in architecture of the same depth with random weights stands in: the same work.

use std::path::Path;

use lookalike_plugin_api::Budget;
use lookalike_tmm::{TriggerSearch, TriggerStart, optimise_trigger, optimise_triggers};
use lookalike_vision::{
    Architecture, Block, ComputeConfig, Model, ModelManifest, Pixels, ResNetConfig, Stem,
};

const SIDE: usize = 28;
const QUERIES: usize = 16;
const UPDATES: usize = 10;

fn main() {
    divan::main();
}

fn model() -> Model {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let weights = shared.join("models/mnist-resnet18.safetensors");
    if let (true, Ok(manifest)) = (weights.exists(), ModelManifest::infer(&weights, SIDE, SIDE)) {
        let file = std::fs::read(&weights).expect("the weights were there a moment ago");
        return Model::load(manifest, &file, ComputeConfig::default()).expect("the weights are a network");
    }
    let config = ResNetConfig {
        block: Block::Basic,
        depths: [2, 2, 2, 2],
        stem: Stem::Imagenet,
        base_width: 64,
        wide: 1,
    };
    let manifest = ModelManifest {
        name: "random".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: SIDE,
        width: SIDE,
        classes: (0..10).map(|class| class.to_string()).collect(),
        normalisation: None,
    };
    Model::seeded(manifest, 1).expect("the manifest is valid")
}

fn search() -> TriggerSearch<'static> {
    TriggerSearch { steps: UPDATES, learning_rate: 0.015, patience: 0, mask: None }
}

/// Random images, which cost what any others do.
fn pixels(model: &Model, first_seed: u64) -> Vec<Pixels> {
    let drawn = |seed| TriggerStart::Uniform.pixels(model, seed).expect("a drawn start has the right shape");
    (first_seed..first_seed + QUERIES as u64).map(drawn).collect()
}

#[divan::bench(name = "trigger/16_together_10", sample_count = 5)]
fn together(bencher: divan::Bencher<'_, '_>) {
    let model = model();
    let (queries, starts) = (pixels(&model, 1), pixels(&model, 100));
    bencher.with_inputs(|| starts.clone()).bench_local_values(|starts| {
        optimise_triggers(&model, &queries, starts, &search(), &Budget::unlimited()).expect("the job fits")
    });
}

#[divan::bench(name = "trigger/16_one_by_one_10", sample_count = 5)]
fn one_by_one(bencher: divan::Bencher<'_, '_>) {
    let model = model();
    let (queries, starts) = (pixels(&model, 1), pixels(&model, 100));
    bencher.with_inputs(|| starts.clone()).bench_local_values(|starts| {
        let alone = |(query, start): (&Pixels, Pixels)| {
            optimise_trigger(&model, std::slice::from_ref(query), start, &search(), &Budget::unlimited())
                .expect("the job fits")
        };
        queries.iter().zip(starts).map(alone).collect::<Vec<_>>()
    });
}

#[divan::bench(name = "trigger/16_passes_10", sample_count = 5)]
fn bare_passes(bencher: divan::Bencher<'_, '_>) {
    let model = model();
    let queries = pixels(&model, 1);
    bencher.bench_local(|| {
        for _ in 0..UPDATES {
            let passed = model.pullback(&queries, &mut |logits| logits.values().to_vec());
            divan::black_box(passed.expect("the images fit"));
        }
    });
}
