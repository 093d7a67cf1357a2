//! `lookalike view`: what the images of a collection look like to the network under fixed transformations.

use std::path::Path;

use anyhow::Context;
use lookalike::plugin_api::{Budget, Completion};
use lookalike::{Collection, ViewStatus};
use serde::Serialize;
use tmm::{StoredTrigger, TmmView, Transformation};

use crate::Ending;
use crate::args::{GlobalArgs, ViewAddArgs, ViewArgs, ViewCommand, ViewDropArgs, ViewKindArgs};
use crate::kept_views;
use crate::opened::Opened;
use crate::output::{Output, Report, grouped, things};
use crate::progress::Progress;

pub(crate) fn run(args: &ViewArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        ViewCommand::Add(args) => add(args, global, output),
        ViewCommand::Complete(args) => complete(&args.db, global, output),
        ViewCommand::List(args) => list(&args.db, global, output),
        ViewCommand::Drop(args) => drop_view(args, global, output),
    }
}

fn add(args: &ViewAddArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let view = TmmView::new(args.name.clone(), transformation(&args.kind)?)?;
    let opened = Opened::open(&args.db, global, lookalike::StoreConfig::default())?;
    let mut views = opened.views.clone();
    anyhow::ensure!(
        views.iter().all(|known| known.name() != view.name()),
        "there is a view \"{name}\" already; drop it with \"lookalike view drop {db} {name}\", or take another name",
        name = view.name(),
        db = args.db.display()
    );
    anyhow::ensure!(
        views.len() < kept_views::MOST_VIEWS,
        "there are {} views already, the most that are kept: each costs a pass through the network per image",
        views.len()
    );
    views.push(view);
    let opened = opened.with_views(views)?;
    completed(&args.db, &opened.database.collection(global.collection())?, output)
}

fn complete(db: &Path, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(db, global)?;
    completed(db, &collection, output)
}

fn completed(db: &Path, collection: &Collection, output: Output) -> anyhow::Result<Ending> {
    let mut progress = Progress::rated("derive");
    let report = collection.complete_views(&Budget::unlimited(), &mut |now| {
        progress.at_rate(now.done, now.total, now.images_per_second, now.remaining);
    })?;
    drop(progress);
    debug_assert_eq!(report.completion, Completion::Complete);
    output.report(&ViewsOutcome::of(db, collection, report.derived, Vec::new()))?;
    Ok(Ending::Done)
}

fn list(db: &Path, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(db, global)?;
    output.report(&ViewsOutcome::of(db, &collection, 0, Vec::new()))?;
    Ok(Ending::Done)
}

fn drop_view(args: &ViewDropArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let opened = Opened::open(&args.db, global, lookalike::StoreConfig::default())?;
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
    let collection = opened.database.collection(global.collection())?;
    let dropped = collection.drop_stale_views()?;
    output.report(&ViewsOutcome::of(&args.db, &collection, 0, dropped))?;
    Ok(Ending::Done)
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
    collection: String,
    /// Rows made now.
    derived: u64,
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
    fn of(db: &Path, collection: &Collection, derived: u64, dropped: Vec<String>) -> Self {
        let report = |view: ViewStatus| ViewReport {
            name: view.name,
            id: view.id,
            rows: view.rows,
            missing: view.missing,
            declared: view.is_declared,
        };
        Self {
            database: db.display().to_string(),
            collection: collection.name().to_owned(),
            derived,
            dropped,
            views: collection.views().into_iter().map(report).collect(),
        }
    }
}

impl Report for ViewsOutcome {
    fn text(&self) -> String {
        let mut text = match self.derived {
            0 => String::new(),
            derived => format!("{} made\n", things(derived, "row")),
        };
        text.extend(self.dropped.iter().map(|view| format!("{view}: rows removed\n")));
        let line = |view: &ViewReport| {
            let state = if !view.declared {
                format!("; nobody asks for it, remove it with \"lookalike view drop {}\"", self.database)
            } else if view.missing > 0 {
                format!(
                    ", {} missing; complete it with \"lookalike view complete {}\"",
                    grouped(view.missing),
                    self.database
                )
            } else {
                String::new()
            };
            format!("{}: {}{state}\n", view.name, things(view.rows, "row"))
        };
        text.extend(self.views.iter().map(line));
        text
    }
}
