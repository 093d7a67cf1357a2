//! `lookalike view`: what the images of a collection look like to the network under fixed transformations.

use std::path::Path;

use anyhow::Context;
use lookalike::{
    Budget, Collection, Database, Error, StoreConfig, StoredTrigger, TmmView, Transformation, ViewStatus,
};
use serde::Serialize;

use crate::args::{GlobalArgs, ViewArgs, ViewCommand, ViewDropArgs, ViewKindArgs, ViewRecommendedArgs};
use crate::ending::Ending;
use crate::opened::options;
use crate::remedy::with_remedy;
use crate::show::output::{Output, Report, grouped, things};
use crate::show::progress::{ByCollection, Progress};

pub(crate) fn run(args: &ViewArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (db, outcome) = match &args.command {
        ViewCommand::Add(args) => {
            let view = TmmView::new(args.name.clone(), transformation(&args.kind)?)?;
            (&args.db, add(&args.db, view, global))
        }
        ViewCommand::Recommended(args) => (&args.db, recommended(args, global)),
        ViewCommand::Complete(args) => {
            (&args.db, open(&args.db, global).and_then(|d| completed(&args.db, &d)))
        }
        ViewCommand::List(args) => (&args.db, list(&args.db, global)),
        ViewCommand::Drop(args) => (&args.db, drop_view(args, global)),
    };
    output.report(&outcome.map_err(|error| with_remedy(error, db))?)?;
    Ok(Ending::Done)
}

fn open(db: &Path, global: &GlobalArgs) -> Result<Database, Error> {
    options(global, StoreConfig::default()).open(db)
}

fn add(db: &Path, view: TmmView, global: &GlobalArgs) -> Result<ViewsOutcome, Error> {
    completed(db, &open(db, global)?.add_views(&[view])?)
}

fn recommended(args: &ViewRecommendedArgs, global: &GlobalArgs) -> Result<ViewsOutcome, Error> {
    let database = open(&args.db, global)?;
    let collection = database.collection(global.collection())?;
    let mut bar: Option<Progress> = None;
    let views = database.recommended_views(&collection, args.seed, &mut |done, most| {
        bar.get_or_insert_with(|| Progress::new("fit", "updates", Some(most))).at(done);
    })?;
    // Views are for collections that are opened after them.
    drop((collection, bar));
    completed(&args.db, &database.add_views(&views)?)
}

fn completed(db: &Path, database: &Database) -> Result<ViewsOutcome, Error> {
    let mut outcome = ViewsOutcome::of(db);
    let mut bars = ByCollection::new("derive");
    let reports = database
        .complete_views(&Budget::unlimited(), &mut |collection, now| bars.at(collection.name(), now))?;
    drop(bars);
    reports.iter().for_each(|(collection, report)| outcome.add(collection, report.derived, Vec::new()));
    Ok(outcome)
}

fn list(db: &Path, global: &GlobalArgs) -> Result<ViewsOutcome, Error> {
    let mut outcome = ViewsOutcome::of(db);
    let collections = open(db, global)?.collections()?;
    collections.iter().for_each(|collection| outcome.add(collection, 0, Vec::new()));
    Ok(outcome)
}

fn drop_view(args: &ViewDropArgs, global: &GlobalArgs) -> Result<ViewsOutcome, Error> {
    let mut database = open(&args.db, global)?;
    if let Some(name) = &args.name {
        database = database.drop_view(name)?;
    }
    let mut outcome = ViewsOutcome::of(&args.db);
    for (collection, dropped) in database.drop_stale_rows()? {
        outcome.add(&collection, 0, dropped);
    }
    Ok(outcome)
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
