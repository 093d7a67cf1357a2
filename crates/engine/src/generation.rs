//! One generation of a collection in memory: what a query sees from its start to its end.

use std::fmt;
use std::sync::{Arc, OnceLock};

use plugin_api::{Embedder, Reranker, View};
use roaring::RoaringBitmap;
use store::Catalog;

use crate::matrix::Matrix;
use crate::whitening::Whitening;

/// A model, and the rerankers that look at exemplars through it.
#[derive(Clone)]
pub struct Serving {
    /// The model that makes feature rows.
    pub embedder: Arc<dyn Embedder>,
    /// Rerankers that searches may name; of two with one name the later counts.
    pub rerankers: Vec<Arc<dyn Reranker>>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("model", &self.embedder.fingerprint().model)
            .field("rerankers", &self.reranker_names())
            .finish()
    }
}

impl Serving {
    pub(crate) fn reranker(&self, name: &str) -> Option<&dyn Reranker> {
        self.rerankers.iter().rev().find(|reranker| reranker.describe().name == name).map(AsRef::as_ref)
    }

    pub(crate) fn reranker_names(&self) -> String {
        let names: Vec<&str> = self.rerankers.iter().map(|reranker| reranker.describe().name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// Derived state of one batch number. It is never edited: a write makes the next generation and swaps it in.
pub(crate) struct Generation {
    catalog: Arc<Catalog>,
    clean: Matrix,
    /// The model that made the rows, and makes the query's.
    serving: Arc<Serving>,
    /// Fitted by the first query that needs it, so that a long ingest does not pay for it batch by batch.
    whitening: OnceLock<Option<Whitening>>,
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").field("batch", &self.catalog.batch()).finish_non_exhaustive()
    }
}

impl Generation {
    pub(crate) fn new(catalog: Arc<Catalog>, clean: Matrix, serving: Arc<Serving>) -> Self {
        Self { catalog, clean, serving, whitening: OnceLock::new() }
    }

    /// Exemplars that cannot be found, for want of a clean row: a repair may have lost it, and a rebuild makes it anew.
    pub(crate) fn without_row(&self) -> Arc<RoaringBitmap> {
        self.catalog.without_row(self.catalog.current_model(), View::CLEAN)
    }

    pub(crate) fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    pub(crate) fn model(&self) -> &Arc<dyn Embedder> {
        &self.serving.embedder
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
