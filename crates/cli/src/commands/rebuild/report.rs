//! What a rebuild says: of what it did, and of what it would cost.

use std::fmt::Write;
use std::path::Path;

use lookalike::{CollectionEstimate, CollectionRebuild};
use serde::Serialize;

use crate::show::output::{Report, bytes, grouped, span, things, visible};

#[derive(Debug, Serialize)]
pub(super) struct RebuildOutcome {
    pub(super) database: String,
    pub(super) collections: Vec<Rebuilt>,
}

/// One collection after its rebuild.
#[derive(Debug, Serialize)]
pub(super) struct Rebuilt {
    name: String,
    /// The model that was served before.
    before: String,
    served: String,
    switched: bool,
    embedded: u64,
    found: u64,
    seconds: f64,
    images_per_second: f64,
}

impl Rebuilt {
    pub(super) fn of(rebuild: CollectionRebuild) -> Self {
        let CollectionRebuild { collection: name, before, model: served, report } = rebuild;
        let seconds = report.elapsed.as_secs_f64();
        Self {
            name,
            before: before.to_string(),
            served: served.to_string(),
            switched: before != served,
            embedded: report.embedded,
            found: report.found,
            seconds,
            images_per_second: report.embedded as f64 / seconds.max(1e-9),
        }
    }
}

impl Report for RebuildOutcome {
    fn text(&self) -> String {
        let mut text = String::new();
        for Rebuilt { name, before, served, embedded, found, seconds, images_per_second, .. } in
            &self.collections
        {
            // Writing to a string cannot fail.
            let _written = write!(text, "{name}: embedded {}", things(*embedded, "image"));
            if *embedded > 0 {
                let _written = write!(text, " in {}, {images_per_second:.0} images/s", span(*seconds));
            }
            let _written = writeln!(text, "; {} had their row", grouped(*found));
            if before != served {
                let _written = writeln!(
                    text,
                    "{name}: now served by {}, before by {}",
                    visible(served),
                    visible(before)
                );
            }
        }
        if self.collections.iter().any(|collection| collection.switched) {
            let database = visible(&self.database);
            let _written = writeln!(
                text,
                "\"lookalike rollback {database}\" goes back, with --drop it gives the old rows up"
            );
        }
        text
    }
}

#[derive(Debug, Serialize)]
pub(super) struct EstimateReport {
    database: String,
    images: u64,
    row_bytes: u64,
    seconds: f64,
    collections: Vec<Estimate>,
}

/// What one collection would cost.
#[derive(Debug, Serialize)]
pub(super) struct Estimate {
    name: String,
    served: String,
    wanted: String,
    exemplars: u64,
    missing: u64,
    row_bytes: u64,
    images_per_second: f64,
    seconds: f64,
}

impl Estimate {
    pub(super) fn of(estimate: CollectionEstimate) -> Self {
        let CollectionEstimate { collection: name, before: served, model: wanted, estimate } = estimate;
        Self {
            name,
            served: served.to_string(),
            wanted: wanted.to_string(),
            exemplars: estimate.exemplars,
            missing: estimate.missing,
            row_bytes: estimate.row_bytes,
            images_per_second: estimate.images_per_second,
            seconds: estimate.duration.as_secs_f64(),
        }
    }
}

impl EstimateReport {
    pub(super) fn of(database: &Path, collections: Vec<Estimate>) -> Self {
        Self {
            database: database.display().to_string(),
            images: collections.iter().map(|collection| collection.missing).sum(),
            row_bytes: collections.iter().map(|collection| collection.row_bytes).sum(),
            seconds: collections.iter().map(|collection| collection.seconds).sum(),
            collections,
        }
    }
}

impl Report for EstimateReport {
    fn text(&self) -> String {
        let mut text = String::new();
        for collection in &self.collections {
            let Estimate { name, missing, exemplars, row_bytes, images_per_second, seconds, .. } = collection;
            if *missing == 0 {
                // Writing to a string cannot fail.
                let _written = writeln!(text, "{name}: no row is missing");
                continue;
            }
            let _written = writeln!(
                text,
                "{name}: {} of {} to embed, about {} at {images_per_second:.0} images/s, {} of rows",
                grouped(*missing),
                things(*exemplars, "image"),
                span(*seconds),
                bytes(*row_bytes)
            );
        }
        text.push_str("nothing was changed\n");
        text
    }
}

#[derive(Debug, Serialize)]
pub(super) struct AbandonReport {
    pub(super) database: String,
    pub(super) collections: Vec<String>,
}

impl Report for AbandonReport {
    fn text(&self) -> String {
        if self.collections.is_empty() {
            "no rebuild is under way\n".to_owned()
        } else {
            format!("the rebuild was given up, its rows are removed: {}\n", self.collections.join(", "))
        }
    }
}
