//! Reading what can be read of a tree, in this format or an older one, and storing it anew: the way of repair and of
//! migration.

mod log;
mod remains;

use std::collections::HashSet;
use std::path::Path;

use log::Log;
use lookalike_plugin_api::{Fingerprint, View};
use remains::{Found, Remains};

use crate::collection::{self, Place};
use crate::draft::Draft;
use crate::generation;
use crate::generation::acknowledged;
use crate::generation::tree::{Changes, Tree};
use crate::schema::moment;
use crate::schema::{Models, Schema, Totals};
use crate::verify::Progress;
use crate::{
    Catalog, Damage, Finding, Loss, MaintenanceError, OpenError, Store, StoreConfig, VerifyReport, catalog,
    key, marker, value, verify,
};

/// Exemplars and bytes after which a batch of copied exemplars is made.
const BATCH_EXEMPLARS: usize = 256;
const BATCH_BYTES: usize = 16 << 20;
const FLUSH_EVERY_BATCHES: u32 = 16;

/// What was salvaged of one collection.
#[derive(Debug, Default)]
pub struct SalvageReport {
    /// Exemplars that are in the new collection, image and description whole.
    pub exemplars: u64,
    /// Those of them whose clean row was lost: a rebuild with the same model makes it anew.
    pub without_row: u64,
    /// What was lost, and what was left out.
    pub lost: VerifyReport,
}

