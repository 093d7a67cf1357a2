//! Rows of another model for all that is stored, while the old ones are served.

mod filling;

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lookalike_plugin_api::{Budget, Completion, ExemplarId, Fingerprint, Image, View};
use lookalike_store::{MaintenanceError, ReadError};
use roaring::RoaringBitmap;
use thiserror::Error;

pub(crate) use self::filling::{Filling, Scope};
use self::filling::{images_of, remaining};
use crate::collection::Collection;
use crate::decode::DecodeError;
use crate::ingest::{IngestError, rows_of};
use crate::state::Serving;
use crate::views::{DeclaredView, DeriveError, Served, ViewsError};

/// With no more than so many rows missing, writers wait until the switch is done.
const LAST_IMAGES: u64 = 256;
/// Images that are embedded to say how long a rebuild will take.
const SAMPLE_IMAGES: usize = 256;
/// Images that are embedded before the clock is started.
const WARMING_IMAGES: usize = 32;

/// How far a rebuild has come. Every row counted survives a kill: the same call goes on from there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RebuildProgress {
    /// Exemplars that have their rows.
    pub done: u64,
    /// Exemplars in all.
    pub total: u64,
    /// Images embedded each second since the call began.
    pub images_per_second: f64,
    /// What is left at that rate.
    pub remaining: Duration,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildReport {
    /// Clean rows that were made.
    pub embedded: u64,
    /// Clean rows that were there from an earlier rebuild that was interrupted.
    pub found: u64,
    /// Rows that were made in the other views, those that the rerankers declare.
    pub derived: u64,
    /// Whether all rows were made; if not, the same call goes on where it ended, and the old rows are served.
    pub completion: Completion,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// What a rebuild would cost.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildEstimate {
    /// Exemplars in all.
    pub exemplars: u64,
    /// Those that lack a row, in the clean view or another that the rerankers declare.
    pub missing: u64,
    /// Bytes of the rows to be made, in all views. Until the rows before are dropped they take room besides.
    pub row_bytes: u64,
    /// Images embedded each second, measured on some of the collection's own; 0 if there is nothing to embed.
    pub images_per_second: f64,
    /// How long it would take at that rate.
    pub duration: Duration,
}

