//! `lookalike trigger`: triggers that many searches share, made and looked at.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use lookalike::{
    Collection, FittedTrigger, GlobalFit, StoredTrigger, TriggerKind, TriggerStart, encode_png, fit_trigger,
};
use serde::Serialize;

use crate::args::{
    GlobalArgs, TriggerArgs, TriggerCommand, TriggerFitArgs, TriggerKindName, TriggerShowArgs,
};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::place::ensure_outside;
use crate::remedy::with_remedy;
use crate::show::output::{Output, Report, grouped, span, things, visible};
use crate::show::progress::Progress;
use crate::whole_file;

pub(crate) fn run(args: &TriggerArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        TriggerCommand::Fit(args) => fit(args, global, output),
        TriggerCommand::Show(args) => show(args, output),
    }
}

fn fit(args: &TriggerFitArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let kind = match args.kind {
        TriggerKindName::Global => Some(TriggerKind::Global),
        TriggerKindName::VariablePatch => Some(TriggerKind::VariablePatch),
        TriggerKindName::FixedPatch | TriggerKindName::Random => None,
    };
    let settings = settings(args, kind)?;
    let (opened, collection) = Opened::collection(&args.db, global)?;
    ensure_outside(&args.db, &args.out)?;
    let mut file = whole_file::begin(&args.out)?;
    let model = &*opened.model;
    let (trigger, fitted) = match args.kind {
        TriggerKindName::FixedPatch => (StoredTrigger::fixed_patch(model), None),
        TriggerKindName::Random => (StoredTrigger::random(model, &TriggerStart::Uniform, args.seed)?, None),
        TriggerKindName::Global | TriggerKindName::VariablePatch => {
            let mut bar = Progress::new("fit", "updates", Some(u64::from(settings.steps)));
            let found = fit_trigger(model, &collection, &settings, &mut |done, _| bar.at(done))
                .map_err(|error| with_remedy(error, &args.db))?;
            let report = FittedReport::of(&collection, &found);
            (found.trigger, Some(report))
        }
    };
    file.write_all(&trigger.to_bytes())
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    whole_file::commit(file, &args.out)?;
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
        let mut file = whole_file::begin(png)?;
        file.write_all(&encoded).with_context(|| format!("{} cannot be written", png.display()))?;
        whole_file::commit(file, png)?;
    }
    output.report(&ShowReport {
        trigger: TriggerReport::of(&trigger, &args.file),
        png: args.png.as_deref().map(Path::display).map(|path| path.to_string()),
    })?;
    Ok(Ending::Done)
}

/// What was asked for, with the defaults; refused where nothing is fitted.
fn settings(args: &TriggerFitArgs, kind: Option<TriggerKind>) -> anyhow::Result<GlobalFit> {
    let given = args.images.is_some() || args.steps.is_some() || args.learning_rate.is_some();
    anyhow::ensure!(
        kind.is_some() || !given,
        "nothing is fitted for this kind; leave out --images, --steps and --learning-rate, or use --kind global"
    );
    let usual = GlobalFit::default();
    let learning_rate = args.learning_rate.unwrap_or(usual.learning_rate);
    anyhow::ensure!(
        (1e-6..=1.0).contains(&learning_rate),
        "the learning rate is {learning_rate}, it takes a number from 0.000001 to 1"
    );
    Ok(GlobalFit {
        kind: kind.unwrap_or(usual.kind),
        images: args.images.unwrap_or(usual.images),
        steps: args.steps.unwrap_or(usual.steps),
        learning_rate,
        seed: args.seed,
    })
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

impl FittedReport {
    fn of(collection: &Collection, found: &FittedTrigger) -> Self {
        Self {
            collection: collection.name().to_owned(),
            images: found.images,
            first_loss: found.first_loss,
            stopped_early: found.stopped_early,
        }
    }
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
