//! The rows of one view in one generation.

use std::sync::{Mutex, OnceLock, PoisonError};

use plugin_api::{ExemplarId, View};
use roaring::RoaringBitmap;
use store::{Catalog, ReadError};

use crate::matrix::Matrix;
use crate::views::{COMPLETE, COMPLETE_CLEAN};
use crate::whitening::Whitening;

/// A view as a generation has it: its rows in memory, and which exemplars have none there.
#[derive(Debug)]
pub(crate) struct KeptView {
    name: String,
    kept: String,
    matrix: Matrix,
    /// Exemplars whose row is not in the matrix: it was never made, or came after they were loaded.
    missing: RoaringBitmap,
    /// Fitted by the first query that needs it, so that a long ingest does not pay for it batch by batch.
    whitening: OnceLock<Option<Whitening>>,
    fitting: Mutex<()>,
}

impl KeptView {
    /// The view called `name`, which the store calls `kept`, of the current model of `catalog`.
    pub(crate) fn load(
        stored: &store::Collection,
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
        Self { name, kept, matrix, missing, whitening: OnceLock::new(), fitting: Mutex::default() }
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

    /// The whitening of the rows of `live` exemplars; `None` when they do not vary.
    pub(crate) fn whitening(&self, live: &RoaringBitmap) -> Option<&Whitening> {
        if let Some(fitted) = self.whitening.get() {
            return fitted.as_ref();
        }
        // Callers wait for each other, but not a thread of the pool: it may have taken this up while it waits for parts
        // of the very same fit. Then it fits its own, with the same outcome.
        let is_worker = rayon::current_thread_index().is_some();
        let _turn = (!is_worker).then(|| self.fitting.lock().unwrap_or_else(PoisonError::into_inner));
        if self.whitening.get().is_none() {
            // Another may have been quicker; both have the same.
            drop(self.whitening.set(Whitening::fit(&self.matrix, live)));
        }
        self.whitening.get().and_then(Option::as_ref)
    }
}
