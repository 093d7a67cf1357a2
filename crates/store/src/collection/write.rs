use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use lookalike_plugin_api::Fingerprint;

use super::Collection;
use super::writer::{Durable, Writer};
use crate::draft::Draft;
use crate::ground::Ground;
use crate::schema::moment;
use crate::validate::admission;
use crate::{Catalog, TreeError, WriteBatch, WriteError, WriteMode, WriteReceipt, catalog};

/// Room that is left on the disk whatever is written: closing needs some, and opening asks for 66 MiB.
const FLOOR_BYTES: u64 = 80 << 20;
/// What a batch may take on the disk, in times its own size: write amplification of the log, with something to spare.
const AMPLIFICATION: u64 = 4;

impl Collection {
    /// Makes all changes of a batch visible, or none; when it returns depends on the
    /// [`WriteMode`](crate::WriteMode) that the database was opened with.
    ///
    /// In the mode [`Immediate`](WriteMode::Immediate) the batch is durable when it returns, and only then visible:
    /// it survives a kill of the process, and a power cut where [`Collection::durability`] says so. Batches of some
    /// hundred exemplars are quickest: each costs a flush, which writers that wait at the same time share.
    ///
    /// # Errors
    ///
    /// A batch that breaks a limit or finds too little room on the disk is refused as a whole and changes nothing.
    /// After [`WriteError::Failed`] it is unknown whether the batch is on the disk; the collection takes no more
    /// writes ([`WriteError::ReadOnly`]) until the database is opened again, which shows whether it is there.
    pub fn write(&self, batch: WriteBatch) -> Result<WriteReceipt, WriteError> {
        self.write_rows_of(batch, None)
    }

    /// As [`Collection::write`], for rows that were made with the model of this fingerprint: if another one has
    /// become current meanwhile, the batch is refused.
    ///
    /// # Errors
    ///
    /// [`WriteError::OtherModel`], and those of [`Collection::write`].
    pub fn write_made_with(
        &self,
        batch: WriteBatch,
        model: &Fingerprint,
    ) -> Result<WriteReceipt, WriteError> {
        self.write_rows_of(batch, Some(model))
    }

    fn write_rows_of(
        &self,
        batch: WriteBatch,
        model: Option<&Fingerprint>,
    ) -> Result<WriteReceipt, WriteError> {
        let dimension = self.fingerprint().dimension as usize;
        admission::check(&batch, dimension)?;
        let WriteBatch { upserts, deletes } = batch;
        let ((outcomes, deleted), batch, durable) = self.commit(|draft| {
            let current = draft.catalog().fingerprint();
            if let Some(given) = model.filter(|given| *given != &**current) {
                let (given, current) = (Box::new(given.clone()), Box::new((**current).clone()));
                return Err(WriteError::OtherModel { given, current });
            }
            let expected = current.dimension as usize;
            if expected != dimension {
                // The model was switched since the rows were looked at.
                upserts.iter().try_for_each(|new| admission::check_dimension(new, expected))?;
            }
            let deleted = deletes.iter().map(|key| draft.delete(key)).collect::<Result<_, _>>()?;
            let outcomes = upserts.into_iter().map(|new| draft.upsert(new)).collect::<Result<_, _>>()?;
            Ok((outcomes, deleted))
        })?;
        Ok(WriteReceipt { batch, durable, outcomes, deleted })
    }

    /// Makes every batch durable that was written before the call, whatever the write mode.
    ///
    /// # Errors
    ///
    /// [`WriteError::Failed`] or [`WriteError::ReadOnly`], as for [`Collection::write`].
    pub fn flush(&self) -> Result<(), WriteError> {
        let tip = self.lock_writer().tip.batch();
        self.make_durable(tip)
    }

    /// Drafts a batch, makes it and acknowledges it as the write mode wants. Gives what `edit` gave, the number of
    /// the last batch, and whether that is durable.
    pub(crate) fn commit<T>(
        &self,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<T, WriteError>,
    ) -> Result<(T, u64, bool), WriteError> {
        // Whether a key is new is not known for sure before the keys were counted.
        self.counted()?;
        let mut writer = self.lock_writer();
        // Compaction replaces it with the writer's lock held.
        let ground = self.ground();
        let (outcome, batch) = self.apply(&ground, &mut writer, edit)?;
        match self.config.write_mode {
            WriteMode::Immediate => {
                drop(writer);
                self.make_durable(batch)?;
                Ok((outcome, batch, true))
            }
            WriteMode::Interval(interval) => {
                self.publish(&mut writer);
                drop(writer);
                let late = self.lock_durable().flushed.elapsed() >= interval;
                if late {
                    self.make_durable(batch)?;
                }
                Ok((outcome, batch, late))
            }
            WriteMode::Bulk => {
                self.publish(&mut writer);
                Ok((outcome, batch, false))
            }
        }
    }