impl Store {
    /// Looks at everything in a collection, open or not, and says what is wrong. A collection that cannot be opened
    /// is looked at as far as it can be read.
    ///
    /// `progress` is called with the number of entries looked at.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Write`] when an open collection cannot be made durable.
    pub fn verify_collection(
        &self,
        name: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<VerifyReport>, MaintenanceError> {
        match self.collection(name) {
            Ok(None) => Ok(None),
            Ok(Some(collection)) => collection.verify(progress).map(Some),
            // Nothing is wrong with the data.
            Err(
                error @ (OpenError::DiskFull { .. }
                | OpenError::NotPowerSafe { .. }
                | OpenError::Locked { .. }
                | OpenError::NewerFormat { .. }
                | OpenError::File(_)),
            ) => Err(error.into()),
            Err(error) => {
                let (subject, damage) = (format!("collection \"{name}\""), Damage::Unopened(Box::new(error)));
                let mut report = VerifyReport::default();
                report.add(Finding { loss: Loss::Collection, subject, damage });
                if let Ok((_, ground)) = self.with_place(name, collection::open_ground) {
                    verify::walk_on(&ground, progress, &mut report);
                }
                Ok(Some(report))
            }
        }
    }
}

/// Makes a new database in `target` of whatever can be read of the one in `root`, whose files are only read.
///
/// Images whose digest is right come over with their descriptions; labels, tags and other derived things are made
/// anew from these; feature rows of the current model come over where they are whole. Ids and times stay. Gives a
/// report for each collection. `fallback` is taken for the model of a collection that does not know its own any more.
///
/// # Errors
///
/// [`MaintenanceError`] when `root` is no database or in use, or `target` cannot be made; a collection that cannot be
/// read at all is a finding in its report. After an error `target` may hold a part: remove it.
pub fn salvage(
    root: &Path,
    target: &Path,
    config: &StoreConfig,
    fallback: Option<&Fingerprint>,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<(String, SalvageReport)>, MaintenanceError> {
    let source = Store::lock_any(root, config.clone())?;
    let made = Store::create(target, config.clone())?;
    let mut reports = Vec::new();
    for name in source.collection_names().map_err(MaintenanceError::Source)? {
        let report = salvage_collection(&source, &name, &made, fallback, progress)?;
        reports.push((name, report));
    }
    Ok(reports)
}

fn salvage_collection(
    source: &Store,
    name: &str,
    made: &Store,
    fallback: Option<&Fingerprint>,
    progress: Progress<'_>,
) -> Result<SalvageReport, MaintenanceError> {
    let mut report = SalvageReport::default();
    let lost = |report: &mut SalvageReport, subject: &str, damage| {
        let subject = format!("{subject} of collection \"{name}\"");
        report.lost.add(Finding { loss: Loss::Unknown, subject, damage });
    };
    let Some(generation) = source.with_place(name, |place| generation::newest(place.home))? else {
        lost(&mut report, "every generation", Damage::Missing { what: "folder" });
        return Ok(report);
    };
    // Not by opening the tree, which would write it, and which refuses a log for one damaged message.
    let log = match Log::read(&generation::ground(&generation).join("db")) {
        Ok(log) => log,
        Err(error) => {
            lost(&mut report, "log", Damage::File(error));
            return Ok(report);
        }
    };
    if log.damaged > 0 {
        let (found, expected) = (log.damaged, 0);
        lost(
            &mut report,
            "log",
            Damage::Disagreement { what: "damaged or unfinished places", found, expected },
        );
    }
    let tree = Tree::of(Box::new(log), &generation);
    let Some(remains) = Remains::of(&tree, fallback) else {
        lost(&mut report, "model", Damage::Missing { what: "fingerprint; name the model" });
        return Ok(report);
    };
    let found = remains.totals.map_or(0, |totals| totals.batch);
    if let Some(expected) = acknowledged::read(&generation)?.filter(|&expected| expected > found) {
        lost(&mut report, "end", Damage::Disagreement { what: "newest batch", found, expected });
    }
    let schema = Schema::new(remains.created_ms.unwrap_or_else(moment::now_ms), moment::uuid());
    made.create_collection_from::<MaintenanceError>(name, |fresh| {
        let mut keep = |finding| {
            report.lost.add(finding);
            Ok(())
        };
        let (changes, counts) = refill(&tree, &remains, fresh, &schema, &mut keep, progress)?;
        (report.exemplars, report.without_row) = counts;
        Ok(changes)
    })?;
    let (found, expected) = (report.exemplars, remains.totals.map_or(0, |totals| totals.exemplars));
    if found < expected {
        lost(&mut report, "a part", Damage::Disagreement { what: "exemplars", found, expected });
    }
    Ok(report)
}

/// Brings a database of an older format to the present one. Gives the format it had; a database of the present
/// format is left as it is.
///
/// Each collection is read by the rules of its format and stored anew beside the old files, compared, and switched in
/// one step. Killed at any point, the next call goes on.
///
/// # Errors
///
/// [`MaintenanceError`]; a database that is damaged is not migrated.
pub fn migrate(
    root: &Path,
    config: &StoreConfig,
    progress: &mut dyn FnMut(u64),
) -> Result<u32, MaintenanceError> {
    let store = Store::lock_any(root, config.clone())?;
    let found = marker::format(root)?;
    if found == marker::FORMAT {
        return Ok(found);
    }
    for name in store.collection_names().map_err(MaintenanceError::Source)? {
        store.with_place(&name, |place| migrate_collection(place, progress))?;
    }
    marker::upgrade(root)?;
    Ok(found)
}

fn migrate_collection(place: Place<'_>, progress: Progress<'_>) -> Result<(), MaintenanceError> {
    let (number, ground) = collection::open_ground(place)?;
    generation::remove_others(place.home, number)?;
    let damaged = || place.damaged(Damage::Missing { what: Schema::WHAT });
    let remains = Remains::of(&ground, None).ok_or_else(damaged)?;
    if remains.is_present_format {
        return Ok(());
    }
    let (Some(created_ms), Some(uuid), Some(totals)) = (remains.created_ms, remains.uuid, remains.totals)
    else {
        return Err(damaged().into());
    };
    if let Some(acknowledged) = acknowledged::read(ground.generation())?.filter(|&last| last > totals.batch) {
        let (name, path) = (place.name.to_owned(), acknowledged::path(ground.generation()));
        return Err(OpenError::BatchesLost { name, found: totals.batch, acknowledged, path }.into());
    }
    let schema = Schema::new(created_ms, uuid);
    let next = number.next();
    let made = (|| {
        let fresh = place.ground(next)?;
        let mut refuse = |finding: Finding| Err(MaintenanceError::Source(finding.damage.into()));
        let (changes, (exemplars, without_row)) =
            refill(&ground, &remains, &fresh, &schema, &mut refuse, progress)?;
        if exemplars - without_row != totals.exemplars {
            let (found, expected) = (exemplars - without_row, totals.exemplars);
            return Err(place.damaged(Damage::Disagreement { what: "exemplars", found, expected }).into());
        }
        collection::finish_generation(place, fresh, changes)?;
        Ok(generation::set_current(place.home, next)?)
    })();
    drop(ground);
    // After an error the switch may have been made all the same.
    let kept = generation::current(place.home)?;
    if let Some(kept) = kept.filter(|&kept| made.is_ok() || kept == number) {
        generation::remove_others(place.home, kept)?;
    }
    made
}

/// Stores everything that remains into a fresh tree. Gives the last changes, and the number of exemplars and of those
/// without a clean row.
fn refill(
    ground: &Tree,
    remains: &Remains,
    fresh: &Tree,
    schema: &Schema,
    lose: &mut dyn FnMut(Finding) -> Result<(), MaintenanceError>,
    progress: Progress<'_>,
) -> Result<(Changes, (u64, u64)), MaintenanceError> {
    let totals = Totals { batch: remains.totals.map_or(0, |totals| totals.batch), ..Totals::default() };
    let models = Models::new(&remains.fingerprint, moment::now_ms());
    let first =
        collection::beginning(schema, &models, totals).map_err(|d| MaintenanceError::copy(d.into()))?;
    fresh.apply(first).map_err(|e| MaintenanceError::copy(e.into()))?;
    let (mut state, mut tag_numbers) = catalog::load(fresh).map_err(MaintenanceError::copy)?;
    let mut keys = HashSet::new();
    let (mut count, mut without_row, mut batches) = (0, 0, 0);
    let mut walk = remains.walk(ground).map_err(MaintenanceError::source)?;
    loop {
        let mut draft = Draft::new(fresh, &state, &tag_numbers, moment::now_ms());
        let (mut size, mut bytes) = (0, 0);
        while size < BATCH_EXEMPLARS && bytes < BATCH_BYTES {
            match walk.next() {
                None => break,
                Some(Err(finding)) => lose(finding)?,
                Some(Ok(Found { id, exemplar, times, lost_rows })) => {
                    for finding in lost_rows {
                        lose(finding)?;
                    }
                    if !keys.insert(exemplar.key.clone()) {
                        let subject = format!("exemplar {id} (key \"{}\")", exemplar.key);
                        let damage =
                            Damage::Disagreement { what: "exemplars of a key", found: 2, expected: 1 };
                        lose(Finding { loss: Loss::Exemplar, subject, damage })?;
                        continue;
                    }
                    without_row += u64::from(!exemplar.rows.iter().any(|(view, _)| view == View::CLEAN));
                    bytes += exemplar.image.len();
                    draft.restore(id, exemplar, times)?;
                    size += 1;
                }
            }
        }
        count += size as u64;
        progress(count);
        if size == 0 {
            // Ids that were given away stay so.
            draft.skip_ids(remains.next_id());
        }
        draft.keep_batch_number();
        if let Some(finished) = draft.finish()? {
            fresh.apply(finished.changes).map_err(|e| MaintenanceError::copy(e.into()))?;
            catalog::renumber(&mut tag_numbers, finished.tag_numbers);
            state = finished.catalog;
            batches += 1;
            if batches % FLUSH_EVERY_BATCHES == 0 {
                fresh.flush().map_err(|e| MaintenanceError::copy(e.into()))?;
            }
        }
        if size == 0 {
            let changes = last_changes(&state).map_err(|d| MaintenanceError::copy(d.into()))?;
            return Ok((changes, (count, without_row)));
        }
    }
}

fn last_changes(state: &Catalog) -> Result<Changes, Damage> {
    let mut changes = Changes::default();
    changes.put(key::next(), &value::encode(Totals::WHAT, &state.totals)?);
    Ok(changes)
}
