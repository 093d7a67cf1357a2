//! `lookalike train`: the small network that the program ships with, from drawn glyphs to weights.
//!
//! With its default settings it makes `assets/glyphs.safetensors` and `assets/glyphs.json` of this package.

use std::fs;
use std::time::Instant;

use anyhow::Context;
use datasets::{GLYPH_SIDE, GlyphSet};
use lookalike::plugin_api::Image;
use serde::Serialize;
use vision::{Architecture, Model, ModelManifest, ResNetConfig, TrainConfig, TrainProgress, WeightsFormat};

use crate::Ending;
use crate::args::{GlobalArgs, TrainArgs, TrainingSet};
use crate::opened::compute;
use crate::output::{Output, Report, bytes, span, visible};
use crate::stats::ModelReport;

/// Glyphs to train on.
pub(crate) const DEFAULT_COUNT: u64 = 12_000;

/// Passes over them.
pub(crate) const DEFAULT_EPOCHS: usize = 3;

/// Seed of glyphs, first weights and order. It is not the demonstration's, so that the network never saw what the
/// demonstration stores.
pub(crate) const DEFAULT_SEED: u64 = 1_000;

/// Glyphs that the trained network is tried on, of the seed after the training's.
const TEST_COUNT: u64 = 2_000;

const TEST_BATCH: u64 = 250;

pub(crate) fn run(args: &TrainArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let TrainingSet::Glyphs = args.dataset;
    let start = Instant::now();
    fs::create_dir_all(&args.out).with_context(|| format!("folder {} cannot be made", args.out.display()))?;
    let set = GlyphSet::new(args.seed);
    let images: Vec<(Image, usize)> = (0..args.count)
        .map(|index| {
            let glyph = set.glyph(index);
            (glyph.image, glyph.class)
        })
        .collect();
    let config = TrainConfig {
        epochs: args.epochs,
        seed: args.seed,
        threads: global.threads,
        ..TrainConfig::default()
    };
    let mut epochs = Vec::with_capacity(args.epochs);
    let mut printed = Ok(());
    let trained = vision::train(&config, manifest(), &images, &mut |progress| {
        let epoch = EpochReport::of(&progress, start.elapsed().as_secs_f64());
        let line = epoch.line(progress.epochs);
        epochs.push(epoch);
        // Training goes on when nobody reads; the weights are what was asked for.
        printed = std::mem::replace(&mut printed, Ok(())).and_then(|()| output.line(&line));
    })?;
    printed?;

    let path = args.out.join("glyphs.safetensors");
    trained.save(&path, WeightsFormat::F16)?;
    let model = trained.to_model(WeightsFormat::F16, compute(global))?;
    output.report(&TrainReport {
        glyphs: args.count,
        seed: args.seed,
        epochs,
        test_glyphs: TEST_COUNT,
        test_accuracy: accuracy(&model, GlyphSet::new(args.seed.wrapping_add(1)))?,
        seconds: start.elapsed().as_secs_f64(),
        weights: path.display().to_string(),
        weights_bytes: fs::metadata(&path)?.len(),
        model: ModelReport::of(&model),
    })?;
    Ok(Ending::Done)
}

fn manifest() -> ModelManifest {
    ModelManifest {
        name: "glyphs".to_owned(),
        architecture: Architecture::ResNet(ResNetConfig::glyph_net()),
        channels: 1,
        height: GLYPH_SIDE,
        width: GLYPH_SIDE,
        classes: GlyphSet::CLASSES.map(str::to_owned).to_vec(),
        normalisation: None,
    }
}

/// Share of unseen glyphs that the network classifies rightly.
fn accuracy(model: &Model, set: GlyphSet) -> anyhow::Result<f64> {
    let mut right = 0;
    for first in (0..TEST_COUNT).step_by(TEST_BATCH as usize) {
        let glyphs: Vec<_> = (first..first + TEST_BATCH).map(|index| set.glyph(index)).collect();
        let batch: Vec<_> = glyphs.iter().map(|glyph| model.prepare(&glyph.image)).collect();
        let logits = model.logits(&batch)?;
        right += logits.rows().zip(&glyphs).filter(|(row, glyph)| best(row) == Some(glyph.class)).count();
    }
    Ok(right as f64 / TEST_COUNT as f64)
}

/// Place of the largest value.
pub(crate) fn best(row: &[f32]) -> Option<usize> {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place)
}

#[derive(Debug, Serialize)]
struct EpochReport {
    epoch: usize,
    loss: f32,
    accuracy: f32,
    /// Since the start.
    seconds: f64,
}

impl EpochReport {
    fn of(progress: &TrainProgress, seconds: f64) -> Self {
        Self { epoch: progress.epoch, loss: progress.loss, accuracy: progress.accuracy, seconds }
    }

    fn line(&self, epochs: usize) -> String {
        let Self { epoch, loss, accuracy, seconds } = self;
        format!(
            "epoch {epoch} of {epochs}: loss {loss:.4}, accuracy {:.2} %, after {}",
            accuracy * 100.0,
            span(*seconds)
        )
    }
}

#[derive(Debug, Serialize)]
struct TrainReport {
    glyphs: u64,
    seed: u64,
    epochs: Vec<EpochReport>,
    test_glyphs: u64,
    test_accuracy: f64,
    seconds: f64,
    weights: String,
    weights_bytes: u64,
    model: ModelReport,
}

impl Report for TrainReport {
    fn text(&self) -> String {
        format!(
            "{:.2} % of {} unseen glyphs are classified rightly\nwrote {} ({}) and the manifest beside it, in {}\nmodel {}\n",
            self.test_accuracy * 100.0,
            self.test_glyphs,
            visible(&self.weights),
            bytes(self.weights_bytes),
            span(self.seconds),
            self.model.line()
        )
    }
}
