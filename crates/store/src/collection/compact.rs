use std::sync::{Arc, PoisonError};

use roaring::RoaringBitmap;

use super::Collection;
use super::open::Place;
use super::write::Settled;
use crate::copy::{self, CopyError, Filler};
use crate::error::TreeFault;
use crate::generation;
use crate::generation::acknowledged::Acknowledged;
use crate::generation::folder;
use crate::generation::tree::{AccessError, Changes};
use crate::ground::Ground;
use crate::schema::Totals;
use crate::{Damage, Finding, Loss, MaintenanceError, OpenError, VerifyReport, key, value, verify};

/// What compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactReport {
    /// Files of the collection's ground state before, in bytes.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
    /// Keys and values that were copied, in bytes.
    pub live_bytes: u64,
}

impl Collection {
    /// Copies what is live into a new generation, compares the copy with the source, switches to it in one step and
    /// removes the old files: they only grow otherwise.
    ///
    /// Readers go on; writers, and [`Collection::list`], wait until it is done. It needs room for the copy. `progress`
    /// is called with the bytes copied so far; it must not use the collection. Killed at any point, the collection is what it was before or what it is after.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`]; the collection goes on as it was.
    pub fn compact(&self, progress: &mut dyn FnMut(u64)) -> Result<CompactReport, MaintenanceError> {
        self.counted().map_err(MaintenanceError::source)?;
        let mut settled = self.settle()?;
        let old = self.ground();
        let before_bytes = folder::bytes(old.generation())?;
        if let Some(free_bytes) = folder::free_bytes(&self.home)?.filter(|&free| free < before_bytes) {
            let path = self.home.clone();
            return Err(OpenError::DiskFull { path, free_bytes, needed_bytes: before_bytes }.into());
        }
        let place = self.place();
        let current = generation::current(&self.home)?;
        let next = current.ok_or_else(|| place.damaged(Damage::Decode { what: "file CURRENT" }))?.next();
        folder::remove(&next.folder(&self.home))?;
        // What a state that somebody holds has is copied although it was deleted.
        let unseen: RoaringBitmap = settled.writer.all_unseen().into_iter().collect();
        let made = self.copied(place, next, &old, &unseen, progress).and_then(|(new, live_bytes)| {
            let batch = settled.catalog().batch();
            let acknowledged = Acknowledged::start(new.generation(), batch)?;
            generation::set_ready(new.generation())?;
            let after_bytes = folder::bytes(new.generation())?;
            // Nothing may fail after this: whoever opens the collection takes the new generation.
            generation::set_current(&self.home, next)?;
            Ok((new, CompactReport { before_bytes, after_bytes, live_bytes }, acknowledged))
        });
        let (new, report, acknowledged) = match made {
            Ok(made) => made,
            Err(error) => return Err(self.abandoned(&mut settled, next, error)),
        };
        settled.writer.forget_all(&unseen);
        settled.durable.replace_file(acknowledged);
        *self.ground.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        old.retire();
        Ok(report)
    }

    /// Clears away what a compaction that failed has made.
    fn abandoned(
        &self,
        settled: &mut Settled<'_>,
        next: generation::Number,
        error: MaintenanceError,
    ) -> MaintenanceError {
        // The switch may have been made, and only its being durable be in doubt. Both generations have the same now;
        // what were written to the old one from here on could be lost.
        if !matches!(generation::current(&self.home), Ok(Some(current)) if current != next) {
            let cause = settled.writer.fault.get_or_insert_with(|| Arc::new(TreeFault::Replaced.into()));
            tracing::error!(collection = self.name, %cause, "the collection is read-only");
        } else if let Err(error) = folder::remove(&next.folder(&self.home)) {
            // Opening the collection removes what this cannot.
            tracing::warn!(?error, "leftovers of a compaction stay behind");
        }
        error
    }

    fn copied(
        &self,
        place: Place<'_>,
        next: generation::Number,
        old: &Ground,
        unseen: &RoaringBitmap,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Ground, u64), MaintenanceError> {
        let new = place.ground(next)?;
        let mut filler = Filler::new(&new);
        copy::each(old, unseen, |key, sealed| {
            filler.put(key, sealed)?;
            progress(filler.bytes());
            Ok::<_, AccessError>(())
        })
        .map_err(|error| match error {
            CopyError::Source(error) => MaintenanceError::source(error),
            CopyError::Target(error) => MaintenanceError::copy(error),
        })?;
        let sum = filler.finish().map_err(MaintenanceError::copy)?;
        if copy::sum(&new).map_err(MaintenanceError::copy)? != sum {
            return Err(MaintenanceError::Differs { path: new.generation().to_owned() });
        }
        // Nothing new is written, but the flush shows whether the new tree is as safe as the old one.
        let mut changes = Changes::default();
        let totals = value::encode(Totals::WHAT, &self.catalog().totals).map_err(|d| place.damaged(d))?;
        changes.put(key::next(), &totals);
        new.probe(changes).map_err(|obstacle| place.obstacle(obstacle))?;
        Ok((new, sum.bytes))
    }

    /// Walks through everything that is stored and compares it: chunks with their image's digest, bitmaps, keys and
    /// sums with the records, rows with the views.
    ///
    /// Readers go on; writers, and [`Collection::list`], wait until it is done. `progress` is called with the number of
    /// entries looked at; it must not use the collection.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`] when what was written before cannot be made durable. What is wrong with the collection
    /// is in the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, MaintenanceError> {
        // Who waits for the count while this goes on would keep others from reading.
        let counted = self.counted();
        let _settled = self.settle()?;
        let mut report = verify::walk(&self.ground(), progress);
        if let (Err(error), true) = (counted, report.is_clean()) {
            let (loss, subject) = (Loss::Collection, "count of records, keys and digests".to_owned());
            report.add(Finding { loss, subject, damage: error.into() });
        }
        Ok(report)
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            name: &self.name,
            home: &self.home,
            config: &self.config,
            backend: &self.backend,
            lock: &self.lock,
        }
    }
}
