//! `lookalike trigger`: triggers that many searches share, made and looked at.

use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use lookalike_engine::plugin_api::{Budget, ExemplarId};
use lookalike_engine::{Collection, decode, encode_png};
use lookalike_tmm::{
    DEFAULT_GLOBAL_BATCH, DEFAULT_GLOBAL_PATIENCE, GlobalSearch, LentImages, StoredTrigger, TriggerKind,
    TriggerStart, optimise_global_trigger, patch_mask,
};
use lookalike_vision::{Model, Pixels};
use serde::Serialize;

use crate::Ending;
use crate::args::{
    GlobalArgs, TriggerArgs, TriggerCommand, TriggerFitArgs, TriggerKindName, TriggerShowArgs,
};
use crate::building;
use crate::opened::Opened;
use crate::output::{Output, Report, grouped, span, things, visible};
use crate::progress::Progress;
use crate::whole_file::WholeFile;

/// Images that a trigger is fitted to, unless said otherwise.
const DEFAULT_IMAGES: u64 = 1024;
/// Updates at most, unless said otherwise: the paper's for one query (section 4.3.2).
const DEFAULT_STEPS: u32 = 300;
/// Images and updates of the triggers that rankings were evaluated with: the loss is flat by then.
const EVALUATED_IMAGES: u64 = 256;
const EVALUATED_STEPS: u32 = 100;
/// The paper's learning rate (section 4.3.2).
const DEFAULT_LEARNING_RATE: f64 = 0.015;
/// Records in a page of the collection's list.
const PAGE: usize = 1000;

pub(crate) fn run(args: &TriggerArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        TriggerCommand::Fit(args) => fit(args, global, output),
        TriggerCommand::Show(args) => show(args, output),
    }
}

fn fit(args: &TriggerFitArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let settings = Settings::of(args)?;
    let (opened, collection) = Opened::collection(&args.db, global)?;
    building::ensure_outside(&args.db, &args.out)?;
    let (whole, mut file) = WholeFile::begin(&args.out)?;
    let model = &*opened.model;
    let (trigger, fitted) = match args.kind {
        TriggerKindName::FixedPatch => (StoredTrigger::fixed_patch(model), None),
        TriggerKindName::Random => (StoredTrigger::random(model, &TriggerStart::Uniform, args.seed)?, None),
        TriggerKindName::Global => {
            let (trigger, fitted) = settings.fitted(TriggerKind::Global, model, &collection)?;
            (trigger, Some(fitted))
        }
        TriggerKindName::VariablePatch => {
            let (trigger, fitted) = settings.fitted(TriggerKind::VariablePatch, model, &collection)?;
            (trigger, Some(fitted))
        }
    };
    file.write_all(&trigger.to_bytes())
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    whole.finish(&file)?;
    output.report(&FitReport {
        fitted,
        trigger: TriggerReport::of(&trigger, &args.out),
        seconds: start.elapsed().as_secs_f64(),
    })?;
    Ok(Ending::Done)
}

fn show(args: &TriggerShowArgs, output: Output) -> anyhow::Result<Ending> {
    let trigger =
        StoredTrigger::open(&args.file).with_context(|| format!("trigger {}", args.file.display()))?;
    if let Some(png) = &args.png {
        let encoded = encode_png(&trigger.image()?)?;
        let (whole, mut file) = WholeFile::begin(png)?;
        file.write_all(&encoded).with_context(|| format!("{} cannot be written", png.display()))?;
        whole.finish(&file)?;
    }
    output.report(&ShowReport {
        trigger: TriggerReport::of(&trigger, &args.file),
        png: args.png.as_deref().map(Path::display).map(|path| path.to_string()),
    })?;
    Ok(Ending::Done)
}

