//! `lookalike init`: a database for a model, made as a whole or not at all.

use lookalike::StoreConfig;
use serde::Serialize;

use crate::args::{GlobalArgs, InitArgs};
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::model_files;
use crate::opened::options;
use crate::remedy::with_remedy;
use crate::show::output::{Output, Report};

pub(crate) fn run(args: &InitArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let files = model_files::named(&args.model, &args.manifest)?;
    let database = options(global, StoreConfig::default())
        .create(&args.db, &files)
        .map_err(|error| with_remedy(error, &args.db))?;
    let model = database.model().ok_or(lookalike::Error::NoNetwork)?;
    output.report(&InitReport {
        database: args.db.display().to_string(),
        collection: global.collection().to_owned(),
        model: ModelReport::of(model),
    })?;
    Ok(Ending::Done)
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
