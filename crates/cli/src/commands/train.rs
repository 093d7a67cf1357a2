//! `lookalike train`: from labelled images to weights.
//!
//! With its default settings it makes `assets/glyphs.safetensors` and `assets/glyphs.json` of this package.

mod curves;
mod data;
mod plan;
mod report;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use lookalike_datasets::Samples;
use lookalike_vision::{EpochRecord, ModelManifest, TrainData, TrainSet, Training, evaluate};

use crate::args::validation::Validation;
use crate::args::{GlobalArgs, SplitName, TrainArgs};
use crate::commands::ingest::Input;
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::opened::compute;
use crate::show::output::Output;
use crate::show::progress::Progress;
use crate::source;
use crate::whole_file;
use data::{Labelled, Wanted};
use plan::Plan;
use report::{Outcome, TrainReport, epoch_line};

/// Glyphs that the trained network is tried on, of the seed after the training's.
const TEST_COUNT: u64 = 2_000;

/// The file in the output folder from which a training goes on.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Longest time that an interruption costs, roughly: a step is not cut short.
const CHECKPOINT_INTERVAL: Duration = Duration::from_mins(5);

pub(crate) fn run(args: &TrainArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let plan = Plan::of(args, global)?;
    fs::create_dir_all(&args.out).with_context(|| format!("folder {} cannot be made", args.out.display()))?;
    let files = Files { folder: &args.out, name: &plan.name };
    let checkpoint = files.checkpoint_to_resume(args.resume)?;
    let (manifest, data) = gather(args, &plan, output)?;
    let validation = data.validation.clone();
    let mut training = match checkpoint {
        Some(bytes) => {
            let resumed = Training::resume(plan.config.clone(), manifest.clone(), data, &bytes);
            resumed.with_context(|| files.path(CHECKPOINT).display().to_string())?
        }
        None => Training::new(plan.config.clone(), manifest.clone(), data)?,
    };
    let images = training.images() as u64;
    let mut report = TrainReport {
        name: plan.name.clone(),
        images,
        data_digest: training.data_digest().to_string(),
        classes: manifest.classes.len(),
        config: plan.config.clone(),
        device: global.device.to_string(),
        epochs: Vec::new(),
        outcome: None,
    };
    advance(&mut training, &files, &mut report, output)?;

    let trained = training.into_trained();
    let bytes = trained.to_safetensors(plan.format)?;
    files.write(&files.weights(), &bytes)?;
    files.write(&format!("{}.json", plan.name), (manifest.to_json()? + "\n").as_bytes())?;
    let model = trained.to_model(plan.format, compute(global))?;
    report.outcome = Some(Outcome {
        validation: validation.map(|set| evaluate(&model, &set)).transpose()?,
        seconds: start.elapsed().as_secs_f64(),
        weights: files.path(&files.weights()).display().to_string(),
        weights_bytes: bytes.len() as u64,
        model: ModelReport::of(&model),
    });
    files.write_record(&report)?;
    files.forget_checkpoint()?;
    output.report(&report)?;
    Ok(Ending::Done)
}

/// The images to learn and those to try it on, and the manifest that they make.
fn gather(args: &TrainArgs, plan: &Plan, output: Output) -> anyhow::Result<(ModelManifest, TrainData)> {
    let mut manifest = ModelManifest {
        name: plan.name.clone(),
        architecture: plan.architecture.clone(),
        channels: plan.shape[0],
        height: plan.shape[1],
        width: plan.shape[2],
        classes: plan.classes.clone().unwrap_or_else(|| vec![String::new()]),
        normalisation: None,
    };
    // Before images are read for it; their classes come with them.
    manifest.validate()?;
    plan.config.validate()?;

    let wanted = Wanted { shape: plan.shape, limit: args.limit, seed: args.seed };
    let input = match args.sources[..] {
        [] => Input::of(samples(args, args.split, (args.seed, args.count))?),
        _ => Input::of_paths(&args.sources)?,
    };
    let labelled = Labelled::read(input, wanted)?;
    output.line(&labelled.line("to learn"))?;
    manifest.classes = plan.classes.clone().unwrap_or_else(|| data::sorted(labelled.names.clone()));
    let mut images = labelled.in_order_of(&manifest.classes)?;

    let all = Wanted { limit: None, ..wanted };
    let held_out = match &plan.validation {
        Validation::None => None,
        Validation::Share(share) => {
            let (left, taken) = images.split(*share, args.seed);
            images = left;
            output.line(&format!("to try it on: {} of them", taken.len()))?;
            (!taken.is_empty()).then_some(taken)
        }
        Validation::Test => {
            anyhow::ensure!(
                args.sources.is_empty(),
                "only a data set has a test part; give --val a share or a path"
            );
            let glyphs = (args.seed.wrapping_add(1), TEST_COUNT);
            Some(tried(Input::of(samples(args, SplitName::Test, glyphs)?), all, &manifest, output)?)
        }
        Validation::Path(path) => {
            Some(tried(Input::of_paths(std::slice::from_ref(path))?, all, &manifest, output)?)
        }
    };
    if args.network.normalise {
        manifest.normalisation = Some(images.normalisation());
    }
    Ok((manifest, TrainData { images, validation: held_out }))
}