    fn apply<T>(
        &self,
        ground: &Ground,
        writer: &mut Writer,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<T, WriteError>,
    ) -> Result<(T, u64), WriteError> {
        if let Some(cause) = &writer.fault {
            return Err(WriteError::ReadOnly { cause: Arc::clone(cause) });
        }
        let unseen = writer.unseen();
        let before = Arc::clone(&writer.tip);
        let mut draft = Draft::new(ground, &before, &writer.tag_numbers, moment::now_ms());
        let outcome = edit(&mut draft)?;
        if draft.has_changed() {
            draft.purge(&unseen)?;
        }
        let Some(finished) = draft.finish()? else {
            return Ok((outcome, before.batch()));
        };
        let needed_bytes = (finished.changes.bytes() as u64).saturating_mul(AMPLIFICATION) + FLOOR_BYTES;
        if let Some(free_bytes) = ground.free_bytes()?.filter(|&free| free < needed_bytes) {
            return Err(WriteError::DiskFull { path: self.home.clone(), free_bytes, needed_bytes });
        }
        let batch = finished.catalog.batch();
        self.lock_unpublished().add(batch, finished.before);
        if let Err(error) = ground.apply(finished.changes) {
            return Err(WriteError::Failed(self.fail(writer, error)));
        }
        catalog::renumber(&mut writer.tag_numbers, finished.tag_numbers);
        writer.forget(&unseen);
        if !finished.removed.is_empty() {
            writer.doomed.entry(batch).or_default().extend(finished.removed);
        }
        writer.tip = Arc::new(finished.catalog);
        Ok((outcome, batch))
    }

    /// Flushes unless `batch` is durable already: whoever comes first flushes for all who wait.
    fn make_durable(&self, batch: u64) -> Result<(), WriteError> {
        let mut durable = self.lock_durable();
        self.flush_up_to(&mut durable, batch)
    }

    fn flush_up_to(&self, durable: &mut Durable, batch: u64) -> Result<(), WriteError> {
        if durable.batch >= batch {
            return Ok(());
        }
        let (ground, tip) = {
            let writer = self.lock_writer();
            if let Some(cause) = &writer.fault {
                // What a failed flush left behind must not be taken for durable by a later one.
                return Err(WriteError::Failed(Arc::clone(cause)));
            }
            (self.ground(), Arc::clone(&writer.tip))
        };
        if let Err(error) = ground.flush() {
            return Err(WriteError::Failed(self.fail(&mut self.lock_writer(), error)));
        }
        durable.batch = tip.batch();
        durable.flushed = Instant::now();
        if let Err(error) = durable.acknowledged.set(tip.batch()) {
            // The batch is durable; only a later damage would be harder to notice.
            tracing::warn!(collection = self.name, %error, "the number of the batch could not be noted");
        }
        self.publish_state(&mut self.lock_writer(), tip);
        Ok(())
    }

    fn publish(&self, writer: &mut Writer) {
        let tip = Arc::clone(&writer.tip);
        self.publish_state(writer, tip);
    }

    fn publish_state(&self, writer: &mut Writer, state: Arc<Catalog>) {
        let mut published = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if state.batch() > published.batch() {
            writer.states.push((state.batch(), Arc::downgrade(&state)));
            *published = state;
        }
        self.lock_unpublished().forget(published.batch());
    }

    fn fail(&self, writer: &mut Writer, error: TreeError) -> Arc<TreeError> {
        let cause = Arc::new(error);
        tracing::error!(collection = self.name, error = %cause, "a write failed, the collection is read-only");
        Arc::clone(writer.fault.get_or_insert(cause))
    }

    /// Stops writers with everything before durable and published. An error if a write has failed: what the tree has
    /// then may be more than what readers see.
    pub(crate) fn settle(&self) -> Result<Settled<'_>, WriteError> {
        let mut durable = self.lock_durable();
        loop {
            let tip = self.lock_writer().tip.batch();
            self.flush_up_to(&mut durable, tip)?;
            let writer = self.lock_writer();
            if let Some(cause) = &writer.fault {
                // A part of a batch that failed may be in the tree.
                return Err(WriteError::ReadOnly { cause: Arc::clone(cause) });
            }
            // Nobody else flushes, but somebody may have applied meanwhile.
            if writer.tip.batch() == durable.batch {
                return Ok(Settled { durable, writer });
            }
        }
    }
}

/// A collection that nobody writes.
pub(crate) struct Settled<'a> {
    pub(super) durable: MutexGuard<'a, Durable>,
    pub(super) writer: MutexGuard<'a, Writer>,
}

impl Settled<'_> {
    /// The newest state.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.writer.tip)
    }
}
