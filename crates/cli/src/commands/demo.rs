//! `lookalike demo`: the main job on drawn glyphs, with nothing but this program.
//!
//! Every glyph's class and way of drawing are known, so the rankings can be held against the truth: which of them
//! finds the very glyph again when the query is disturbed, and whether its other neighbours are alike.

mod conclusion;
mod page;
mod queries;
mod report;
mod score;
mod tally;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use lookalike::ingest_item;
use lookalike_datasets::GlyphSet;
use lookalike_engine::plugin_api::Budget;
use lookalike_engine::{Collection, IngestReport, StoreConfig};

use crate::args::{DemoArgs, GlobalArgs};
use crate::commands::demo::page::page;
use crate::commands::demo::queries::queries;
use crate::commands::demo::report::DemoReport;
use crate::commands::demo::score::GLYPH_SEED;
use crate::commands::demo::trial::Trial;
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::model_files;
use crate::opened::options;
use crate::remedy::with_remedy;
use crate::show::output::{Output, grouped};
use crate::show::progress::Progress;

pub(crate) fn run(args: &DemoArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let home = Home::of(args)?;
    let database = options(global, StoreConfig::default())
        .create(home.path(), &model_files::builtin()?)
        .map_err(|error| with_remedy(error, home.path()))?;
    let model = database.model().ok_or(lookalike::Error::NoNetwork)?;
    let collection = database.collection(global.collection())?;

    output.line(&format!("drawing and storing {} glyphs ...", grouped(args.count)))?;
    let ingest = store(&collection, args.count)?;
    let asked = queries(GlyphSet::new(GLYPH_SEED), args.count, args.queries);
    output.line(&format!("asking {} clean and {} disturbed queries ...\n", args.queries, args.queries))?;
    let trial = Trial::run(&asked, &collection, model, args.count)?;

    let report = DemoReport::of(args, &trial, &asked, &ingest, ModelReport::of(model), start.elapsed());
    let page = page(&report, trial.cards, &collection);
    fs::write(&args.out, page.render()).with_context(|| {
        format!("page {} cannot be written; choose another with --out", args.out.display())
    })?;
    output.report(&report)?;
    Ok(Ending::Done)
}

/// Where the database lies: for good, or until the demonstration ends.
#[derive(Debug)]
enum Home {
    Kept(PathBuf),
    Passing { path: PathBuf, _folder: tempfile::TempDir },
}

impl Home {
    fn of(args: &DemoArgs) -> anyhow::Result<Self> {
        if let Some(path) = &args.keep {
            return Ok(Self::Kept(path.clone()));
        }
        let folder = tempfile::tempdir().context("no temporary directory can be made; use --keep DIR")?;
        Ok(Self::Passing { path: folder.path().join("glyphs"), _folder: folder })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Passing { path, .. } => path,
        }
    }
}

fn store(collection: &Collection, count: u64) -> anyhow::Result<IngestReport> {
    let mut progress = Progress::new("store", "glyphs", Some(count));
    let items = lookalike_datasets::glyphs(GLYPH_SEED, count).filter_map(Result::ok).map(ingest_item);
    let report = collection.ingest(items, &Budget::unlimited(), &mut |now| progress.at(now.settled))?;
    anyhow::ensure!(report.refused == 0, "{} glyphs were refused by the database", report.refused);
    Ok(report)
}
