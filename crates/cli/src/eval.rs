//! `lookalike eval`: whether a ranking retrieves better under noise, by how much, and at what cost.

mod images;
mod sets;
mod told;

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use eval::{
    Contestant, Experiment, Preset, Protocol, RunFolder, RunProgress, Subject, Suite, TUNED, Tuning, Way,
    write_report,
};
use serde::de::DeserializeOwned;
use vision::Model;

use self::images::Images;
use self::told::{CompareReport, RunReport, TuneReport};
use crate::args::{
    EvalArgs, EvalCommand, EvalCompareArgs, EvalImageArgs, EvalNumberArgs, EvalReportArgs, EvalRunArgs,
    EvalTuneArgs, GlobalArgs, ManifestArgs,
};
use crate::model_files::ModelFiles;
use crate::opened::compute;
use crate::output::{Output, span};
use crate::source::NotUnderstood;
use crate::{Ending, judge};

/// Longest file of an experiment, a preset or data sets that is read.
const MAX_JSON_BYTES: u64 = 1 << 20;

/// A suite by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SuiteName(Suite);

impl FromStr for SuiteName {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Suite::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, suite)| Self(suite)).ok_or_else(|| NotUnderstood {
            found: text.to_owned(),
            expected: "paper, eleven, corruptions, ablations or attacks",
        })
    }
}

pub(crate) fn run(args: &EvalArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        EvalCommand::Run(args) => run_experiment(args, global, output),
        EvalCommand::Report(args) => report(args, output),
        EvalCommand::Compare(args) => compare(args, output),
        EvalCommand::Judge(args) => judge::run(args, output),
        EvalCommand::Tune(args) => tune(args, global, output),
    }
}

fn run_experiment(args: &EvalRunArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let experiment = experiment(args)?;
    experiment.validate()?;
    let model = model(&args.subject.model, &args.subject.manifest, global)?;
    let subject = subject(&args.subject.images, &experiment)?;
    let folder = RunFolder::new(&args.out);
    eval::run(&folder, &model, &subject, &experiment, &mut told(output, start))?;
    let written = write_report(&folder, Some(&subject))?;
    let seconds = start.elapsed().as_secs_f64();
    output.report(&RunReport::of(&written, Some(seconds)))?;
    Ok(Ending::Done)
}

fn report(args: &EvalReportArgs, output: Output) -> anyhow::Result<Ending> {
    let folder = RunFolder::new(&args.run);
    let subject = match (&args.images.dataset, args.images.train.is_empty()) {
        (None, true) => None,
        _ => Some(subject(&args.images, &folder.experiment()?)?),
    };
    let written = write_report(&folder, subject.as_ref())?;
    output.report(&RunReport::of(&written, None))?;
    Ok(Ending::Done)
}

fn compare(args: &EvalCompareArgs, output: Output) -> anyhow::Result<Ending> {
    let [before, after] = [&args.before, &args.after].map(RunFolder::new);
    let comparison = eval::compare(&before, &after)?;
    output.report(&CompareReport { markdown: comparison.to_string() })?;
    Ok(Ending::Done)
}

fn tune(args: &EvalTuneArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let tuning = Tuning {
        trials: args.trials,
        queries: args.queries,
        exemplars: args.exemplars,
        most_milliseconds: args.most_milliseconds,
        seed: args.seed,
    };
    let grounds = sets::grounds(args, &tuning.experiment(), global)?;
    let folder = RunFolder::new(&args.out);
    let preset = eval::tune(&folder, &grounds, &tuning, &mut told(output, start))?;
    output.report(&TuneReport::of(&preset, args.seed, &args.out, start.elapsed().as_secs_f64()))?;
    Ok(Ending::Done)
}

/// The images that an experiment draws of what the command line names.
pub(crate) fn subject(args: &EvalImageArgs, experiment: &Experiment) -> anyhow::Result<Subject> {
    let images = Images::open(args, experiment)?;
    let parts = [images.train.as_slice(), images.test.as_slice()];
    Subject::draw(&images.name, parts, images::outliers(args)?, experiment, images::known)
}

fn model(model: &Path, manifest: &ManifestArgs, global: &GlobalArgs) -> anyhow::Result<Arc<Model>> {
    Ok(Arc::new(ModelFiles::named(model, manifest)?.load(compute(global))?))
}

/// What a JSON file says.
fn from_json<T: DeserializeOwned>(what: &str, path: &Path) -> anyhow::Result<T> {
    let unreadable = || format!("{what} {} cannot be read", path.display());
    let length = fs::metadata(path).with_context(unreadable)?.len();
    anyhow::ensure!(
        length <= MAX_JSON_BYTES,
        "{what} {} has {length} bytes, the limit is {MAX_JSON_BYTES}",
        path.display()
    );
    let text = fs::read_to_string(path).with_context(unreadable)?;
    serde_json::from_str(&text).with_context(|| format!("{what} {} is refused", path.display()))
}

/// The suite or the file, with the numbers of the command line.
fn experiment(args: &EvalRunArgs) -> anyhow::Result<Experiment> {
    let mut experiment = match &args.experiment {
        None => args.suite.0.experiment(),
        Some(path) => from_json("experiment", path)?,
    };
    if let Some(path) = &args.preset {
        let preset: Preset = from_json("preset", path)?;
        experiment.contestants.push(Contestant { name: TUNED.to_owned(), way: Way::Tmm(preset.way) });
    }
    let EvalNumberArgs { exemplars, queries, seed, trigger_seeds, neighbours, non_self } = args.numbers;
    experiment.exemplars = exemplars.unwrap_or(experiment.exemplars);
    experiment.queries = queries.unwrap_or(experiment.queries);
    experiment.seed = seed.unwrap_or(experiment.seed);
    experiment.trigger_seeds = trigger_seeds.unwrap_or(experiment.trigger_seeds);
    experiment.neighbours = neighbours.unwrap_or(experiment.neighbours);
    if non_self && !experiment.protocols.contains(&Protocol::NonSelf) {
        experiment.protocols.push(Protocol::NonSelf);
    }
    Ok(experiment)
}

/// Prints a line per step of a run.
fn told(output: Output, start: Instant) -> impl FnMut(RunProgress) {
    move |progress| {
        let RunProgress { stage, done, of } = progress;
        let since = span(start.elapsed().as_secs_f64());
        // The run goes on when nobody reads.
        let _printed = output.line(&format!("{done:>4} of {of}  {stage}  (after {since})"));
    }
}
