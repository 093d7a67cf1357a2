//! `lookalike migrate`: a database of an older format in the present one.

use lookalike_engine::{StoreConfig, StoreError, migrate};
use lookalike_store::Store;
use serde::Serialize;

use crate::args::{GlobalArgs, MigrateArgs};
use crate::ending::Ending;
use crate::opened::options;
use crate::show::output::{Output, Report, visible};
use crate::show::progress::Progress;

pub(crate) fn run(args: &MigrateArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    global.ensure_whole("migrate")?;
    let newer = match Store::open(&args.db, StoreConfig::default()) {
        Err(StoreError::OlderFormat { current, .. }) => Some(current),
        Ok(_) | Err(_) => None,
    };
    let mut progress = Progress::new("migrate", "exemplars", None);
    let found = migrate(&args.db, &StoreConfig::default(), &mut |done| progress.at(done))?;
    drop(progress);
    let database = options(global, StoreConfig::default()).maintain(&args.db)?;
    database.models().move_old()?;
    output.report(&MigrateReport {
        database: args.db.display().to_string(),
        found_format: found,
        format: newer.unwrap_or(found),
        collections: database.collection_names()?,
    })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct MigrateReport {
    database: String,
    found_format: u32,
    format: u32,
    collections: Vec<String>,
}

impl Report for MigrateReport {
    fn text(&self) -> String {
        let Self { found_format, format, .. } = self;
        let (database, collections) = (visible(&self.database), self.collections.join(", "));
        if found_format == format {
            format!("{database} has format {format} already\n")
        } else {
            format!("{database} ({collections}) was brought from format {found_format} to {format}\n")
        }
    }
}
