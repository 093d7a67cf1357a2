//! Which views a query is compared in, its rows there, and the shortlist that comes of it.

use lookalike_plugin_api::{AppliedRanking, Completion, ExemplarId, Image, QueryRows, View};

use super::{Asked, SearchError};
use crate::kept_view::KeptView;
use crate::metric::Metric;
use crate::query::{Query, Ranking};
use crate::shortlist::{QueryRow, shortlist};
use crate::state::State;

/// The candidates of a ranking with their scores, best first, and what ranked them.
pub(super) struct Shortlist {
    pub(super) metric: Metric,
    /// The metric, with the views unless it is the clean one alone.
    pub(super) ranking: AppliedRanking,
    pub(super) candidates: Vec<(ExemplarId, f32)>,
}

/// The views that a ranking names, as far as its metric and the collection can serve them.
pub(super) fn views_of<'a>(ranking: &Ranking, state: &'a State) -> Result<Vec<&'a KeptView>, SearchError> {
    let clean = [View::CLEAN.to_owned()];
    let names = if ranking.views.is_empty() { &clean[..] } else { &ranking.views };
    let mut views = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let view = state.view(name).ok_or_else(|| {
            let known: Vec<&str> = state.views().map(KeptView::name).collect();
            SearchError::UnknownView { name: name.clone(), known: known.join(", ") }
        })?;
        if names[..place].contains(name) {
            return Err(SearchError::ViewTwice { name: name.clone() });
        }
        views.push(view);
    }
    if ranking.metric != Metric::Whitened && !is_clean(&views) {
        return Err(SearchError::ViewMetric { metric: ranking.metric, views: names.join(", ") });
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

/// Stage `embed`, of a query: its row in the clean view, and those in `views`.
pub(super) fn query_rows(
    state: &State,
    views: &[&KeptView],
    image: &Image,
) -> Result<QueryRows, SearchError> {
    let images = std::slice::from_ref(image);
    let expected = state.clean().dimension();
    let made = state.model().embed(images)?;
    if made.len() != 1 || made.dimension() != expected {
        let (found_rows, found) = (made.len(), made.dimension());
        return Err(SearchError::Row { found_rows, found, expected });
    }
    let mut rows = QueryRows::default().with(View::CLEAN, made.into_values());
    for view in views {
        let declared = state.served().views().iter().find(|declared| declared.kept() == view.kept());
        if let Some(declared) = declared.filter(|_| rows.get(view.name()).is_none()) {
            rows = rows.with(view.name(), declared.derive(images, expected)?.into_values());
        }
    }
    Ok(rows)
}

/// The shortlist, by cosine in the clean view where whitening is not possible yet. Fitting a whitening ends with the
/// query's budget.
pub(super) fn ranked(
    query: &Query,
    ranking: &Ranking,
    asked: &Asked,
    depth: usize,
) -> Result<Shortlist, SearchError> {
    let (metric, budget) = (ranking.metric, query.budget.without_step_limit());
    let state = &asked.state;
    let views = views_of(ranking, state)?;
    let best = |metric: Metric, views: &[&KeptView]| {
        let row = |view: &&KeptView| {
            let row = asked.rows.get(view.name())?.to_vec();
            Some(QueryRow { view: state.view(view.name())?, row })
        };
        let rows: Vec<QueryRow<'_>> = views.iter().filter_map(row).collect();
        shortlist(state, &rows, metric, &asked.matched, depth, &budget).map_err(SearchError::Stopped)
    };
    if let Some(candidates) = best(metric, &views)? {
        return Ok(Shortlist { metric, ranking: applied(metric, &views), candidates });
    }
    let (metric, clean) = (Metric::Cosine, [state.clean_view()]);
    let candidates = best(metric, &clean)?.unwrap_or_default();
    Ok(Shortlist { metric, ranking: applied(metric, &clean), candidates })
}

fn applied(metric: Metric, views: &[&KeptView]) -> AppliedRanking {
    let (name, summary) = (metric.name().to_owned(), metric.summary().to_owned());
    if is_clean(views) {
        return AppliedRanking { name, summary };
    }
    let names: Vec<&str> = views.iter().map(|view| view.name()).collect();
    let summary = match names.as_slice() {
        [view] => format!("{summary}, in the view {view}"),
        _ => format!("{summary}, summed over {} views", names.len()),
    };
    AppliedRanking { name: format!("{name}({})", names.join("+")), summary }
}

/// What a search is told when its budget is gone before there is a shortlist.
pub(super) fn not_stopped(ended: Option<Completion>) -> Result<(), SearchError> {
    ended.map_or(Ok(()), |completion| Err(SearchError::Stopped(completion)))
}
