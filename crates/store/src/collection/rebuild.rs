use lookalike_plugin_api::{ExemplarId, Fingerprint, View};

use super::Collection;
use crate::schema::moment;
use crate::schema::{Models, StoredModel};
use crate::validate::admission;
use crate::{Catalog, MaintenanceError, OpenError, WriteError, key, schema};

/// Rows that one batch removes.
const REMOVED_AT_ONCE: usize = 4_096;

impl Collection {
    /// Begins to make the rows of another model, or goes on where an earlier rebuild was interrupted; gives the
    /// model's number. The rows of the current model are served until [`Collection::switch_model`].
    ///
    /// With the current model's own fingerprint it gives the current model, whose missing rows, after a repair for
    /// instance, can then be completed.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::OtherRebuild`] when rows of a third model are being made;
    /// [`MaintenanceError::Open`] for a fingerprint that no collection can have; a failed write.
    pub fn begin_rebuild(&self, fingerprint: &Fingerprint) -> Result<u16, MaintenanceError> {
        if !schema::accepts(fingerprint) {
            let model = fingerprint.model.chars().take(100).collect();
            return Err(OpenError::Fingerprint { model, dimension: fingerprint.dimension }.into());
        }
        self.remove_dropped()?;
        let edited = self.edit_models(|models| {
            // Rows of a model that is being dropped may be gone already, whatever the bitmaps say.
            let known = models
                .entries
                .iter()
                .find(|entry| models.has_role(entry.number) && entry.fingerprint() == *fingerprint);
            let known = known.map(|entry| entry.number);
            if known == Some(models.current) {
                return Ok((models.current, false));
            }
            if let Some(building) = models.building.filter(|building| known != Some(*building)) {
                let found = models.get(building).map(StoredModel::fingerprint);
                let found = found.unwrap_or_else(|| fingerprint.clone());
                return Err(MaintenanceError::OtherRebuild { found: Box::new(found) });
            }
            // The rows of the model before the current one need only be completed.
            let number = known.unwrap_or(models.next);
            if known.is_none() {
                models.entries.push(StoredModel::new(number, fingerprint, moment::now_ms()));
                models.next = number.checked_add(1).ok_or(WriteError::IdsExhausted)?;
            }
            let changed = models.building != Some(number);
            models.building = Some(number);
            if models.previous == Some(number) {
                models.previous = None;
            }
            Ok((number, changed))
        })?;
        Ok(edited)
    }

    /// Stores rows of a model for exemplars that have none in the view; exemplars that have one, or are not there
    /// any more, are left out. Gives the number of rows stored.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`]; [`WriteError::Refused`] for rows of the wrong length or with values that are not
    /// finite; a failed write. Nothing is stored then.
    pub fn write_rows(
        &self,
        model: u16,
        view: &str,
        rows: &[(ExemplarId, Vec<f32>)],
    ) -> Result<u64, MaintenanceError> {
        let catalog = self.catalog();
        let entry = catalog.models.get(model).filter(|_| catalog.models.has_role(model)).ok_or(NO_MODEL)?;
        admission::check_view_rows(view, rows, entry.dimension())?;
        let (added, ..) = self.commit(|draft| {
            if !draft.catalog().models.has_role(model) {
                return Ok(Err(NO_MODEL));
            }
            let live: Vec<_> =
                rows.iter().filter(|(id, _)| draft.catalog().live().contains(*id)).cloned().collect();
            draft.add_rows(model, view, &live).map(Ok)
        })?;
        added
    }

    /// Serves the rows of the model that was being built, from one batch to the next. The rows that were served stay
    /// for [`Collection::rollback`]; those from before them are removed.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`] when none is being built; [`MaintenanceError::Incomplete`] when an exemplar has no clean row of it:
    /// one may have been stored a moment ago.
    pub fn switch_model(&self) -> Result<(), MaintenanceError> {
        self.edit_models_of(|catalog, models| {
            let building = models.building.ok_or(NO_BUILDING)?;
            complete(catalog, building)?;
            models.previous = Some(models.current);
            models.current = building;
            models.building = None;
            Ok(((), true))
        })?;
        if let Err(error) = self.remove_dropped() {
            // The switch is made; the next rebuild goes on with removing.
            tracing::warn!(collection = self.name, %error, "rows that are not needed stay behind");
        }
        Ok(())
    }

    /// Serves the rows of the model before the current one again; the current one becomes the one before.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`] when there is none; [`MaintenanceError::Incomplete`] when exemplars were stored since the switch: a rebuild
    /// with that model completes its rows and switches.
    pub fn rollback(&self) -> Result<(), MaintenanceError> {
        self.edit_models_of(|catalog, models| {
            let previous = models.previous.ok_or(NO_PREVIOUS)?;
            complete(catalog, previous)?;
            models.previous = Some(models.current);
            models.current = previous;
            Ok(((), true))
        })
    }

    /// Removes the rows of the model before the current one: after that there is no way back without its model.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`] when there is none; a failed write.
    pub fn drop_previous_model(&self) -> Result<(), MaintenanceError> {
        self.edit_models(|models| {
            models.previous.take().ok_or(NO_PREVIOUS)?;
            Ok(((), true))
        })?;
        self.remove_dropped()
    }

