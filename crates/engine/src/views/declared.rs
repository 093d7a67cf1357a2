//! The views that rerankers declare.

use std::fmt;
use std::sync::Arc;

use lookalike_plugin_api::{Embedder, FeatureRows, Image, RerankError, Reranker, View};
use thiserror::Error;
use tracing::info_span;

use crate::state::Serving;

/// Most views that the rerankers of a collection declare together.
///
/// The store keeps [`lookalike_store::MAX_VIEWS`], which is 64, for all models of a collection: with the clean one, these are
/// enough for the current model, the one before and one that is being built.
pub const MAX_DECLARED_VIEWS: usize = 20;

/// Hexadecimal digits of its id in the name that a view is kept under: two views of one name and different
/// transformations share them with a chance of 2^-64.
const ID_DIGITS: usize = 16;
/// Between the name of a view and the digits of its id; no name has it.
const SEPARATOR: char = '@';

/// Why rerankers cannot serve one collection together.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewsError {
    /// A declared name is none.
    #[error(
        "reranker \"{reranker}\" declares a view \"{name}\"; a name has 1 to {} of a-z, 0-9, - and _, and is not \"clean\"",
        View::MAX_NAME_BYTES
    )]
    Name {
        /// The reranker.
        reranker: String,
        /// The name it declares.
        name: String,
    },
    /// Two rerankers, or one, declare different views under one name.
    #[error(
        "rerankers \"{first}\" and \"{second}\" declare different views \"{name}\"; give one another name, or register one of them"
    )]
    Conflict {
        /// The name.
        name: String,
        /// The reranker registered first.
        first: String,
        /// The other one, which may be the same.
        second: String,
    },
    /// Too many views.
    #[error("the rerankers declare {found} views, at most {MAX_DECLARED_VIEWS} are kept; register fewer")]
    TooMany {
        /// Views declared.
        found: usize,
    },
}

/// Why rows of a view could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeriveError {
    /// The reranker that declares the view failed.
    #[error("embed: the rows of view \"{view}\" cannot be derived")]
    Reranker {
        /// The view.
        view: String,
        /// Why.
        #[source]
        source: Box<RerankError>,
    },
    /// The reranker gave rows that do not fit the images or the collection.
    #[error(
        "embed: {found_rows} rows of {found} values in view \"{view}\" for {images} images, \
         expected rows of {expected} values; check the reranker"
    )]
    Rows {
        /// The view.
        view: String,
        /// Rows given.
        found_rows: usize,
        /// Values in a row given.
        found: usize,
        /// Images handed over.
        images: usize,
        /// The collection's dimension.
        expected: usize,
    },
}

/// A view with the one who makes its rows.
#[derive(Clone)]
pub(crate) struct DeclaredView {
    view: View,
    kept: String,
    reranker: Arc<dyn Reranker>,
}

impl DeclaredView {
    /// The name that requests use.
    pub(crate) fn name(&self) -> &str {
        &self.view.name
    }

    /// The name that the store keeps its rows under: another transformation, or another model, is another view, so
    /// that rows are missing rather than wrong.
    pub(crate) fn kept(&self) -> &str {
        &self.kept
    }

    /// The digits of its id that are in [`DeclaredView::kept`].
    pub(crate) fn id(&self) -> &str {
        split_kept(&self.kept).map_or("", |(_, id)| id)
    }

    /// The rows of images, if they are as many and as long as they must be.
    pub(crate) fn derive(&self, images: &[Image], dimension: usize) -> Result<FeatureRows, DeriveError> {
        let _span = info_span!("stage", name = "embed", view = self.name(), n = images.len()).entered();
        let view = || self.name().to_owned();
        let rows = self
            .reranker
            .derive(&self.view, images)
            .map_err(|source| DeriveError::Reranker { view: view(), source: Box::new(source) })?;
        if rows.len() != images.len() || rows.dimension() != dimension {
            return Err(DeriveError::Rows {
                view: view(),
                found_rows: rows.len(),
                found: rows.dimension(),
                images: images.len(),
                expected: dimension,
            });
        }
        Ok(rows)
    }
}

/// Name and id of a view by the name that it is kept under; `None` if no reranker declared it.
pub(crate) fn split_kept(kept: &str) -> Option<(&str, &str)> {
    let (name, id) = kept.split_once(SEPARATOR)?;
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (View::is_name(name) && is_id).then_some((name, id))
}

/// A model, the rerankers that look at exemplars through it, and the views that these want kept.
pub(crate) struct Served {
    serving: Serving,
    views: Vec<DeclaredView>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views: Vec<&str> = self.views.iter().map(DeclaredView::kept).collect();
        f.debug_struct("Served").field("serving", &self.serving).field("views", &views).finish()
    }
}

