//! The rows of one view in one state.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lookalike_plugin_api::{Budget, Completion, ExemplarId, View};
use lookalike_store::{Catalog, ReadError};
use roaring::RoaringBitmap;

use crate::matrix::Matrix;
use crate::views::{COMPLETE, COMPLETE_CLEAN};
use crate::whitening::{self, Whitening};

/// A view as a state has it: its rows in memory, and which exemplars have none there.
#[derive(Debug)]
pub(crate) struct KeptView {
    name: String,
    kept: String,
    matrix: Matrix,
    /// Exemplars whose row is not in the matrix: it was never made, or came after they were loaded.
    missing: RoaringBitmap,
    /// Fitted by the first query that needs it, so that a long ingest does not pay for it batch by batch.
    whitening: OnceLock<Option<Whitening>>,
    is_fitting: Mutex<bool>,
    /// Told when whoever fitted the whitening is done, or gave it up.
    fitted: Condvar,
}

impl KeptView {
    /// The view called `name`, which the store calls `kept`, of the current model of `catalog`.
    pub(crate) fn load(
        stored: &lookalike_store::Collection,
        catalog: &Catalog,
        name: &str,
        kept: &str,
    ) -> Result<Self, ReadError> {
        let dimension = catalog.fingerprint().dimension as usize;
        // Where nothing was ever written, or nothing is left, there may be no such view.
        let matrix = if catalog.is_empty() || !catalog.views().contains(&kept) {
            Matrix::new(dimension)
        } else {
            Matrix::of_segments(dimension, &stored.load_segments(catalog, kept)?)
        };
        let missing = (*catalog.without_row(catalog.current_model(), kept)).clone();
        Ok(Self::new(name.to_owned(), kept.to_owned(), matrix, missing))
    }

    fn new(name: String, kept: String, matrix: Matrix, missing: RoaringBitmap) -> Self {
        Self {
            name,
            kept,
            matrix,
            missing,
            whitening: OnceLock::new(),
            is_fitting: Mutex::default(),
            fitted: Condvar::default(),
        }
    }

    /// The view after a write: `new` are the exemplars that came, `added` those rows of them that there are.
    pub(crate) fn with_rows(
        &self,
        live: &RoaringBitmap,
        new: &RoaringBitmap,
        added: &[(ExemplarId, Vec<f32>)],
    ) -> Self {
        let mut missing = &self.missing & live;
        missing |= new;
        added.iter().for_each(|(id, _)| {
            missing.remove(*id);
        });
        Self::new(self.name.clone(), self.kept.clone(), self.matrix.with_rows(live, added), missing)
    }

    /// The name that requests use.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name that the store has for it.
    pub(crate) fn kept(&self) -> &str {
        &self.kept
    }

    pub(crate) fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Exemplars that cannot be found in this view, for want of a row.
    pub(crate) fn missing(&self) -> &RoaringBitmap {
        &self.missing
    }

    /// What makes the missing rows.
    pub(crate) fn remedy(&self) -> &'static str {
        if self.name == View::CLEAN { COMPLETE_CLEAN } else { COMPLETE }
    }

    /// The whitening of the rows of `live` exemplars; `None` when they do not vary. It ends with the budget, whether it
    /// is fitted here or waited for.
    pub(crate) fn whitening(
        &self,
        live: &RoaringBitmap,
        budget: &Budget,
    ) -> Result<Option<&Whitening>, Completion> {
        // Callers wait for each other, but not a thread of the pool: it may have taken this up while it waits for parts
        // of the very same fit. Then it fits its own, with the same outcome.
        let is_worker = rayon::current_thread_index().is_some();
        let _turn = if is_worker { None } else { self.turn(budget)? };
        if let Some(fitted) = self.whitening.get() {
            return Ok(fitted.as_ref());
        }
        let fitted = Whitening::fit(&self.matrix, live, budget)?;
        // Another may have been quicker; both have the same.
        drop(self.whitening.set(fitted));
        Ok(self.whitening.get().and_then(Option::as_ref))
    }

    /// The right to fit the whitening, once nobody else has it; `None` when it is fitted.
    fn turn(&self, budget: &Budget) -> Result<Option<Turn<'_>>, Completion> {
        if self.whitening.get().is_some() {
            return Ok(None);
        }
        let mut is_fitting = self.is_fitting.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_fitting {
            whitening::poll(budget)?;
            let waited = self.fitted.wait_timeout(is_fitting, LOOK).unwrap_or_else(PoisonError::into_inner);
            is_fitting = waited.0;
        }
        *is_fitting = true;
        Ok(Some(Turn(self)))
    }
}

/// Time between two looks at the budget while another fits.
const LOOK: Duration = Duration::from_millis(10);

/// Gives the right to fit back, also when the fit is given up.
struct Turn<'a>(&'a KeptView);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.is_fitting.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.fitted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use lookalike_plugin_api::CancelFlag;

    use super::*;

    fn view() -> KeptView {
        let mut matrix = Matrix::new(2);
        for (id, (x, y)) in [(10.0, 0.5), (-10.0, -0.5), (3.0, 1.0)].into_iter().enumerate() {
            matrix.push(id as u32, &[x, y]);
        }
        KeptView::new(View::CLEAN.to_owned(), View::CLEAN.to_owned(), matrix, RoaringBitmap::new())
    }

    #[test]
    fn a_fit_that_was_given_up_is_made_by_the_next() {
        let (view, live) = (view(), (0..3).collect());
        let cancel = CancelFlag::default();
        cancel.cancel();
        let cancelled = Budget::unlimited().with_cancel(cancel);
        assert_eq!(view.whitening(&live, &cancelled).map(|_| ()), Err(Completion::Cancelled));
        assert!(view.whitening(&live, &Budget::unlimited()).unwrap().is_some());
        // What is there needs no budget.
        assert!(view.whitening(&live, &cancelled).unwrap().is_some());
    }

    #[test]
    fn who_waits_for_a_fit_of_another_still_looks_at_the_budget() {
        let (view, live) = (view(), (0..3).collect());
        let turn = view.turn(&Budget::unlimited()).unwrap();
        assert!(turn.is_some());
        let short = Budget::unlimited().with_time_limit(Duration::from_millis(1));
        assert_eq!(view.whitening(&live, &short).map(|_| ()), Err(Completion::Deadline));
        drop(turn);
        assert!(view.whitening(&live, &Budget::unlimited()).unwrap().is_some());
    }
}
