//! `lookalike eval`: whether a ranking retrieves better under noise, by how much, and at what cost.

mod images;
mod inputs;
mod sets;
mod told;

use std::time::Instant;

use lookalike_eval::{
    Contestant, Experiment, Preset, Protocol, RunFolder, RunProgress, Subject, TUNED, Tuning, Way,
    write_report,
};

use self::images::Images;
use self::inputs::{from_json, model};
use self::told::{CompareReport, RunReport, TuneReport};
use crate::args::{
    EvalArgs, EvalCommand, EvalCompareArgs, EvalImageArgs, EvalNumberArgs, EvalReportArgs, EvalRunArgs,
    EvalTuneArgs, GlobalArgs,
};
use crate::commands::judge;
use crate::ending::Ending;
use crate::show::output::{Output, span};

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
    let (experiment, preset) = experiment(args)?;
    experiment.validate()?;
    let model = model(&args.subject.model, &args.subject.manifest, global)?;
    let images = Images::open(&args.subject.images, &experiment)?;
    if let Some(preset) = preset.filter(|preset| images.may_be_known(preset, &experiment)) {
        anyhow::bail!(
            "the preset was searched on images of {} that this run may ask for; take --seed {}, and at most {} of the {} \
             images as exemplars of search and run together",
            images.name,
            preset.seed,
            images.train.len(),
            images.train.len()
        );
    }
    let subject = draw(&images, &args.subject.images, &experiment)?;
    let folder = RunFolder::new(&args.out);
    lookalike_eval::run(&folder, &model, &subject, &experiment, &mut told(output, start))?;
    let written = write_report(&folder, Some(&subject))?;
    let seconds = start.elapsed().as_secs_f64();
    output.report(&RunReport::of(&written, Some(seconds)))?;
    Ok(Ending::Done)
}

fn report(args: &EvalReportArgs, output: Output) -> anyhow::Result<Ending> {
    let folder = RunFolder::new(&args.run);
    let has_images = args.images.dataset.is_some() || !args.images.train.is_empty();
    let subject = if has_images {
        let experiment = folder.experiment()?;
        experiment.validate()?;
        Some(subject(&args.images, &experiment)?)
    } else {
        None
    };
    let written = write_report(&folder, subject.as_ref())?;
    output.report(&RunReport::of(&written, None))?;
    Ok(Ending::Done)
}

fn compare(args: &EvalCompareArgs, output: Output) -> anyhow::Result<Ending> {
    let [before, after] = [&args.before, &args.after].map(RunFolder::new);
    let comparison = lookalike_eval::compare(&before, &after)?;
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
    tuning.validate()?;
    let grounds = sets::grounds(args, &tuning.experiment(), global)?;
    let folder = RunFolder::new(&args.out);
    let preset = lookalike_eval::tune(&folder, &grounds, &tuning, &mut told(output, start))?;
    output.report(&TuneReport::of(&preset, &args.out, start.elapsed().as_secs_f64()))?;
    Ok(Ending::Done)
}

/// The images that an experiment draws of what the command line names.
pub(crate) fn subject(args: &EvalImageArgs, experiment: &Experiment) -> anyhow::Result<Subject> {
    draw(&Images::open(args, experiment)?, args, experiment)
}

fn draw(images: &Images, args: &EvalImageArgs, experiment: &Experiment) -> anyhow::Result<Subject> {
    let parts = [images.train.as_slice(), images.test.as_slice()];
    Subject::draw(&images.name, parts, images::outliers(args)?, experiment, images::known)
}

/// The suite or the file, with the numbers of the command line.
fn experiment(args: &EvalRunArgs) -> anyhow::Result<(Experiment, Option<Preset>)> {
    let mut experiment = match &args.experiment {
        None => args.suite.0.experiment(),
        Some(path) => from_json("experiment", path)?,
    };
    let preset: Option<Preset> = args.preset.as_deref().map(|path| from_json("preset", path)).transpose()?;
    if let Some(Preset { way, .. }) = &preset {
        experiment.contestants.push(Contestant { name: TUNED.to_owned(), way: Way::Tmm(way.clone()) });
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
    Ok((experiment, preset))
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
