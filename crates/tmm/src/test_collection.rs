//! A small collection with views for the tests of both rerankers.

use std::sync::Arc;

use lookalike_plugin_api::conformance::{MemoryExemplar, MemorySource};
use lookalike_plugin_api::{Embedder, Image};

use crate::blend::Blend;
use crate::stored_trigger::StoredTrigger;
use crate::tiny;
use crate::trigger::TriggerStart;
use crate::view::{TmmView, Transformation};
use crate::view_set::ViewSet;

pub(crate) const EXEMPLARS: usize = 40;

/// A drawn trigger and a mirror.
pub(crate) fn views() -> Vec<TmmView> {
    let (blend, omega) = (Blend::AsPrinted, 0.4);
    let trigger = StoredTrigger::random(&tiny::model(), &TriggerStart::Uniform, 4).unwrap();
    let trigger = Transformation::Trigger { trigger, blend, omega };
    vec![TmmView::new("trigger", trigger).unwrap(), TmmView::new("mirror", Transformation::Mirror).unwrap()]
}

/// Random images, `tiny::image(100)` and those after it, with their rows in the clean view and in [`views`].
pub(crate) fn source() -> MemorySource {
    let images: Vec<Image> = (0..EXEMPLARS).map(|i| tiny::image(100 + i as u64)).collect();
    let rows = tiny::model().embed(&images).unwrap();
    let set = ViewSet::new(Arc::new(tiny::model()), views()).unwrap();
    let derived: Vec<_> = set.declared().iter().map(|view| set.derive(view, &images).unwrap()).collect();
    let labels = ["a", "b", "other"];
    let exemplars = images
        .into_iter()
        .enumerate()
        .map(|(i, image)| MemoryExemplar { image, label: labels.get(i % 4).map(|&label| label.to_owned()) });
    let source = MemorySource::new(exemplars.collect(), rows).unwrap();
    let views = set.declared().iter().zip(derived);
    views.fold(source, |source, (view, rows)| source.with_view(&view.name, rows).unwrap())
}
