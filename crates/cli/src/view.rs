//! `lookalike view`: what the images of a collection look like to the network under fixed transformations.

use std::path::Path;

use anyhow::Context;
use lookalike_engine::plugin_api::Budget;
use lookalike_engine::{Collection, OpenError, StoreConfig, ViewStatus};
use lookalike_tmm::{Blend, StoredTrigger, TmmView, Transformation, TriggerStart};
use serde::Serialize;

use crate::Ending;
use crate::args::{
    GlobalArgs, ViewAddArgs, ViewArgs, ViewCommand, ViewDropArgs, ViewKindArgs, ViewRecommendedArgs,
};
use crate::kept_views;
use crate::opened::Opened;
use crate::output::{Output, Report, grouped, things};
use crate::progress::Progress;
use crate::trigger;

/// Names of the two views that the default preset was searched with, and the intensity of their triggers
/// (`crates/eval/reports/default-preset.md`).
const RECOMMENDED: [&str; 2] = ["fitted", "drawn"];
const RECOMMENDED_OMEGA: f32 = 0.3;

pub(crate) fn run(args: &ViewArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        ViewCommand::Add(args) => add(args, global, output),
        ViewCommand::Recommended(args) => recommended(args, global, output),
        ViewCommand::Complete(args) => complete(&args.db, global, output),
        ViewCommand::List(args) => list(&args.db, global, output),
        ViewCommand::Drop(args) => drop_view(args, global, output),
    }
}

fn add(args: &ViewAddArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let view = TmmView::new(args.name.clone(), transformation(&args.kind)?)?;
    let opened = Opened::open(&args.db, global, StoreConfig::default())?;
    ensure_room(&args.db, &opened, &[view.name()])?;
    keep(&args.db, opened, vec![view], output)
}

