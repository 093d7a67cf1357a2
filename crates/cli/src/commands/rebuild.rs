//! `lookalike rebuild`: every image embedded again, by another model or to complete missing rows.

mod report;

use std::path::Path;

use lookalike::{Maintenance, ModelFiles, StoreConfig};
use lookalike_engine::plugin_api::Budget;

use crate::args::{GlobalArgs, RebuildArgs};
use crate::commands::rebuild::report::{AbandonReport, Estimate, EstimateReport, RebuildOutcome, Rebuilt};
use crate::ending::Ending;
use crate::model_files;
use crate::opened::options;
use crate::remedy::with_remedy;
use crate::show::output::Output;
use crate::show::progress::ByCollection;

pub(crate) fn run(args: &RebuildArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let remedied = |error| with_remedy(error, &args.db);
    let maintenance = options(global, StoreConfig::default()).maintain(&args.db).map_err(remedied)?;
    if args.abandon {
        return abandon(&maintenance, &args.db, output);
    }
    let files = args.model.as_ref().map(|model| given(model, args, &maintenance)).transpose()?;
    if args.dry_run {
        let estimates = maintenance.estimate_rebuild(files.as_ref()).map_err(remedied)?;
        let collections = estimates.into_iter().map(Estimate::of).collect();
        output.report(&EstimateReport::of(&args.db, collections))?;
        return Ok(Ending::Done);
    }
    let mut bars = ByCollection::new("rebuild");
    let done = maintenance
        .rebuild(files.as_ref(), &Budget::unlimited(), &mut |collection, now| bars.at(collection, now))
        .map_err(remedied)?;
    drop(bars);
    let collections = done.into_iter().map(Rebuilt::of).collect();
    output.report(&RebuildOutcome { database: args.db.display().to_string(), collections })?;
    Ok(Ending::Done)
}

/// The model given. Weights without a manifest take over what they do not say from the model that serves the database.
fn given(model: &Path, args: &RebuildArgs, maintenance: &Maintenance) -> anyhow::Result<ModelFiles> {
    let is_bare = args.manifest.manifest.is_none()
        && args.manifest.input.is_none()
        && model.exists()
        && !lookalike_vision::ModelManifest::path_beside(model).exists();
    if is_bare {
        return maintenance.successor(model).map_err(|error| with_remedy(error, &args.db));
    }
    model_files::named(model, &args.manifest)
}

fn abandon(maintenance: &Maintenance, database: &Path, output: Output) -> anyhow::Result<Ending> {
    let collections = maintenance.abandon_rebuild().map_err(|error| with_remedy(error, database))?;
    let ending = if collections.is_empty() { Ending::NothingFound } else { Ending::Done };
    output.report(&AbandonReport { database: database.display().to_string(), collections })?;
    Ok(ending)
}