fn samples(args: &TrainArgs, split: SplitName, glyphs: (u64, u64)) -> anyhow::Result<Samples> {
    source::open(args.dataset, args.from.as_deref(), split, glyphs)
}

/// Images to try the network on, by the classes that it learns.
fn tried(input: Input, wanted: Wanted, manifest: &ModelManifest, output: Output) -> anyhow::Result<TrainSet> {
    let labelled = Labelled::read(input, wanted).context("validation")?;
    output.line(&labelled.line("to try it on"))?;
    labelled.in_order_of(&manifest.classes).context("validation")
}

/// Trains to the end, and keeps a checkpoint, the record and the curves on the way.
fn advance(
    training: &mut Training,
    files: &Files<'_>,
    report: &mut TrainReport,
    output: Output,
) -> anyhow::Result<()> {
    let epochs = report.config.epochs;
    let mut progress = Progress::rated("train");
    let (start, mut kept) = (Instant::now(), Instant::now());
    let mut before = None;
    // Training goes on when nobody reads; the weights are what was asked for.
    let mut printed = Ok(());
    while let Some(step) = training.step()? {
        let before = *before.get_or_insert(step.images - report.config.batch as u64);
        let rate = (step.images - before) as f64 / start.elapsed().as_secs_f64().max(1e-9);
        let left = Duration::try_from_secs_f64((step.of_images - step.images) as f64 / rate.max(1e-9))
            .unwrap_or(Duration::MAX);
        progress.at_rate(step.images, step.of_images, rate, left);
        if let Some(record) = &step.ended {
            report.epochs = training.history().to_vec();
            files.write_record(report)?;
            let speed = speed(record, report.images);
            printed = printed.and_then(|()| output.line(&epoch_line(record, epochs, speed, left)));
        }
        if step.images < step.of_images && (step.ended.is_some() || kept.elapsed() > CHECKPOINT_INTERVAL) {
            files.write(CHECKPOINT, &training.checkpoint()?)?;
            kept = Instant::now();
        }
    }
    report.epochs = training.history().to_vec();
    drop(progress);
    printed
}

/// Images that an epoch learnt in a second.
fn speed(record: &EpochRecord, images: u64) -> f64 {
    images as f64 / record.seconds.max(1e-9)
}

/// What stands in the output folder.
struct Files<'a> {
    folder: &'a Path,
    name: &'a str,
}

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The name of the weights' file.
    fn weights(&self) -> String {
        format!("{}.safetensors", self.name)
    }

    /// The checkpoint that is asked for; none may be in the way otherwise.
    fn checkpoint_to_resume(&self, resume: bool) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path(CHECKPOINT);
        match (resume, path.exists()) {
            (false, false) => Ok(None),
            (false, true) => anyhow::bail!(
                "{} is an unfinished training; go on with --resume, or remove it to begin anew",
                path.display()
            ),
            (true, false) => {
                anyhow::bail!("there is no {} to go on from; leave out --resume to begin", path.display())
            }
            (true, true) => {
                fs::read(&path).map(Some).with_context(|| format!("{} cannot be read", path.display()))
            }
        }
    }

    fn forget_checkpoint(&self) -> anyhow::Result<()> {
        let path = self.path(CHECKPOINT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The numbers so far, and their picture.
    fn write_record(&self, report: &TrainReport) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(report)? + "\n";
        self.write("training.json", json.as_bytes())?;
        let curves = curves::svg(&format!("Training of {}", self.name), &report.epochs)?;
        self.write("curves.svg", curves.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(name);
        whole_file::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
    }
}