/// Why rows could not be made of what is stored. Those made before stay, and the old ones are served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The model failed, or gave rows that do not fit.
    #[error("embed: the images cannot be embedded by the new model")]
    Embed(#[source] IngestError),
    /// A stored image cannot be decoded.
    #[error("decode: the image of exemplar {id} cannot be decoded; delete it, or restore it from a backup")]
    Decode {
        /// The exemplar.
        id: ExemplarId,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A reranker could not make the rows of a view that it declares.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The rerankers cannot serve one collection together.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// What is stored cannot be read.
    #[error("store: the collection cannot be read")]
    Read(#[from] ReadError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] MaintenanceError),
}

impl Collection {
    /// Embeds every image by another model, and then serves its rows and rerankers instead of the present ones.
    ///
    /// The switch comes when every exemplar has its clean row and one in each view that the new rerankers declare: no
    /// view is less complete after it than before. Searches and writes go on meanwhile, with the present model; writers
    /// wait for the last few hundred images and the switch. Interrupted by its budget or by the end of the process, the same call goes on where it was. With the
    /// present model it completes missing rows. The rows that were served stay for [`Collection::rollback`].
    ///
    /// # Errors
    ///
    /// [`RebuildError`].
    pub fn rebuild(
        &self,
        serving: &Serving,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<RebuildReport, RebuildError> {
        let served = Arc::new(Served::new(serving.clone())?);
        let rebuilt = self.rebuild_for(&served, budget, progress);
        if rebuilt.as_ref().is_ok_and(|report| report.completion == Completion::Complete) {
            return rebuilt;
        }
        // With the present model, rows that were made before the end are of use at once.
        let shown = self.show_completed();
        rebuilt.and_then(|report| Ok(shown.map(|()| report)?))
    }

    fn rebuild_for(
        &self,
        served: &Arc<Served>,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<RebuildReport, RebuildError> {
        let stored = self.stored();
        let mut run = Run::begin(&stored, served, budget)?;
        while run.missing() > LAST_IMAGES {
            if !run.step(progress)? {
                return Ok(run.report());
            }
        }
        let _alone = self.close_gate();
        if !run.finish(progress)? {
            return Ok(run.report());
        }
        self.reload(Some(Arc::clone(served)))?;
        Ok(run.report())
    }

    /// Serves the rows of the model before the last rebuild again. `serving` must be that model.
    ///
    /// # Errors
    ///
    /// [`RebuildError::Store`] when no rows of a previous model are kept, when it is another model, or when exemplars
    /// were stored since the switch, for which a rebuild with that model makes the rows. Other views than the clean one
    /// may lack rows afterwards: [`Collection::complete_views`] makes them.
    pub fn rollback(&self, serving: &Serving) -> Result<(), RebuildError> {
        let served = Arc::new(Served::new(serving.clone())?);
        let _alone = self.close_gate();
        roll_back(&self.stored(), served.model().fingerprint())?;
        Ok(self.reload(Some(served))?)
    }
}

/// As [`Collection::rebuild`], of a collection that is not open, with the model that it will be opened with.
pub(crate) fn rebuild_stored(
    stored: &lookalike_store::Collection,
    served: &Served,
    budget: &Budget,
    progress: &mut dyn FnMut(&RebuildProgress),
) -> Result<RebuildReport, RebuildError> {
    let mut run = Run::begin(stored, served, budget)?;
    run.finish(progress)?;
    Ok(run.report())
}

/// As [`Collection::rollback`], of a collection that is not open.
pub(crate) fn roll_back(
    stored: &lookalike_store::Collection,
    wanted: &Fingerprint,
) -> Result<(), MaintenanceError> {
    let models = stored.catalog().models();
    let previous = models.iter().find(|model| model.role == lookalike_store::ModelRole::Previous);
    if previous.is_some_and(|previous| previous.fingerprint != *wanted) {
        return Err(MaintenanceError::NoModel {
            wanted: "previous",
            remedy: "the previous one is another than the model given",
        });
    }
    stored.rollback()
}

/// What a rebuild with this model would cost.
pub(crate) fn estimate(
    stored: &lookalike_store::Collection,
    served: &Served,
) -> Result<RebuildEstimate, RebuildError> {
    let catalog = stored.catalog();
    let wanted = served.model().fingerprint();
    let known = catalog.models().into_iter().find(|model| model.fingerprint == *wanted);
    let views = iter::once(View::CLEAN).chain(served.views().iter().map(DeclaredView::kept));
    let mut missing = RoaringBitmap::new();
    let mut rows = 0;
    for kept in views {
        let lacking = known.as_ref().map_or_else(
            || Arc::new(catalog.live().clone()),
            |model| catalog.without_row(model.number, kept),
        );
        rows += lacking.len();
        missing |= &*lacking;
    }
    // Spread over all of them: images of one source lie together.
    let every = (missing.len() as usize).div_ceil(SAMPLE_IMAGES).max(1);
    let ids: Vec<ExemplarId> = missing.iter().step_by(every).collect();
    let images = images_of(stored, &catalog, &ids)?;
    let embed = |images: &[Image]| -> Result<(), RebuildError> {
        rows_of(images, served.model().as_ref()).map_err(RebuildError::Embed)?;
        for view in served.views() {
            view.derive(images, served.dimension())?;
        }
        Ok(())
    };
    // The first images are slower: the model's memory and threads are not there yet.
    let warm = &images[..images.len().min(WARMING_IMAGES)];
    if !warm.is_empty() {
        embed(warm)?;
    }
    let begun = Instant::now();
    if !images.is_empty() {
        embed(&images)?;
    }
    let images_per_second = images.len() as f64 / begun.elapsed().as_secs_f64().max(1e-9);
    let images_per_second = if images.is_empty() { 0.0 } else { images_per_second };
    Ok(RebuildEstimate {
        exemplars: catalog.len(),
        missing: missing.len(),
        row_bytes: rows * u64::from(wanted.dimension) * size_of::<f32>() as u64,
        images_per_second,
        duration: remaining(missing.len(), images_per_second),
    })
}

struct Run<'a> {
    filling: Filling<'a>,
    budget: &'a Budget,
    found: u64,
    completion: Completion,
}

impl<'a> Run<'a> {
    fn begin(
        stored: &'a lookalike_store::Collection,
        served: &'a Served,
        budget: &'a Budget,
    ) -> Result<Self, RebuildError> {
        let model = stored.begin_rebuild(served.model().fingerprint())?;
        let catalog = stored.catalog();
        let found = catalog.len() - catalog.without_row(model, View::CLEAN).len();
        let filling = Filling::new(stored, served, model, Scope::AllViews);
        Ok(Self { filling, budget, found, completion: Completion::Complete })
    }

    fn missing(&self) -> u64 {
        self.filling.missing(&self.filling.stored().catalog()).len()
    }

    /// Makes some rows; `false` when the budget is gone.
    fn step(&mut self, progress: &mut dyn FnMut(&RebuildProgress)) -> Result<bool, RebuildError> {
        if let Some(completion) = self.budget.exhausted() {
            self.completion = completion;
            return Ok(false);
        }
        self.filling.step(progress)?;
        Ok(true)
    }

    /// Makes all rows and switches; `false` when the budget is gone. Nobody else may write rows of the old model.
    fn finish(&mut self, progress: &mut dyn FnMut(&RebuildProgress)) -> Result<bool, RebuildError> {
        loop {
            while self.missing() > 0 {
                if !self.step(progress)? {
                    return Ok(false);
                }
            }
            let stored = self.filling.stored();
            if stored.catalog().current_model() == self.filling.model() {
                return Ok(true);
            }
            match stored.switch_model() {
                Err(MaintenanceError::Incomplete { .. }) => {}
                switched => return Ok(switched.map(|()| true)?),
            }
        }
    }

    fn report(&self) -> RebuildReport {
        RebuildReport {
            embedded: self.filling.embedded(),
            found: self.found,
            derived: self.filling.derived(),
            completion: self.completion,
            elapsed: self.filling.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests;
