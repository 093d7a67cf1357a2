//! `lookalike verify`: whether everything that is stored is whole and agrees, and the way out when it is not.

use std::fmt::Write;
use std::path::Path;

use lookalike::{StoreConfig, StoredModels, VerifyReport, models_in_use};
use lookalike_engine::plugin_api::Fingerprint;
use lookalike_store::{Finding, Loss};
use serde::Serialize;

use crate::args::{GlobalArgs, VerifyArgs};
use crate::commands::repair;
use crate::ending::Ending;
use crate::opened::{compute, options};
use crate::show::output::{Output, Report, bytes, line, things, visible};
use crate::show::progress::Progress;

pub(crate) fn run(args: &VerifyArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    if let Some(target) = &args.repair {
        return repair::run(&args.db, target, global, output);
    }
    let mut collections = look(&args.db, global)?;
    look_at_models(&args.db, global, &mut collections);
    let clean = collections.iter().all(|collection| collection.found == 0);
    let is_damaged = collections.iter().any(|collection| collection.found > collection.about_models);
    output.report(&VerifyOutcome {
        database: args.db.display().to_string(),
        clean,
        is_damaged,
        collections,
    })?;
    Ok(if clean { Ending::Done } else { Ending::SomethingWrong })
}

/// Looks at every collection of a database, or at the one that is named.
pub(crate) fn look(database: &Path, global: &GlobalArgs) -> anyhow::Result<Vec<CollectionCheck>> {
    let database = options(global, StoreConfig::default()).maintain(database)?;
    let store = database.store();
    let mut checks = Vec::new();
    for name in database.collection_names()? {
        let mut progress = Progress::new("verify", "entries", None);
        let Some(report) = store.verify_collection(&name, &mut |done| progress.at(done))? else { continue };
        let needed = match store.collection(&name) {
            Ok(Some(collection)) => models_in_use(&collection.catalog()),
            // What cannot be opened is a finding already.
            Ok(None) | Err(_) => Vec::new(),
        };
        checks.push(CollectionCheck::of(name, &report, needed));
    }
    Ok(checks)
}

/// Looks at the models that the collections need, if the database keeps its models: else whoever opens it brings them.
fn look_at_models(database: &Path, global: &GlobalArgs, checks: &mut [CollectionCheck]) {
    let models = StoredModels::new(database, compute(global));
    if !models.are_kept() {
        return;
    }
    let mut known: Vec<(Fingerprint, Option<String>)> = Vec::new();
    for check in checks {
        for wanted in std::mem::take(&mut check.needed) {
            if !known.iter().any(|(fingerprint, _)| *fingerprint == wanted) {
                let wrong = match models.load(&wanted) {
                    Ok(Some(model)) if *model.fingerprint() == wanted => None,
                    Ok(Some(model)) => Some(format!("its files are those of {}", model.fingerprint())),
                    Ok(None) => Some("its files are missing".to_owned()),
                    Err(error) => Some(line(&error)),
                };
                known.push((wanted.clone(), wrong));
            }
            let wrong = known.iter().find(|(fingerprint, _)| *fingerprint == wanted);
            if let Some((_, Some(wrong))) = wrong {
                check.add_model(&wanted, wrong, database);
            }
        }
    }
}

/// What was found in one collection.
#[derive(Debug, Serialize)]
pub(crate) struct CollectionCheck {
    pub(crate) name: String,
    exemplars: u64,
    image_bytes: u64,
    rows: u64,
    batch: u64,
    /// Number of findings; the first are listed.
    pub(crate) found: u64,
    findings: Vec<FindingReport>,
    /// Models that the collection has a use for.
    #[serde(skip)]
    needed: Vec<Fingerprint>,
    /// Findings that no repair helps against: they are about files beside the store.
    #[serde(skip)]
    about_models: u64,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct FindingReport {
    loss: &'static str,
    subject: String,
    damage: String,
    remedy: String,
}

impl FindingReport {
    pub(crate) fn of(finding: &Finding) -> Self {
        let (loss, remedy) = match finding.loss {
            Loss::Derived => ("derived", "nothing is lost, a repair makes it anew"),
            Loss::Features => ("features", "the model can make them again"),
            Loss::Exemplar => ("exemplar", "an exemplar is lost or incomplete"),
            Loss::Unknown => ("unknown", "what was there is not known"),
            Loss::Collection => ("collection", "the collection cannot be read as it is"),
        };
        Self {
            loss,
            subject: finding.subject.clone(),
            damage: line(&finding.damage),
            remedy: remedy.to_owned(),
        }
    }

    pub(crate) fn line(&self) -> String {
        visible(&format!("{}: {} ({})", self.subject, self.damage, self.remedy))
    }
}

impl CollectionCheck {
    fn of(name: String, report: &VerifyReport, needed: Vec<Fingerprint>) -> Self {
        Self {
            name,
            exemplars: report.exemplars,
            image_bytes: report.image_bytes,
            rows: report.rows,
            batch: report.batch,
            found: report.found,
            findings: report.findings.iter().map(FindingReport::of).collect(),
            needed,
            about_models: 0,
        }
    }

    fn add_model(&mut self, model: &Fingerprint, wrong: &str, database: &Path) {
        self.found += 1;
        self.about_models += 1;
        self.findings.push(FindingReport {
            loss: "model",
            subject: format!("model {model}"),
            damage: wrong.to_owned(),
            remedy: format!("give them again with \"lookalike rebuild {} --model FILE\"", database.display()),
        });
    }

    /// Every finding on a line, and a line that sums up.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{}: {}", self.name, finding.line());
        }
        let untold = self.found - self.findings.len() as u64;
        if untold > 0 {
            let _written = writeln!(text, "{}: and {} more", self.name, things(untold, "finding"));
        }
        let verdict =
            if self.found == 0 { "nothing is wrong".to_owned() } else { things(self.found, "finding") };
        let _written = writeln!(
            text,
            "{}: {}, {} of images, {}: {verdict}",
            self.name,
            things(self.exemplars, "exemplar"),
            bytes(self.image_bytes),
            things(self.rows, "feature row"),
        );
        text
    }
}

#[derive(Debug, Serialize)]
struct VerifyOutcome {
    database: String,
    clean: bool,
    #[serde(skip)]
    is_damaged: bool,
    collections: Vec<CollectionCheck>,
}

impl Report for VerifyOutcome {
    fn text(&self) -> String {
        let mut text: String = self.collections.iter().map(CollectionCheck::text).collect();
        if self.is_damaged {
            let database = visible(&self.database);
            // Writing to a string cannot fail.
            let _written =
                writeln!(text, "save what can be read with \"lookalike verify {database} --repair NEW\"");
        }
        text
    }
}
