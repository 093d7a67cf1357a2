//! `lookalike model check`: what a model makes of images whose labels are known.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use lookalike_datasets::Sample;
use lookalike_vision::{DEFAULT_CHUNK, Model, Pixels};
use rayon::prelude::*;
use serde::Serialize;

use super::memory::peak_memory;
use crate::args::{GlobalArgs, ModelCheckArgs};
use crate::commands::ingest::Input;
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::model_files;
use crate::opened::compute;
use crate::show::output::{Output, Report, Table, bytes, grouped, span};
use crate::show::progress::Progress;
use crate::source;

/// Pairs of classes that are shown, of those most often taken for each other.
const CONFUSIONS: usize = 5;

/// Class names that an error lists.
const CLASSES_NAMED: usize = 12;

/// Chunks that each thread gets of a batch.
const CHUNKS_PER_THREAD: usize = 4;

pub(super) fn run(args: &ModelCheckArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let model = model_files::named(&args.model, &args.manifest)?.load(compute(global))?;
    let input = input(args)?;
    let mut progress = Progress::new("check", "images", input.announced(args.limit));
    let mut samples = input.samples.take(args.limit.unwrap_or(usize::MAX));
    let mut tally = Tally::new(&model);
    let batch = DEFAULT_CHUNK * CHUNKS_PER_THREAD * model.threads().max(1);
    loop {
        let next: Vec<Sample> = samples.by_ref().take(batch).collect::<Result<_, _>>()?;
        if next.is_empty() {
            break;
        }
        tally.add(&model, &next)?;
        progress.at(tally.images);
    }
    drop(progress);
    let report = CheckReport::of(&model, &tally, start.elapsed().as_secs_f64());
    output.report(&report)?;
    Ok(if tally.images > 0 { Ending::Done } else { Ending::NothingFound })
}

fn input(args: &ModelCheckArgs) -> anyhow::Result<Input> {
    match args.dataset {
        Some(name) => {
            let glyphs = (args.seed, args.count);
            Ok(Input::of(source::open(name, args.from.as_deref(), args.split, glyphs)?))
        }
        None => Input::of_paths(&args.sources),
    }
}

/// What was found so far.
struct Tally {
    classes: HashMap<String, usize>,
    images: u64,
    right: u64,
    /// Images by their own class and the one that they were taken for.
    confused: BTreeMap<(usize, usize), u64>,
    in_model: Duration,
}

impl Tally {
    fn new(model: &Model) -> Self {
        let names = model.manifest().classes.iter().cloned();
        Self {
            classes: names.zip(0..).collect(),
            images: 0,
            right: 0,
            confused: BTreeMap::new(),
            in_model: Duration::ZERO,
        }
    }

    fn add(&mut self, model: &Model, samples: &[Sample]) -> anyhow::Result<()> {
        let classes: Vec<usize> =
            samples.iter().map(|sample| self.class(model, sample)).collect::<anyhow::Result<_>>()?;
        let prepared = |sample: &Sample| {
            let image =
                source::pixels(&sample.image).with_context(|| format!("\"{}\" is refused", sample.key))?;
            Ok(model.prepare(&image))
        };
        let batch: Vec<Pixels> = samples.par_iter().map(prepared).collect::<anyhow::Result<_>>()?;
        let start = Instant::now();
        let found = model.head().predicted(&model.features(&batch)?);
        self.in_model += start.elapsed();
        for (found, class) in found.into_iter().zip(classes) {
            self.images += 1;
            if found == class {
                self.right += 1;
            } else {
                *self.confused.entry((class, found)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The class that a sample is labelled with.
    fn class(&self, model: &Model, sample: &Sample) -> anyhow::Result<usize> {
        let label = sample.label.as_deref().with_context(|| {
            format!("\"{}\" has no label; only a labelled set can be checked", sample.key)
        })?;
        self.classes.get(label).copied().with_context(|| {
            let manifest = model.manifest();
            let known = &manifest.classes[..manifest.classes.len().min(CLASSES_NAMED)];
            let more = if known.len() < manifest.classes.len() { ", ..." } else { "" };
            format!(
                "\"{}\" has the label \"{label}\", the model \"{}\" knows {}{more}; \
                 name its classes as the labels, in its manifest",
                sample.key,
                manifest.name,
                known.join(", ")
            )
        })
    }
}

#[derive(Debug, Serialize)]
struct CheckReport {
    images: u64,
    right: u64,
    accuracy: f64,
    /// Of everything, reading the images too.
    seconds: f64,
    model_seconds: f64,
    /// Through the model alone.
    images_per_second: f64,
    gflops: f64,
    peak_memory_bytes: Option<u64>,
    confusions: Vec<Confusion>,
    model: ModelReport,
}

#[derive(Debug, Serialize)]
struct Confusion {
    label: String,
    taken_for: String,
    images: u64,
}

impl CheckReport {
    fn of(model: &Model, tally: &Tally, seconds: f64) -> Self {
        let model_seconds = tally.in_model.as_secs_f64();
        let images_per_second = tally.images as f64 / model_seconds.max(1e-9);
        let mut confused: Vec<_> = tally.confused.iter().collect();
        confused.sort_by_key(|&(classes, &images)| (std::cmp::Reverse(images), classes));
        let name = |class: usize| model.manifest().classes[class].clone();
        let confusions = confused.into_iter().take(CONFUSIONS).map(|(&(class, found), &images)| Confusion {
            label: name(class),
            taken_for: name(found),
            images,
        });
        Self {
            images: tally.images,
            right: tally.right,
            accuracy: tally.right as f64 / tally.images.max(1) as f64,
            seconds,
            model_seconds,
            images_per_second,
            gflops: 2.0 * model.multiplications() as f64 * images_per_second / 1e9,
            peak_memory_bytes: peak_memory(),
            confusions: confusions.collect(),
            model: ModelReport::of(model),
        }
    }
}

impl Report for CheckReport {
    fn text(&self) -> String {
        if self.images == 0 {
            return "there are no images\n".to_owned();
        }
        let mut text = format!("model {}\n", self.model.line());
        let (right, images) = (grouped(self.right), grouped(self.images));
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "{:.2} % of the images are classified rightly ({right} of {images})",
            self.accuracy * 100.0
        );
        let _written = writeln!(
            text,
            "{:.0} images/s and {:.1} GFLOP/s in the model, {} of {} in all",
            self.images_per_second,
            self.gflops,
            span(self.model_seconds),
            span(self.seconds)
        );
        if let Some(peak) = self.peak_memory_bytes {
            let _written = writeln!(text, "memory at most {}", bytes(peak));
        }
        if !self.confusions.is_empty() {
            let mut table = Table::new(&["label", "taken for", ">images"]);
            for Confusion { label, taken_for, images } in &self.confusions {
                table.row([label.clone(), taken_for.clone(), grouped(*images)]);
            }
            text.push_str(&table.text());
        }
        text
    }
}
