use std::sync::{Arc, PoisonError};

use super::Collection;
use crate::draft::Draft;
use crate::{WriteBatch, WriteError, WriteReceipt, admission, moment};

impl Collection {
    /// Makes all changes of a batch durable, or none, and only then visible.
    ///
    /// When it returns, the batch survives a kill of the process, and a power cut where
    /// [`Collection::durability`] says so. Batches of some hundred exemplars are quickest: each costs a flush. A
    /// write waits for the one before.
    ///
    /// # Errors
    ///
    /// A batch that breaks a limit is refused as a whole and changes nothing. After [`WriteError::Failed`] it is
    /// unknown whether the batch is on the disk; the collection takes no more writes ([`WriteError::ReadOnly`])
    /// until the database is opened again, which shows whether it is there.
    pub fn write(&self, batch: WriteBatch) -> Result<WriteReceipt, WriteError> {
        admission::check(&batch, self.fingerprint.dimension as usize)?;
        let mut writer = self.lock_writer();
        if let Some(cause) = &writer.fault {
            return Err(WriteError::ReadOnly { cause: Arc::clone(cause) });
        }
        let before = self.catalog();
        let mut draft = Draft::new(&self.tree, &before, &writer.tag_numbers, moment::now_ms());
        let deleted = batch.deletes.iter().map(|key| draft.delete(key)).collect::<Result<_, _>>()?;
        let outcomes = batch.upserts.into_iter().map(|new| draft.upsert(new)).collect::<Result<_, _>>()?;
        let Some(finished) = draft.finish()? else {
            return Ok(WriteReceipt { batch: before.batch(), outcomes, deleted });
        };
        if let Err(error) = self.tree.commit(finished.changes) {
            let cause = Arc::new(error);
            tracing::error!(collection = self.name, error = %cause, "a write failed, the collection is read-only");
            writer.fault = Some(Arc::clone(&cause));
            return Err(WriteError::Failed(cause));
        }
        for (name, number) in finished.tag_numbers {
            match number {
                Some(number) => writer.tag_numbers.insert(name, number),
                None => writer.tag_numbers.remove(&name),
            };
        }
        let batch = finished.catalog.batch();
        if let Err(error) = writer.acknowledged.set(batch) {
            // The batch is durable; only a later damage would be harder to notice.
            tracing::warn!(collection = self.name, %error, "the number of the batch could not be noted");
        }
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(finished.catalog);
        Ok(WriteReceipt { batch, outcomes, deleted })
    }
}
