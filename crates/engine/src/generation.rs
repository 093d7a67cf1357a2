//! One generation of a collection in memory: what a query sees from its start to its end.

use std::sync::{Arc, OnceLock};

use store::Catalog;

use crate::matrix::Matrix;
use crate::whitening::Whitening;

/// Derived state of one batch number. It is never edited: a write makes the next generation and swaps it in.
#[derive(Debug)]
pub(crate) struct Generation {
    catalog: Arc<Catalog>,
    clean: Matrix,
    /// Fitted by the first query that needs it, so that a long ingest does not pay for it batch by batch.
    whitening: OnceLock<Option<Whitening>>,
}

impl Generation {
    pub(crate) fn new(catalog: Arc<Catalog>, clean: Matrix) -> Self {
        Self { catalog, clean, whitening: OnceLock::new() }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn clean(&self) -> &Matrix {
        &self.clean
    }

    /// The whitening of the clean view; `None` when its rows do not vary.
    pub(crate) fn whitening(&self) -> Option<&Whitening> {
        self.whitening.get_or_init(|| Whitening::fit(&self.clean, self.catalog.live())).as_ref()
    }
}
