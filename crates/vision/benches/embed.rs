//! How many images a second each architecture embeds, and how much of the processor's arithmetic that is.
//!
//! `cargo bench -p lookalike-vision --bench embed [-- FILTER]` prints `embed/ARCHITECTURE/DEVICE/BATCH` with images per second
//! and GFLOP/s, a multiplication with its addition counted as two, for every device that is found. Weights are random:
//! they do not change the time. `benches/reference/embed.py` prints the same of PyTorch where it is installed.

use std::time::{Duration, Instant};

use lookalike_vision::{
    Architecture, CnnConfig, ComputeConfig, Device, Model, ModelManifest, Pixels, ResNetConfig, VitConfig,
};

/// Each measurement goes on for so long, after a first pass that is not counted.
const ENOUGH: Duration = Duration::from_secs(2);
const BATCHES: [usize; 3] = [1, 32, 256];

fn main() {
    // Cargo hands on a flag of its own before what the user typed.
    let filter = std::env::args().skip(1).find(|word| !word.starts_with("--")).unwrap_or_default();
    let side = 32;
    let architectures = [
        ("resnet18", Architecture::ResNet(ResNetConfig::resnet18())),
        ("resnet34", Architecture::ResNet(ResNetConfig::resnet34())),
        ("resnet50", Architecture::ResNet(ResNetConfig::resnet50())),
        ("wide_resnet50_2", Architecture::ResNet(ResNetConfig::wide_resnet50_2())),
        ("small_cnn", Architecture::Cnn(CnnConfig::small())),
        ("vit_tiny", Architecture::Vit(VitConfig::tiny(4))),
    ];
    for (name, architecture) in architectures {
        for device in Device::found() {
            if BATCHES.iter().all(|batch| !label(name, device, *batch).contains(&filter)) {
                continue;
            }
            let model = model(&architecture, device, side);
            for batch in BATCHES {
                let label = label(name, device, batch);
                if label.contains(&filter) {
                    measure(&label, &model, batch, side);
                }
            }
        }
    }
}

fn label(name: &str, device: Device, batch: usize) -> String {
    format!("embed/{name}/{device}/{batch}")
}

fn model(architecture: &Architecture, device: Device, side: usize) -> Model {
    let manifest = ModelManifest {
        name: "random".to_owned(),
        architecture: architecture.clone(),
        channels: 3,
        height: side,
        width: side,
        classes: (0..10).map(|class| class.to_string()).collect(),
        normalisation: None,
    };
    Model::seeded_on(manifest, 1, &ComputeConfig { device, ..ComputeConfig::default() }).expect("a model")
}

#[expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
fn measure(label: &str, model: &Model, batch: usize, side: usize) {
    let image = |number: usize| {
        let value = |place: usize| ((place * 31 + number * 17) % 256) as f32 / 255.0;
        Pixels::new(3, side, side, (0..3 * side * side).map(value).collect()).expect("pixels")
    };
    let images: Vec<Pixels> = (0..batch).map(image).collect();
    model.features(&images).expect("features");
    let (start, mut passes) = (Instant::now(), 0_u32);
    while start.elapsed() < ENOUGH {
        model.features(&images).expect("features");
        passes += 1;
    }
    let rate = f64::from(passes) * batch as f64 / start.elapsed().as_secs_f64();
    let operations = 2.0 * rate * model.multiplications() as f64 / 1e9;
    println!("{label}: {rate:.0} images/s, {operations:.0} GFLOP/s");
}
