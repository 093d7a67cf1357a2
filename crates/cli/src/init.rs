//! `lookalike init`: a database for a model, made as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use lookalike::{Database, StoreConfig};
use serde::Serialize;
use vision::{Model, ModelManifest};

use crate::Ending;
use crate::args::{GlobalArgs, InitArgs};
use crate::model_folder::{BUILTIN_GLYPHS, ModelFiles};
use crate::opened::compute;
use crate::output::{Output, Report};
use crate::stats::ModelReport;

pub(crate) fn run(args: &InitArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let files = model_files(args)?;
    let model = Arc::new(files.load(compute(global))?);
    create(&args.db, &files, &model, &global.collection)?;
    output.report(&InitReport {
        database: args.db.display().to_string(),
        collection: global.collection.clone(),
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
    collection: &str,
) -> anyhow::Result<()> {
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        // The store knows best what is wrong with a directory that is in use.
        drop(Database::create(directory, Arc::<Model>::clone(model), StoreConfig::default())?);
        anyhow::bail!("{} was emptied while the database was being made; try again", directory.display());
    }
    let building = Building::beside(directory)?;
    let database = Database::create(&building.0, Arc::<Model>::clone(model), StoreConfig::default())?;
    drop(database.collection_or_create(collection)?);
    drop(database);
    files.save(&building.0)?;
    building.finish(directory)
}

fn model_files(args: &InitArgs) -> anyhow::Result<ModelFiles> {
    if args.model.as_os_str() == BUILTIN_GLYPHS {
        return ModelFiles::builtin();
    }
    if let Some(input) = args.input {
        return ModelFiles::infer(&args.model, input, &args.classes);
    }
    let beside = ModelManifest::path_beside(&args.model);
    anyhow::ensure!(
        args.manifest.is_some() || beside.exists() || !args.model.exists(),
        "there is no manifest {}; give --manifest FILE.json, or --input HxW to infer the rest from the weights",
        beside.display()
    );
    anyhow::ensure!(args.model.exists(), "weights {} are not there; check the path", args.model.display());
    ModelFiles::read(&args.model, args.manifest.as_deref())
}

/// A directory that is removed unless it is finished.
#[derive(Debug)]
struct Building(PathBuf);

impl Building {
    fn beside(directory: &Path) -> anyhow::Result<Self> {
        let name = directory.file_name().context("the database needs a directory with a name of its own")?;
        let name = format!(".{}.init-{}", name.to_string_lossy(), std::process::id());
        let path = parent(directory).join(name);
        fs::create_dir_all(parent(directory))
            .and_then(|()| fs::create_dir(&path))
            .with_context(|| format!("directory {} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    fn finish(self, directory: &Path) -> anyhow::Result<()> {
        fs::rename(&self.0, directory)
            .and_then(|()| sync(parent(directory)))
            .with_context(|| format!("database {} cannot be put in place", directory.display()))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // Gone already when finished; and if it cannot be removed, the error under way says more.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn parent(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => directory,
    }
}

/// Makes a directory's list of names durable, where the platform can.
fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
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