fn recommended(args: &ViewRecommendedArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (opened, collection) = Opened::collection(&args.db, global)?;
    ensure_room(&args.db, &opened, &RECOMMENDED)?;
    let model = &*opened.model;
    let fitted = trigger::global(model, &collection, args.seed)?;
    let drawn = StoredTrigger::random(model, &TriggerStart::Uniform, args.seed)?;
    let views = RECOMMENDED.into_iter().zip([fitted, drawn]).map(|(name, trigger)| {
        let (blend, omega) = (Blend::AsPrinted, RECOMMENDED_OMEGA);
        TmmView::new(name, Transformation::Trigger { trigger, blend, omega })
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    // Views are for collections that are opened after them.
    drop((opened, collection));
    keep(&args.db, Opened::open(&args.db, global, StoreConfig::default())?, views, output)
}

/// Whether there is room for views of these names.
fn ensure_room(db: &Path, opened: &Opened, names: &[&str]) -> anyhow::Result<()> {
    let views = &opened.views;
    if let Some(name) = names.iter().find(|name| views.iter().any(|known| known.name() == **name)) {
        anyhow::bail!(
            "there is a view \"{name}\" already; drop it with \"lookalike view drop {db} {name}\", or take another name",
            db = db.display()
        );
    }
    anyhow::ensure!(
        views.len() + names.len() <= kept_views::MOST_VIEWS,
        "there are {} views already, {} are the most that are kept: each costs a pass through the network per image",
        views.len(),
        kept_views::MOST_VIEWS
    );
    Ok(())
}

/// Keeps further views, and makes their rows.
fn keep(db: &Path, opened: Opened, new: Vec<TmmView>, output: Output) -> anyhow::Result<Ending> {
    let views = [opened.views.clone(), new].concat();
    completed(db, &opened.with_views(views)?, output)
}

fn complete(db: &Path, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    completed(db, &Opened::open(db, global, StoreConfig::default())?, output)
}

fn completed(db: &Path, opened: &Opened, output: Output) -> anyhow::Result<Ending> {
    let mut outcome = ViewsOutcome::of(db);
    for collection in served(opened)? {
        let mut progress = Progress::rated("derive");
        let report = collection.complete_views(&Budget::unlimited(), &mut |now| {
            progress.at_rate(now.done, now.total, now.images_per_second, now.remaining);
        })?;
        outcome.add(&collection, report.derived, Vec::new());
    }
    output.report(&outcome)?;
    Ok(Ending::Done)
}

fn list(db: &Path, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let opened = Opened::open(db, global, StoreConfig::default())?;
    let mut outcome = ViewsOutcome::of(db);
    served(&opened)?.iter().for_each(|collection| outcome.add(collection, 0, Vec::new()));
    output.report(&outcome)?;
    Ok(Ending::Done)
}

fn drop_view(args: &ViewDropArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let opened = Opened::open(&args.db, global, StoreConfig::default())?;
    let mut views = opened.views.clone();
    if let Some(name) = &args.name {
        let known: Vec<&str> = views.iter().map(TmmView::name).collect();
        anyhow::ensure!(
            known.contains(&name.as_str()),
            "there is no view \"{name}\"; there are: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        views.retain(|view| view.name() != name);
    }
    let opened = opened.with_views(views)?;
    let mut outcome = ViewsOutcome::of(&args.db);
    for collection in served(&opened)? {
        let dropped = collection.drop_stale_views()?;
        outcome.add(&collection, 0, dropped);
    }
    output.report(&outcome)?;
    Ok(Ending::Done)
}

/// All collections of the model that was opened: views belong to a model, not to a collection.
fn served(opened: &Opened) -> anyhow::Result<Vec<Collection>> {
    let mut collections = Vec::new();
    for name in opened.database.collection_names()? {
        match opened.database.collection(&name) {
            Ok(collection) => collections.push(collection),
            Err(OpenError::Fingerprint { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(collections)
}

/// What was asked for; the arguments make sure that it is one.
fn transformation(kind: &ViewKindArgs) -> anyhow::Result<Transformation> {
    if let Some(file) = &kind.one.trigger {
        let trigger = StoredTrigger::open(file).with_context(|| format!("trigger {}", file.display()))?;
        return Ok(Transformation::Trigger { trigger, blend: kind.blend.into(), omega: kind.omega });
    }
    if let Some(deviation) = kind.one.blur {
        return Ok(Transformation::Blur { deviation });
    }
    if let Some(norm) = kind.one.noise {
        return Ok(Transformation::Noise { seed: kind.seed, norm });
    }
    Ok(Transformation::Mirror)
}

#[derive(Debug, Serialize)]
struct ViewsOutcome {
    database: String,
    /// Rows made now.
    derived: u64,
    collections: Vec<CollectionViews>,
}

#[derive(Debug, Serialize)]
struct CollectionViews {
    name: String,
    /// Views whose rows were removed now.
    dropped: Vec<String>,
    views: Vec<ViewReport>,
}

#[derive(Debug, Serialize)]
struct ViewReport {
    name: String,
    id: Option<String>,
    rows: u64,
    missing: u64,
    declared: bool,
}

impl ViewsOutcome {
    fn of(db: &Path) -> Self {
        Self { database: db.display().to_string(), derived: 0, collections: Vec::new() }
    }

    fn add(&mut self, collection: &Collection, derived: u64, dropped: Vec<String>) {
        let report = |view: ViewStatus| ViewReport {
            name: view.name,
            id: view.id,
            rows: view.rows,
            missing: view.missing,
            declared: view.is_declared,
        };
        self.derived += derived;
        let views = collection.views().into_iter().map(report).collect();
        self.collections.push(CollectionViews { name: collection.name().to_owned(), dropped, views });
    }

    fn state(&self, view: &ViewReport) -> String {
        let database = &self.database;
        if !view.declared {
            format!("; nobody asks for it, remove it with \"lookalike view drop {database}\"")
        } else if view.missing > 0 {
            let missing = grouped(view.missing);
            format!(", {missing} missing; complete it with \"lookalike view complete {database}\"")
        } else {
            String::new()
        }
    }
}

impl Report for ViewsOutcome {
    fn text(&self) -> String {
        let mut text = match self.derived {
            0 => String::new(),
            derived => format!("{} made\n", things(derived, "row")),
        };
        for collection in &self.collections {
            text.extend(collection.dropped.iter().map(|view| format!("{view}: rows removed\n")));
            let line = |view: &ViewReport| {
                let (name, rows) = (&view.name, things(view.rows, "row"));
                format!("{}: {name}, {rows}{}\n", collection.name, self.state(view))
            };
            text.extend(collection.views.iter().map(line));
        }
        text
    }
}
