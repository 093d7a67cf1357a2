//! `lookalike init`: a database for a model, made as a whole or not at all.

use std::path::Path;
use std::sync::Arc;

use lookalike_engine::{Database, StoreConfig};
use lookalike_vision::Model;
use serde::Serialize;

use crate::Ending;
use crate::args::{GlobalArgs, InitArgs};
use crate::building::{self, Building};
use crate::model_files::ModelFiles;
use crate::models::Models;
use crate::opened::compute;
use crate::output::{Output, Report};
use crate::stats::ModelReport;

pub(crate) fn run(args: &InitArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let files = ModelFiles::named(&args.model, &args.manifest)?;
    let model = Arc::new(files.load(compute(global))?);
    create(&args.db, &files, &model, global)?;
    output.report(&InitReport {
        database: args.db.display().to_string(),
        collection: global.collection().to_owned(),
        model: ModelReport::of(&model),
    })?;
    Ok(Ending::Done)
}

/// Makes the database with its model and one collection, and opens it.
///
/// All is made in a directory beside the final one, which takes the final name when it is complete: neither an
/// error nor a kill leaves half a database under the name that was asked for.
pub(crate) fn create(
    directory: &Path,
    files: &ModelFiles,
    model: &Arc<Model>,
    global: &GlobalArgs,
) -> anyhow::Result<()> {
    if !building::is_free(directory) {
        // The store knows best what is wrong with a directory that is in use.
        drop(Database::create(directory, Arc::<Model>::clone(model), StoreConfig::default())?);
        anyhow::bail!("{} was emptied while the database was being made; try again", directory.display());
    }
    let building = Building::beside(directory)?;
    let database = Database::create(building.path(), Arc::<Model>::clone(model), StoreConfig::default())?;
    drop(database.collection_or_create(global.collection())?);
    drop(database);
    Models::of(building.path(), global).save(files, model.fingerprint())?;
    building.finish(directory)
}

#[derive(Debug, Serialize)]
struct InitReport {
    database: String,
    collection: String,
    model: ModelReport,
}

impl Report for InitReport {
    fn text(&self) -> String {
        format!(
            "made database {} with collection \"{}\"\nmodel {}\n",
            self.database,
            self.collection,
            self.model.line()
        )
    }
}