/// A global trigger as the evaluation's views have it.
pub(crate) fn global(model: &Model, collection: &Collection, seed: u64) -> anyhow::Result<StoredTrigger> {
    let (images, steps, learning_rate) = (EVALUATED_IMAGES, EVALUATED_STEPS, DEFAULT_LEARNING_RATE);
    let settings = Settings { images, steps, learning_rate, seed };
    Ok(settings.fitted(TriggerKind::Global, model, collection)?.0)
}

/// How a trigger is fitted.
struct Settings {
    images: u64,
    steps: u32,
    learning_rate: f64,
    seed: u64,
}

impl Settings {
    /// What was asked for, with the defaults; refused where nothing is fitted.
    fn of(args: &TriggerFitArgs) -> anyhow::Result<Self> {
        let fits = matches!(args.kind, TriggerKindName::Global | TriggerKindName::VariablePatch);
        let given = args.images.is_some() || args.steps.is_some() || args.learning_rate.is_some();
        anyhow::ensure!(
            fits || !given,
            "nothing is fitted for this kind; leave out --images, --steps and --learning-rate, or use --kind global"
        );
        let learning_rate = args.learning_rate.unwrap_or(DEFAULT_LEARNING_RATE);
        anyhow::ensure!(
            (1e-6..=1.0).contains(&learning_rate),
            "the learning rate is {learning_rate}, it takes a number from 0.000001 to 1"
        );
        Ok(Self {
            images: args.images.unwrap_or(DEFAULT_IMAGES),
            steps: args.steps.unwrap_or(DEFAULT_STEPS),
            learning_rate,
            seed: args.seed,
        })
    }

    /// Equation 2 over a sample of the collection.
    fn fitted(
        &self,
        kind: TriggerKind,
        model: &Model,
        collection: &Collection,
    ) -> anyhow::Result<(StoredTrigger, FittedReport)> {
        let sample = sampled(collection, self.images, self.seed)?;
        anyhow::ensure!(
            !sample.is_empty(),
            "collection \"{}\" holds no image to fit a trigger to; store some with \"lookalike ingest\"",
            collection.name()
        );
        let start = TriggerStart::Uniform.pixels(model, self.seed)?;
        let mask = (kind == TriggerKind::VariablePatch).then(|| patch_mask(&start));
        let search = GlobalSearch {
            steps: self.steps as usize,
            learning_rate: self.learning_rate,
            batch: DEFAULT_GLOBAL_BATCH,
            patience: DEFAULT_GLOBAL_PATIENCE,
            seed: self.seed,
            mask: mask.as_ref(),
        };
        let mut progress = Progress::new("fit", "updates", Some(u64::from(self.steps)));
        let mut batches = 0;
        let mut lend = |numbers: &[usize]| -> LentImages {
            progress.at(batches);
            batches += 1;
            let lent = numbers.iter().map(|&number| prepared(collection, model, sample[number]));
            Ok(lent.collect::<anyhow::Result<_>>()?)
        };
        let found =
            optimise_global_trigger(model, sample.len(), &mut lend, start, &search, &Budget::unlimited())?;
        let report = FittedReport {
            collection: collection.name().to_owned(),
            images: sample.len() as u64,
            first_loss: found.trace.first().copied(),
            stopped_early: found.trace.len() < search.steps,
        };
        Ok((StoredTrigger::found(&found, kind, model, self.seed)?, report))
    }
}

/// An exemplar as the network's input.
fn prepared(collection: &Collection, model: &Model, id: ExemplarId) -> anyhow::Result<Pixels> {
    let encoded =
        collection.image(id)?.context("an exemplar was deleted meanwhile; fit the trigger again")?;
    Ok(model.prepare(&decode(&encoded)?.image))
}

