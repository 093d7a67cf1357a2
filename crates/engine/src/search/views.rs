//! Which views a query is compared in, its rows there, and the shortlist that comes of it.

use lookalike_plugin_api::{Completion, ExemplarId, Image, View};
use roaring::RoaringBitmap;

use super::SearchError;
use crate::generation::Generation;
use crate::kept_view::KeptView;
use crate::metric::Metric;
use crate::query::Query;
use crate::shortlist::{QueryRow, shortlist};

/// What ranked the shortlist.
pub(super) struct Ranking {
    pub(super) metric: Metric,
    /// The metric, with the views unless it is the clean one alone.
    pub(super) name: String,
}

/// The views that a query names, as far as its metric and the collection can serve them.
pub(super) fn views_of<'a>(
    query: &Query,
    generation: &'a Generation,
) -> Result<Vec<&'a KeptView>, SearchError> {
    let clean = [View::CLEAN.to_owned()];
    let names = if query.views.is_empty() { &clean[..] } else { &query.views };
    let mut views = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let view = generation.view(name).ok_or_else(|| {
            let known: Vec<&str> = generation.views().map(KeptView::name).collect();
            SearchError::UnknownView { name: name.clone(), known: known.join(", ") }
        })?;
        if names[..place].contains(name) {
            return Err(SearchError::ViewTwice { name: name.clone() });
        }
        views.push(view);
    }
    if query.metric != Metric::Whitened && !is_clean(&views) {
        return Err(SearchError::ViewMetric { metric: query.metric, views: names.join(", ") });
    }
    // Without its clean row an exemplar is not found at all until a rebuild makes it: that is no matter of views.
    let incomplete = views.iter().find(|view| view.name() != View::CLEAN && !view.missing().is_empty());
    match incomplete {
        Some(view) => Err(SearchError::IncompleteView {
            name: view.name().to_owned(),
            missing: view.missing().len(),
            remedy: view.remedy(),
        }),
        None => Ok(views),
    }
}

fn is_clean(views: &[&KeptView]) -> bool {
    matches!(views, [view] if view.name() == View::CLEAN)
}

/// The query's row in the clean view, and those in `views`.
pub(super) struct QueryRows<'a> {
    clean: QueryRow<'a>,
    /// In the views that the shortlist compares in; empty when that is the clean one alone.
    asked: Vec<QueryRow<'a>>,
}

/// Stage `embed`, of a query.
pub(super) fn query_rows<'a>(
    generation: &'a Generation,
    views: &[&'a KeptView],
    image: &Image,
) -> Result<QueryRows<'a>, SearchError> {
    let images = std::slice::from_ref(image);
    let expected = generation.clean().dimension();
    let made = generation.model().embed(images)?;
    if made.len() != 1 || made.dimension() != expected {
        let (found_rows, found) = (made.len(), made.dimension());
        return Err(SearchError::Row { found_rows, found, expected });
    }
    let row = made.into_values();
    let clean = |row| QueryRow { view: generation.clean_view(), row };
    if is_clean(views) {
        return Ok(QueryRows { clean: clean(row), asked: Vec::new() });
    }
    let mut asked = Vec::with_capacity(views.len());
    for view in views {
        let declared = generation.served().views().iter().find(|declared| declared.kept() == view.kept());
        let row = match declared {
            Some(declared) => declared.derive(images, expected)?.into_values(),
            None => row.clone(),
        };
        asked.push(QueryRow { view, row });
    }
    Ok(QueryRows { clean: clean(row), asked })
}

/// The shortlist, by cosine in the clean view where whitening is not possible yet. Fitting a whitening ends with the
/// query's budget.
pub(super) fn ranked(
    generation: &Generation,
    rows: &QueryRows<'_>,
    query: &Query,
    matched: &RoaringBitmap,
    depth: usize,
) -> Result<(Ranking, Vec<(ExemplarId, f32)>), Completion> {
    let (metric, budget) = (query.metric, query.budget.without_step_limit());
    let clean = std::slice::from_ref(&rows.clean);
    let asked = if rows.asked.is_empty() { clean } else { &rows.asked };
    if let Some(found) = shortlist(generation, asked, metric, matched, depth, &budget)? {
        let names: Vec<&str> = rows.asked.iter().map(|row| row.view.name()).collect();
        let name = if names.is_empty() {
            metric.name().to_owned()
        } else {
            format!("{metric}({})", names.join("+"))
        };
        return Ok((Ranking { metric, name }, found));
    }
    let metric = Metric::Cosine;
    let found = shortlist(generation, clean, metric, matched, depth, &budget)?.unwrap_or_default();
    Ok((Ranking { metric, name: metric.name().to_owned() }, found))
}
