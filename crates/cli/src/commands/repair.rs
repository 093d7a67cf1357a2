//! `lookalike verify --repair`: a new database of what can be read of a damaged one, which is left as it is.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use lookalike::{NewDirectory, SalvageReport, StoreConfig, StoredModels, is_free, salvage};
use lookalike_engine::plugin_api::Embedder;
use serde::Serialize;

use crate::args::GlobalArgs;
use crate::commands::verify::{self, CollectionCheck, FindingReport};
use crate::ending::Ending;
use crate::opened::compute;
use crate::place::ensure_outside;
use crate::show::output::{Output, Report, grouped, things, visible};
use crate::show::progress::Progress;

/// Makes the database `target`, with the models, and verifies it. The damaged one is not opened, since that writes.
pub(crate) fn run(
    database: &Path,
    target: &Path,
    global: &GlobalArgs,
    output: Output,
) -> anyhow::Result<Ending> {
    global.ensure_whole("verify --repair")?;
    ensure_outside(database, target)?;
    anyhow::ensure!(
        is_free(target),
        "{} is not empty; give a new or empty directory to --repair",
        target.display()
    );
    let models = StoredModels::new(database, compute(global));
    // For a collection that does not know its model any more; a model that is damaged too is no help.
    let fallback = models.newest().ok().flatten().map(|model| Embedder::fingerprint(&model).clone());
    let building = NewDirectory::beside(target)?;
    let mut progress = Progress::new("salvage", "exemplars", None);
    let salvaged =
        salvage(database, building.path(), &StoreConfig::default(), fallback.as_ref(), &mut |done| {
            progress.at(done);
        })?;
    drop(progress);
    models.copy_to(building.path())?;
    let check = verify::look(building.path(), global).context("what was saved cannot be verified")?;
    let made = !check.is_empty();
    if made {
        building.finish(target)?;
    }
    let collections: Vec<Salvaged> =
        salvaged.into_iter().map(|(name, report)| Salvaged::of(name, &report)).collect();
    let complete = collections.iter().all(|collection| collection.lost == 0 && collection.rows_missing == 0);
    output.report(&RepairReport {
        database: database.display().to_string(),
        target: target.display().to_string(),
        made,
        complete,
        collections,
        check,
    })?;
    Ok(if complete { Ending::Done } else { Ending::SomethingWrong })
}

/// What a repair saved, and what not.
#[derive(Debug, Serialize)]
struct RepairReport {
    database: String,
    target: String,
    /// False when no collection could be read at all.
    made: bool,
    /// Whether nothing was lost.
    complete: bool,
    collections: Vec<Salvaged>,
    /// Of the new database.
    check: Vec<CollectionCheck>,
}

#[derive(Debug, Serialize)]
struct Salvaged {
    name: String,
    exemplars: u64,
    rows_missing: u64,
    /// Number of losses; the first are listed.
    lost: u64,
    losses: Vec<FindingReport>,
}

impl Salvaged {
    fn of(name: String, report: &SalvageReport) -> Self {
        Self {
            name,
            exemplars: report.exemplars,
            rows_missing: report.without_row,
            lost: report.lost.found,
            losses: report.lost.findings.iter().map(FindingReport::of).collect(),
        }
    }
}

impl Report for RepairReport {
    fn text(&self) -> String {
        let target = visible(&self.target);
        let mut text =
            if self.made { format!("saved into {target}:\n") } else { "nothing can be read:\n".to_owned() };
        for Salvaged { name, exemplars, rows_missing, lost, losses } in &self.collections {
            for loss in losses {
                // Writing to a string cannot fail.
                let _written = writeln!(text, "{name}: not saved: {}", loss.line());
            }
            let _written = writeln!(
                text,
                "{name}: {} saved, {} of them without feature row, {} lost",
                things(*exemplars, "exemplar"),
                grouped(*rows_missing),
                things(*lost, "thing"),
            );
        }
        if !self.made {
            let _written = writeln!(text, "{target} was not made; restore a backup");
            return text;
        }
        text.push_str("verified:\n");
        self.check.iter().for_each(|check| text.push_str(&check.text()));
        if self.collections.iter().any(|collection| collection.rows_missing > 0) {
            let _written = writeln!(text, "make the missing rows with \"lookalike rebuild {target}\"");
        }
        text
    }
}