/// At most `size` exemplars, the same for equal keys and seed, in whatever order they were stored.
fn sampled(collection: &Collection, size: u64, seed: u64) -> anyhow::Result<Vec<ExemplarId>> {
    let mut drawn: BinaryHeap<([u8; 32], ExemplarId)> = BinaryHeap::new();
    let mut after: Option<String> = None;
    loop {
        let page = collection.list(after.as_deref(), PAGE)?;
        for record in page.entries {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(record.key.as_bytes());
            drawn.push((*hasher.finalize().as_bytes(), record.id));
            if drawn.len() as u64 > size {
                drawn.pop();
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(drawn.into_sorted_vec().into_iter().map(|(_, id)| id).collect());
        }
    }
}

#[derive(Debug, Serialize)]
struct FitReport {
    #[serde(flatten)]
    trigger: TriggerReport,
    /// Absent where nothing is fitted.
    fitted: Option<FittedReport>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct FittedReport {
    collection: String,
    images: u64,
    first_loss: Option<f32>,
    /// Whether the loss was flat before the last update.
    stopped_early: bool,
}

#[derive(Debug, Serialize)]
struct ShowReport {
    #[serde(flatten)]
    trigger: TriggerReport,
    /// Where the image was written.
    png: Option<String>,
}

/// A trigger as reports show it.
#[derive(Debug, Serialize)]
struct TriggerReport {
    file: String,
    kind: &'static str,
    /// Channels, height and width.
    shape: [usize; 3],
    /// Smallest and largest value.
    range: [f32; 2],
    /// Whether an image of it shows the range from black to white, because values leave 0 to 1.
    scaled: bool,
    /// Digest of the weights of the model that it belongs to.
    model: String,
    seed: u64,
    updates: u64,
    final_loss: Option<f32>,
    digest: String,
}

impl TriggerReport {
    fn of(trigger: &StoredTrigger, file: &Path) -> Self {
        let (pixels, (least, most)) = (trigger.pixels(), trigger.range());
        Self {
            file: file.display().to_string(),
            kind: trigger.kind().name(),
            shape: [pixels.channels(), pixels.height(), pixels.width()],
            range: [least, most],
            scaled: trigger.is_scaled(),
            model: trigger.model().to_string(),
            seed: trigger.seed(),
            updates: trigger.updates(),
            final_loss: trigger.final_loss(),
            digest: trigger.digest().to_string(),
        }
    }

    /// Name and value of everything.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let [channels, height, width] = self.shape;
        let [least, most] = self.range;
        let colour = if channels == 1 { "grey" } else { "colour" };
        let shown = if self.scaled { ", shown from black to white" } else { "" };
        let mut facts = vec![
            ("trigger", self.file.clone()),
            ("kind", self.kind.to_owned()),
            ("shape", format!("{height} x {width} {colour}")),
            ("values", format!("{least:.4} to {most:.4}{shown}")),
            ("model", format!("weights {}", &self.model[..12])),
            ("seed", self.seed.to_string()),
            ("updates", grouped(self.updates)),
        ];
        facts.extend(self.final_loss.map(|loss| ("final loss", format!("{loss:.6}"))));
        facts.push(("digest", self.digest.clone()));
        facts
    }
}

fn lines(facts: Vec<(&'static str, String)>) -> String {
    let mut text = String::new();
    for (name, value) in facts {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{name:<12} {}", visible(&value));
    }
    text
}

impl Report for FitReport {
    fn text(&self) -> String {
        let mut facts = self.trigger.facts();
        if let Some(FittedReport { collection, images, first_loss, stopped_early }) = &self.fitted {
            let images = things(*images, "image");
            facts.push(("fitted to", format!("{images} of collection \"{collection}\"")));
            facts.extend(first_loss.map(|loss| ("first loss", format!("{loss:.6}"))));
            let end = if *stopped_early { "the loss was flat" } else { "all updates were made" };
            facts.push(("ended", end.to_owned()));
        }
        facts.push(("took", span(self.seconds)));
        lines(facts)
    }
}

impl Report for ShowReport {
    fn text(&self) -> String {
        let mut facts = self.trigger.facts();
        facts.extend(self.png.clone().map(|png| ("image", png)));
        lines(facts)
    }
}
