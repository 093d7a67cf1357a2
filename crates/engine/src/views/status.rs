//! Which views a collection has, and which of them nobody needs.

use lookalike_plugin_api::View;
use lookalike_store::MaintenanceError;

use super::declared::{DeclaredView, split_kept};
use crate::collection::Collection;

/// A view that a collection keeps, or is to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewStatus {
    /// The name that requests use.
    pub name: String,
    /// The first 16 hexadecimal digits of its [`lookalike_plugin_api::ViewId`]; `None` for the clean view, and for one that was
    /// stored past the engine.
    pub id: Option<String>,
    /// Exemplars that have a row in it.
    pub rows: u64,
    /// Exemplars that have none. A view that lacks some serves no search; [`Collection::complete_views`] makes the rows
    /// of a declared one.
    pub missing: u64,
    /// Whether it is served: the clean view, and those that registered rerankers declare. What is neither is stale: its
    /// transformation, or its model, is another now.
    pub is_declared: bool,
}

impl Collection {
    /// The views of the current model: the clean one, the declared ones in the order of their declaration, and those
    /// that are stored and that nobody declares any more.
    pub fn views(&self) -> Vec<ViewStatus> {
        let state = self.state();
        let stored = self.stored();
        let catalog = stored.catalog();
        let status = |name: &str, id: Option<&str>, kept: &str, is_declared: bool| {
            let missing = catalog.without_row(catalog.current_model(), kept).len();
            ViewStatus {
                name: name.to_owned(),
                id: id.map(str::to_owned),
                rows: catalog.len() - missing,
                missing,
                is_declared,
            }
        };
        let declared = state.served().views();
        let known = catalog.views();
        let undeclared = known
            .iter()
            .filter(|kept| **kept != View::CLEAN && !declared.iter().any(|view| view.kept() == **kept));
        let mut views = vec![status(View::CLEAN, None, View::CLEAN, true)];
        views.extend(declared.iter().map(|view| status(view.name(), Some(view.id()), view.kept(), true)));
        views.extend(undeclared.map(|kept| match split_kept(kept) {
            Some((name, id)) => status(name, Some(id), kept, false),
            None => status(kept, None, kept, false),
        }));
        views
    }

    /// Removes the rows of views that rerankers declared once and none of those registered now declares, of the current
    /// model; gives their names, with the digits of their ids.
    ///
    /// Searches go on meanwhile, and so do writes. What a crash interrupts is done by the next call.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError`] when a write fails.
    pub fn drop_stale_views(&self) -> Result<Vec<String>, MaintenanceError> {
        // A view that is stale must not be declared while it goes.
        let _gate = self.pass_gate();
        let state = self.state();
        let stored = self.stored();
        let catalog = stored.catalog();
        let declared: Vec<&str> = state.served().views().iter().map(DeclaredView::kept).collect();
        let known = catalog.views();
        let stale = known.iter().filter(|kept| split_kept(kept).is_some() && !declared.contains(*kept));
        stale
            .map(|kept| {
                stored.drop_view(catalog.current_model(), kept)?;
                Ok((*kept).to_owned())
            })
            .collect()
    }
}
