use std::fmt;
use std::sync::Arc;

use lookalike_plugin_api::{FeatureRows, Image, RerankError, View};
use lookalike_vision::{Model, Pixels};

use crate::run::embedding::CHUNK;
use crate::view::{TmmView, ViewError};

/// Images of a view that are transformed at once.
const DERIVED_AT_ONCE: usize = 4 * CHUNK;

/// A model with the stored views that are looked at through it: what both rerankers of this crate declare and derive.
/// Clones share it.
#[derive(Clone)]
pub(crate) struct ViewSet {
    model: Arc<Model>,
    views: Arc<[TmmView]>,
    /// As the contract declares them, in the same order.
    declared: Arc<[View]>,
}

impl fmt::Debug for ViewSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.views.iter().map(TmmView::name).collect();
        f.debug_struct("ViewSet").field("model", &self.model).field("views", &names).finish_non_exhaustive()
    }
}

impl ViewSet {
    /// The clean view alone.
    pub(crate) fn clean(model: Arc<Model>) -> Self {
        Self { model, views: Arc::default(), declared: Arc::default() }
    }

    /// The views beside the clean one.
    pub(crate) fn new(model: Arc<Model>, views: Vec<TmmView>) -> Result<Self, ViewError> {
        for (place, view) in views.iter().enumerate() {
            view.ensure_for(&model)?;
            if views[..place].iter().any(|other| other.name() == view.name()) {
                return Err(ViewError::Twice { name: view.name().to_owned() });
            }
        }
        let declared = views.iter().map(|view| view.declared(model.fingerprint())).collect();
        Ok(Self { model, views: views.into(), declared })
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub(crate) fn views(&self) -> &[TmmView] {
        &self.views
    }

    /// As the contract declares them.
    pub(crate) fn declared(&self) -> &[View] {
        &self.declared
    }

    /// Rows of images in a declared view.
    pub(crate) fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        let place = self.declared.iter().position(|declared| declared == view);
        let unknown = || RerankError::UnknownView { name: view.name.clone() };
        let transformed = &self.views[place.ok_or_else(unknown)?];
        let dimension = self.model.head().dimension();
        let mut values = Vec::with_capacity(images.len() * dimension);
        // Chunk by chunk, so that transformed pixels are never held of all images at once.
        for chunk in images.chunks(DERIVED_AT_ONCE) {
            let pixels: Vec<Pixels> =
                chunk.iter().map(|image| transformed.apply(&self.model.prepare(image))).collect();
            let rows = self.model.features(&pixels).map_err(failed)?;
            values.extend_from_slice(rows.values());
        }
        FeatureRows::new(dimension, values).map_err(failed)
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> RerankError {
    RerankError::Model { stage: "derive", source: Box::new(error) }
}