    /// Gives up a rebuild and removes the rows made for it.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoModel`] when none is under way; a failed write.
    pub fn abandon_rebuild(&self) -> Result<(), MaintenanceError> {
        self.edit_models(|models| {
            models.building.take().ok_or(NO_BUILDING)?;
            Ok(((), true))
        })?;
        self.remove_dropped()
    }

    /// Removes the rows of a view of a model, a few thousand in a batch, and then its name; gives the number of
    /// exemplars that had one. What a crash interrupts is a view that lacks rows, and the same call goes on from there.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NoView`] when the model has no such view, and for the clean one, without which an exemplar
    /// cannot be stored; a failed write.
    pub fn drop_view(&self, model: u16, view: &str) -> Result<u64, MaintenanceError> {
        let number = self.catalog().view_number(model, view).filter(|_| view != View::CLEAN);
        let number = number.ok_or_else(|| MaintenanceError::NoView { name: view.to_owned() })?;
        let mut removed = 0;
        loop {
            // Rows are looked for where nobody else can write: one that came in between would stay behind.
            let (outcome, ..) = self.commit(|draft| {
                if draft.catalog().view_number(model, view) != Some(number) {
                    return Ok(Ok((0, 0)));
                }
                let keys = match self.some_rows(number) {
                    Ok(keys) => keys,
                    Err(error) => return Ok(Err(error)),
                };
                if keys.is_empty() {
                    draft.forget_view(number);
                }
                let ids: Vec<ExemplarId> = keys.iter().filter_map(|key| key::id_of_row(key)).collect();
                Ok(Ok((ids.len(), draft.remove_rows(number, &ids))))
            })?;
            let (keys, of_exemplars) = outcome?;
            if keys == 0 {
                break;
            }
            removed += of_exemplars;
        }
        self.flush()?;
        self.shelf.forget(number);
        Ok(removed)
    }

    fn edit_models<T>(
        &self,
        edit: impl FnOnce(&mut Models) -> Result<(T, bool), MaintenanceError>,
    ) -> Result<T, MaintenanceError> {
        self.edit_models_of(|_, models| edit(models))
    }

    /// Edits the table of models in one batch, in which nothing else can be written. `edit` says whether it changed
    /// it.
    fn edit_models_of<T>(
        &self,
        edit: impl FnOnce(&Catalog, &mut Models) -> Result<(T, bool), MaintenanceError>,
    ) -> Result<T, MaintenanceError> {
        let (outcome, ..) = self.commit(|draft| {
            let mut models = (*draft.catalog().models).clone();
            Ok(match edit(draft.catalog(), &mut models) {
                Ok((outcome, changed)) => {
                    if changed {
                        draft.set_models(models)?;
                    }
                    Ok(outcome)
                }
                Err(error) => Err(error),
            })
        })?;
        // Whatever the write mode: what reads follow from now on must not come back otherwise after a crash.
        self.flush()?;
        outcome
    }

    /// Removes rows and names of models that have no role any more; what a crash interrupts is done by the next
    /// call.
    fn remove_dropped(&self) -> Result<(), MaintenanceError> {
        loop {
            let catalog = self.catalog();
            let models = &catalog.models;
            let mut numbers = models.entries.iter().map(|entry| entry.number);
            let Some(dropped) = numbers.find(|&number| !models.has_role(number)) else {
                return Ok(());
            };
            let view =
                catalog.views.iter().find(|(_, view)| view.model == dropped).map(|(&number, _)| number);
            let Some(view) = view else {
                self.edit_models(|models| {
                    models.entries.retain(|entry| entry.number != dropped);
                    Ok(((), true))
                })?;
                continue;
            };
            let keys = self.some_rows(view)?;
            if keys.is_empty() {
                self.shelf.forget(view);
            }
            self.commit(|draft| {
                if keys.is_empty() {
                    draft.forget_view(view);
                }
                keys.into_iter().for_each(|key| draft.remove_key(key));
                Ok(())
            })?;
        }
    }

    fn some_rows(&self, view: u16) -> Result<Vec<Vec<u8>>, MaintenanceError> {
        let ground = self.ground();
        let range = key::row(view, 0)..=key::row(view, ExemplarId::MAX);
        let mut entries = ground.range("feature row", range).map_err(MaintenanceError::source)?;
        let mut keys = Vec::new();
        while keys.len() < REMOVED_AT_ONCE
            && let Some((key, _)) = entries.next().map_err(MaintenanceError::source)?
        {
            keys.push(key.to_vec());
        }
        Ok(keys)
    }
}

fn complete(catalog: &Catalog, number: u16) -> Result<(), MaintenanceError> {
    let missing = catalog.without_row(number, View::CLEAN).len();
    let model = catalog.models.get(number).ok_or(NO_MODEL)?;
    if missing == 0 {
        return Ok(());
    }
    Err(MaintenanceError::Incomplete { missing, model: Box::new(model.fingerprint()) })
}

const NO_MODEL: MaintenanceError =
    MaintenanceError::NoModel { wanted: "such", remedy: "the collection's list of models has their numbers" };
const NO_BUILDING: MaintenanceError =
    MaintenanceError::NoModel { wanted: "unfinished", remedy: "begin with `lookalike rebuild`" };
const NO_PREVIOUS: MaintenanceError = MaintenanceError::NoModel {
    wanted: "previous",
    remedy: "rebuild with the model to return to; rows are kept of the last switch only",
};
