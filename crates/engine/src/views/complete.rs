//! Rows of declared views for exemplars that came before these were declared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lookalike_plugin_api::{Budget, Completion};
use lookalike_store::MaintenanceError;

use crate::collection::Collection;
use crate::rebuild::{Filling, RebuildError, RebuildProgress, Scope};

/// What [`Collection::complete_views`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewsReport {
    /// Rows that were made, in all declared views together.
    pub derived: u64,
    /// Whether all rows were made; if not, the same call goes on where it ended.
    pub completion: Completion,
    /// Wall-clock time.
    pub elapsed: Duration,
}

impl Collection {
    /// Makes the rows that exemplars lack in the views which the registered rerankers declare, and serves them.
    ///
    /// Searches and writes go on meanwhile; the rows are seen when the call ends. Interrupted by its budget, which is
    /// polled every 256 images, or by the end of the process, the same call goes on where it was. The progress counts
    /// exemplars.
    ///
    /// # Errors
    ///
    /// [`RebuildError`]; the rows made before stay.
    pub fn complete_views(
        &self,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
    ) -> Result<ViewsReport, RebuildError> {
        let begun = Instant::now();
        let mut derived = 0;
        let filled = self.fill_views(budget, progress, &mut derived);
        // Rows that came past this call are shown too.
        self.show_completed()?;
        Ok(ViewsReport { derived, completion: filled?, elapsed: begun.elapsed() })
    }

    fn fill_views(
        &self,
        budget: &Budget,
        progress: &mut dyn FnMut(&RebuildProgress),
        derived: &mut u64,
    ) -> Result<Completion, RebuildError> {
        let stored = self.stored();
        loop {
            let (model, served) = {
                let state = self.state();
                (state.catalog().current_model(), Arc::clone(state.served()))
            };
            let mut filling = Filling::new(&stored, &served, model, Scope::DeclaredViews);
            // As long as the model is the same, one filling: it measures how quick it is.
            while self.state().catalog().current_model() == model {
                if let Some(completion) = budget.exhausted() {
                    return Ok(completion);
                }
                let before = filling.derived();
                let step = filling.step(progress);
                *derived += filling.derived() - before;
                match step {
                    Ok(true) => {}
                    Ok(false) => return Ok(Completion::Complete),
                    // Its model may have been dropped after it was replaced.
                    Err(RebuildError::Store(MaintenanceError::NoModel { .. }))
                        if self.state().catalog().current_model() != model => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
