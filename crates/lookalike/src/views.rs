//! The views that a database keeps beside the clean one.

use lookalike_engine::{Collection, RebuildProgress, ViewsReport};
use lookalike_plugin_api::Budget;
use lookalike_tmm::{Blend, StoredTrigger, TmmView, Transformation, TriggerStart};

use crate::database::Database;
use crate::error::{Error, MAX_VIEWS};
use crate::trigger::{GlobalFit, fit_trigger};

/// Names of the two views that `multiview` was searched with, and the intensity of their triggers
/// (`crates/eval/reports/multiview.md`).
pub const RECOMMENDED_VIEWS: [&str; 2] = ["fitted", "drawn"];
const RECOMMENDED_OMEGA: f32 = 0.3;

impl Database {
    /// Keeps further views from now on. Images that come later get their rows in them with the clean one;
    /// [`Database::complete_views`] makes the rows of those that are there.
    ///
    /// A view belongs to the model, so that all collections of the model get it. Collections know the views that were
    /// there when they were opened, so nobody may hold one.
    ///
    /// # Errors
    ///
    /// [`Error::ViewExists`] and [`Error::TooManyViews`]; [`Error::View`] when a trigger is another model's;
    /// [`Error::NoNetwork`]; [`Error::Open`] when somebody holds a collection. The database is closed then, and as it was.
    pub fn add_views(self, views: &[TmmView]) -> Result<Self, Error> {
        self.ensure_room(views.iter().map(TmmView::name))?;
        let all = [self.views(), views].concat();
        self.keep_views(all)
    }

    /// The two views that `multiview` was searched with: a trigger fitted to images of this collection, and
    /// one drawn at random. Equal collections and seeds give equal views. Pass them to [`Database::add_views`] when the
    /// collection is dropped. `progress` is called with the updates made, and how many there are at most.
    ///
    /// # Errors
    ///
    /// As [`Database::add_views`], before anything is fitted; [`Error::NothingToFit`] when the collection is empty.
    pub fn recommended_views(
        &self,
        collection: &Collection,
        seed: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<TmmView>, Error> {
        self.ensure_room(RECOMMENDED_VIEWS)?;
        let model = self.model().ok_or(Error::NoNetwork)?;
        let fitted = fit_trigger(model, collection, &GlobalFit::evaluated(seed), progress)?.trigger;
        let drawn = StoredTrigger::random(model, &TriggerStart::Uniform, seed)?;
        let views = RECOMMENDED_VIEWS.into_iter().zip([fitted, drawn]).map(|(name, trigger)| {
            let (blend, omega) = (Blend::AsPrinted, RECOMMENDED_OMEGA);
            TmmView::new(name, Transformation::Trigger { trigger, blend, omega })
        });
        Ok(views.collect::<Result<_, _>>()?)
    }

    /// Makes the rows that images lack in the views, in every collection of the model, one after the other. Searches and
    /// writes go on meanwhile. Interrupted by its budget or the end of the process, the same call goes on where it was.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]; [`Error::Rebuild`] when rows cannot be made. Rows made before stay.
    pub fn complete_views(
        &self,
        budget: &Budget,
        progress: &mut dyn FnMut(&Collection, &RebuildProgress),
    ) -> Result<Vec<(Collection, ViewsReport)>, Error> {
        let mut reports = Vec::new();
        for collection in self.collections()? {
            let report = collection.complete_views(budget, &mut |now| progress(&collection, now)).map_err(
                |source| Error::Rebuild {
                    collection: collection.name().to_owned(),
                    source: Box::new(source),
                },
            )?;
            reports.push((collection, report));
        }
        Ok(reports)
    }

    /// Gives up the view of this name; [`Database::drop_stale_rows`] removes its rows.
    ///
    /// # Errors
    ///
    /// [`Error::NoView`]; otherwise as [`Database::add_views`].
    pub fn drop_view(self, name: &str) -> Result<Self, Error> {
        let known: Vec<&str> = self.views().iter().map(TmmView::name).collect();
        if !known.contains(&name) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::NoView { name: name.to_owned(), known });
        }
        let views = self.views().iter().filter(|view| view.name() != name).cloned().collect();
        self.keep_views(views)
    }

    /// Removes rows in views that are kept no more; gives the names of these views by collection.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]; [`Error::Maintenance`] when a write fails.
    pub fn drop_stale_rows(&self) -> Result<Vec<(Collection, Vec<String>)>, Error> {
        let mut dropped = Vec::new();
        for collection in self.collections()? {
            let names = collection.drop_stale_views()?;
            dropped.push((collection, names));
        }
        Ok(dropped)
    }

    fn ensure_room<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let found = self.views().len();
        let mut new = 0;
        for name in names {
            if self.views().iter().any(|known| known.name() == name) {
                return Err(Error::ViewExists { name: name.to_owned() });
            }
            new += 1;
        }
        if found + new > MAX_VIEWS { Err(Error::TooManyViews { found }) } else { Ok(()) }
    }
}
