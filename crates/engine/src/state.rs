//! One state of a collection in memory: what a query sees from its start to its end.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lookalike_plugin_api::{Embedder, ExemplarId, Reranker, View};
use lookalike_store::{Catalog, ReadError};
use roaring::RoaringBitmap;

use crate::kept_view::KeptView;
use crate::matrix::Matrix;
use crate::views::Served;

/// A model, and the rerankers that look at exemplars through it.
#[derive(Clone)]
pub struct Serving {
    /// The model that makes feature rows.
    pub embedder: Arc<dyn Embedder>,
    /// Rerankers that searches may name; of two with one name the later counts. The views that they declare are kept
    /// with the collection.
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
    pub(crate) fn reranker(&self, name: &str) -> Option<&Arc<dyn Reranker>> {
        self.rerankers.iter().rev().find(|reranker| reranker.describe().name == name)
    }

    /// The rerankers that a search can name.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = &Arc<dyn Reranker>> {
        let is_last = |reranker: &&Arc<dyn Reranker>| {
            self.reranker(reranker.describe().name).is_some_and(|last| Arc::ptr_eq(last, reranker))
        };
        self.rerankers.iter().filter(is_last)
    }

    pub(crate) fn reranker_names(&self) -> String {
        let names: Vec<&str> = self.rerankers.iter().map(|reranker| reranker.describe().name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// Rows that a writer has at hand, by exemplar: pairs of the view's name in the store and the row.
pub(crate) type OwnRows = BTreeMap<ExemplarId, Vec<(String, Vec<f32>)>>;

/// Derived state of one batch number. It is never edited: a write makes the next state and swaps it in.
pub(crate) struct State {
    number: u64,
    catalog: Arc<Catalog>,
    clean: KeptView,
    /// The declared views, in the order in which they were declared.
    views: Vec<KeptView>,
    /// The model that made the rows, and makes the query's.
    served: Arc<Served>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("batch", &self.catalog.batch()).finish_non_exhaustive()
    }
}

/// A number that no state of this process had before.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl State {
    /// The newest state as the store has it.
    pub(crate) fn load(stored: &lookalike_store::Collection, served: Arc<Served>) -> Result<Self, ReadError> {
        let catalog = stored.catalog();
        let clean = KeptView::load(stored, &catalog, View::CLEAN, View::CLEAN)?;
        let declared = served.views().iter();
        let views = declared
            .map(|view| KeptView::load(stored, &catalog, view.name(), view.kept()))
            .collect::<Result<_, _>>()?;
        Ok(Self { number: next_number(), catalog, clean, views, served })
    }

    /// The state of `catalog`, which follows this one. `own` are rows that the caller wrote; what others wrote meanwhile
    /// is read.
    pub(crate) fn advanced(
        &self,
        stored: &lookalike_store::Collection,
        catalog: Arc<Catalog>,
        own: &OwnRows,
    ) -> Self {
        let mut new = RoaringBitmap::new();
        new.insert_range(self.catalog.next_id()..catalog.next_id());
        new &= catalog.live();
        let advanced = |view: &KeptView| {
            view.with_rows(catalog.live(), &new, &rows_of(stored, &catalog, view.kept(), &new, own))
        };
        let clean = advanced(&self.clean);
        let views = self.views.iter().map(advanced).collect();
        Self { number: next_number(), catalog, clean, views, served: Arc::clone(&self.served) }
    }

    /// Equal for equal states alone, of whatever collection.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn served(&self) -> &Arc<Served> {
        &self.served
    }

    pub(crate) fn serving(&self) -> &Serving {
        self.served.serving()
    }

    pub(crate) fn model(&self) -> &Arc<dyn Embedder> {
        self.served.model()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Rows of the clean view.
    pub(crate) fn clean(&self) -> &Matrix {
        self.clean.matrix()
    }

    pub(crate) fn clean_view(&self) -> &KeptView {
        &self.clean
    }

    /// All views, the clean one first.
    pub(crate) fn views(&self) -> impl Iterator<Item = &KeptView> {
        std::iter::once(&self.clean).chain(&self.views)
    }

    /// The view that requests call so.
    pub(crate) fn view(&self, name: &str) -> Option<&KeptView> {
        self.views().find(|view| view.name() == name)
    }

    /// Exemplars that cannot be found, for want of a clean row: a repair may have lost it, and a rebuild makes it anew.
    pub(crate) fn without_row(&self) -> &RoaringBitmap {
        self.clean.missing()
    }
}

/// The rows of `new` exemplars in a view, ascending: those at hand, and of the others what the store has.
fn rows_of(
    stored: &lookalike_store::Collection,
    catalog: &Catalog,
    kept: &str,
    new: &RoaringBitmap,
    own: &OwnRows,
) -> Vec<(ExemplarId, Vec<f32>)> {
    let row_at_hand = |id: &ExemplarId| {
        own.get(id).and_then(|rows| rows.iter().find(|(view, _)| view == kept)).map(|(_, row)| row.clone())
    };
    let mut rows: BTreeMap<ExemplarId, Vec<f32>> =
        new.iter().filter_map(|id| Some((id, row_at_hand(&id)?))).collect();
    let unknown = new - &*catalog.without_row(catalog.current_model(), kept);
    let others: Vec<ExemplarId> = unknown.iter().filter(|id| !rows.contains_key(id)).collect();
    if !others.is_empty() {
        match stored.rows_in(catalog, kept, &others) {
            Ok(read) => rows.extend(others.into_iter().zip(read.rows().map(<[f32]>::to_vec))),
            Err(error) => {
                // The rows were written a moment ago; without them their exemplars are not found until they are read
                // again, by the next opening for instance.
                let error: &(dyn Error + 'static) = &error;
                tracing::error!(
                    collection = stored.name(),
                    view = kept,
                    error,
                    "new rows cannot be read back"
                );
            }
        }
    }
    rows.into_iter().collect()
}