impl Served {
    /// Puts together the views of all rerankers that a search can name, in the order of their registration.
    pub(crate) fn new(serving: Serving) -> Result<Self, ViewsError> {
        let mut views: Vec<DeclaredView> = Vec::new();
        for reranker in serving.reachable() {
            let description = reranker.describe();
            for view in &description.views {
                if !View::is_name(&view.name) {
                    let (reranker, name) = (description.name.to_owned(), view.name.clone());
                    return Err(ViewsError::Name { reranker, name });
                }
                match views.iter().find(|known| known.name() == view.name) {
                    None => {
                        let digits = &view.id.0.to_string()[..ID_DIGITS];
                        let kept = format!("{}{SEPARATOR}{digits}", view.name);
                        let reranker = Arc::clone(reranker);
                        views.push(DeclaredView { view: view.clone(), kept, reranker });
                    }
                    Some(known) if known.view.id == view.id => {}
                    Some(known) => {
                        let first = known.reranker.describe().name.to_owned();
                        let (name, second) = (view.name.clone(), description.name.to_owned());
                        return Err(ViewsError::Conflict { name, first, second });
                    }
                }
            }
        }
        if views.len() > MAX_DECLARED_VIEWS {
            return Err(ViewsError::TooMany { found: views.len() });
        }
        Ok(Self { serving, views })
    }

    pub(crate) fn serving(&self) -> &Serving {
        &self.serving
    }

    pub(crate) fn model(&self) -> &Arc<dyn Embedder> {
        &self.serving.embedder
    }

    /// Values of a row.
    pub(crate) fn dimension(&self) -> usize {
        self.model().fingerprint().dimension as usize
    }

    /// The views beside the clean one.
    pub(crate) fn views(&self) -> &[DeclaredView] {
        &self.views
    }

    /// Whether it makes the same rows as another.
    pub(crate) fn makes_rows_of(&self, other: &Self) -> bool {
        let kept = |served: &Self| served.views.iter().map(|view| view.kept.clone()).collect::<Vec<_>>();
        self.model().fingerprint() == other.model().fingerprint() && kept(self) == kept(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToyViews};

    fn served(rerankers: Vec<ToyViews>) -> Result<Served, ViewsError> {
        let rerankers = rerankers.into_iter().map(|toy| Arc::new(toy) as Arc<dyn Reranker>).collect();
        Served::new(Serving { embedder: Toy::new(1), rerankers })
    }

    fn kept(served: &Served) -> Vec<&str> {
        served.views().iter().map(DeclaredView::kept).collect()
    }

    #[test]
    fn a_view_that_two_rerankers_declare_alike_is_kept_once() {
        let served =
            served(vec![ToyViews::new("one", &[("dim", 3)]), ToyViews::new("two", &[("dim", 3), ("x", 4)])])
                .unwrap();
        assert_eq!(kept(&served), ["dim@0303030303030303", "x@0404040404040404"]);
        assert_eq!(served.views()[1].id(), "0404040404040404");
    }

    #[test]
    fn different_views_of_one_name_are_refused_with_both_rerankers() {
        let error = served(vec![ToyViews::new("one", &[("dim", 3)]), ToyViews::new("two", &[("dim", 4)])])
            .unwrap_err();
        let (name, first, second) = ("dim".to_owned(), "one".to_owned(), "two".to_owned());
        assert_eq!(error, ViewsError::Conflict { name, first, second });
    }

    #[test]
    fn of_two_rerankers_with_one_name_the_later_declares() {
        let both = vec![ToyViews::new("one", &[("dim", 3)]), ToyViews::new("one", &[("dim", 4)])];
        assert_eq!(kept(&served(both).unwrap()), ["dim@0404040404040404"]);
    }

    #[test]
    fn names_and_numbers_that_cannot_be_kept_are_refused() {
        for name in ["clean", "Dim", "a@b", ""] {
            let error = served(vec![ToyViews::new("one", &[(name, 3)])]).unwrap_err();
            assert!(matches!(error, ViewsError::Name { .. }), "{error}");
        }
        let names: Vec<String> = (0..=MAX_DECLARED_VIEWS).map(|number| format!("v{number}")).collect();
        let views: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let error = served(vec![ToyViews::new("one", &views)]).unwrap_err();
        assert_eq!(error, ViewsError::TooMany { found: MAX_DECLARED_VIEWS + 1 });
    }

    #[test]
    fn only_what_a_reranker_declared_is_taken_apart() {
        assert_eq!(split_kept("dim@0303030303030303"), Some(("dim", "0303030303030303")));
        for other in ["clean", "dim", "dim@03", "clean@0303030303030303", "dim@030303030303030g"] {
            assert_eq!(split_kept(other), None, "{other}");
        }
    }
}
