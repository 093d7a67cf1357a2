//! The query pipeline: decode -> embed -> shortlist -> (a reranker's own stages) -> respond.

mod reranked;
mod views;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lookalike_plugin_api::{
    Completion, EmbedError, ExemplarId, Image, ParameterError, QueryRows, RerankError, RerankJob,
    StageTiming, View,
};
use roaring::RoaringBitmap;
use thiserror::Error;
use tracing::info_span;

use self::reranked::Reranked;
use self::views::{Shortlist, not_stopped, query_rows, ranked, views_of};
use crate::collection::Collection;
use crate::decode::{DecodeError, decode};
use crate::kept_view::KeptView;
use crate::metric::{Direction, Metric};
use crate::query::{Answer, Candidates, Hit, MAX_HITS, Query, QueryImage, Ranking, Rerank, StageScore};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::views::DeriveError;

/// Why a search has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query's bytes are no image.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The model failed on the query.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The model gave something else than one row of the collection's length.
    #[error(
        "embed: {found_rows} rows of {found} values for a query, expected one of {expected}; check the model"
    )]
    Row {
        /// Rows given.
        found_rows: usize,
        /// Values in a row given.
        found: usize,
        /// The collection's dimension.
        expected: usize,
    },
    /// A reranker could not make the query's row in a view that it declares.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The collection keeps no such view.
    #[error("search: there is no view \"{name}\"; there are: {known}")]
    UnknownView {
        /// The name asked for.
        name: String,
        /// Names of those kept.
        known: String,
    },
    /// A view is named twice.
    #[error("search: view \"{name}\" is named twice; name each once")]
    ViewTwice {
        /// The view.
        name: String,
    },
    /// The metric compares in the clean view alone.
    #[error("search: metric {metric} knows the clean view alone, not {views}; use whitened, or name no view")]
    ViewMetric {
        /// The metric asked for.
        metric: Metric,
        /// The views asked for.
        views: String,
    },
    /// Exemplars have no row in a view, so that they could not be found in it.
    #[error("search: {missing} exemplars have no row in view \"{name}\" yet; {remedy}")]
    IncompleteView {
        /// The view.
        name: String,
        /// Exemplars without a row.
        missing: u64,
        /// What makes their rows.
        remedy: &'static str,
    },
    /// The number of hits is out of range.
    #[error("search: {found} hits asked for, from 1 to {MAX_HITS} are possible")]
    Hits {
        /// The number asked for.
        found: usize,
    },
    /// The shortlist is shorter than the number of hits.
    #[error("search: a shortlist of {found} cannot give {hits} hits; make it at least as long")]
    Shortlist {
        /// Candidates asked for.
        found: usize,
        /// Hits asked for.
        hits: usize,
    },
    /// No reranker of this name is registered.
    #[error("search: there is no reranker \"{name}\"; registered are: {known}")]
    UnknownReranker {
        /// The name asked for.
        name: String,
        /// Names of the registered ones.
        known: String,
    },
    /// More candidates than the reranker takes.
    #[error("search: {found} candidates, \"{reranker}\" takes {most}; use a shortlist or a narrower filter")]
    TooManyCandidates {
        /// Candidates there are.
        found: usize,
        /// Most that the reranker takes.
        most: usize,
        /// The reranker.
        reranker: String,
    },
    /// A parameter is unknown or out of range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The budget was gone before there was a shortlist.
    #[error("search: stopped before the shortlist was made ({0:?})")]
    Stopped(Completion),
    /// A hit's record could not be read.
    #[error("respond: a record cannot be read")]
    Read(#[from] lookalike_store::ReadError),
}

impl Collection {
    /// Finds the exemplars nearest to an image.
    ///
    /// The whole search sees one state of the collection: writes that finish meanwhile do not appear in it. Ties are broken by
    /// ascending id. Equal queries on equal data give equal answers, for any number of threads.
    ///
    /// # Errors
    ///
    /// [`SearchError`]. A reranker that fails or runs out of budget is no error: [`Answer::status`] says so, and
    /// the order is the shortlist's from there on.
    pub fn search(&self, query: &Query) -> Result<Answer, SearchError> {
        let ranking = query.ranking();
        let asked = self.asked(query, std::slice::from_ref(&ranking))?;
        self.answer(query, &ranking, &asked)
    }

    /// Finds the exemplars nearest to an image by several rankings, in their order; what the query says of a ranking of
    /// its own does not count.
    ///
    /// All see one state of the collection. The image is decoded once, and runs through the model once in each view that
    /// a ranking compares in. The budget is that of all rankings together.
    ///
    /// # Errors
    ///
    /// As [`Collection::search`], for the first ranking that has no answer.
    pub fn search_rankings(&self, query: &Query, rankings: &[Ranking]) -> Result<Vec<Answer>, SearchError> {
        let asked = self.asked(query, rankings)?;
        rankings.iter().map(|ranking| self.answer(query, ranking, &asked)).collect()
    }

    /// What all rankings of a query share.
    fn asked(&self, query: &Query, rankings: &[Ranking]) -> Result<Asked, SearchError> {
        rankings.iter().try_for_each(|ranking| check(query, ranking))?;
        let mut watch = Stopwatch::default();
        let state = self.state();
        let image = watch.stage("decode", || decoded(&query.image))?;
        let mut views: Vec<&KeptView> = Vec::new();
        for ranking in rankings {
            views.extend(views_of(ranking, &state)?);
        }
        let rows = watch.stage("embed", || query_rows(&state, &views, &image))?;
        let matched = query
            .filter
            .as_ref()
            .map_or_else(|| state.catalog().live().clone(), |filter| filter.matches(state.catalog()));
        Ok(Asked { image, rows, matched, state, timings: watch.timings })
    }

    /// One ranking's answer.
    fn answer(&self, query: &Query, ranking: &Ranking, asked: &Asked) -> Result<Answer, SearchError> {
        not_stopped(query.budget.exhausted())?;
        let mut watch = Stopwatch { timings: asked.timings.clone() };
        let depth = depth(query, ranking, &asked.matched);
        let shortlist = watch.stage("shortlist", || ranked(query, ranking, asked, depth))?;
        let reranked = match &ranking.rerank {
            Some(rerank) => self.rerank(query, rerank, asked, &shortlist.candidates)?,
            None => Reranked::skipped(),
        };
        watch.add(&reranked.timings);
        let hits = watch.stage("respond", || self.respond(query.hits, asked, &shortlist, &reranked))?;

        let mut notes: Vec<String> = Vec::new();
        if shortlist.metric != ranking.metric {
            let (wanted, used) = (ranking.metric, shortlist.metric);
            notes.push(format!("{wanted} needs exemplars that differ; {used} was used"));
        }
        Ok(Answer {
            hits,
            ranking: reranked.ranking.unwrap_or(shortlist.ranking),
            status: reranked.status,
            matched: asked.matched.len(),
            batch: asked.state.catalog().batch(),
            query_row: asked.rows.get(View::CLEAN).map(<[f32]>::to_vec).unwrap_or_default(),
            metric: shortlist.metric,
            timings: watch.timings,
            artifacts: reranked.artifacts,
            notes,
        })
    }

    /// Lets a reranker score the shortlist. What the caller got wrong is an error; what goes wrong inside the
    /// reranker falls back to the shortlist.
    fn rerank(
        &self,
        query: &Query,
        rerank: &Rerank,
        asked: &Asked,
        shortlist: &[(ExemplarId, f32)],
    ) -> Result<Reranked, SearchError> {
        let serving = asked.state.serving();
        let reranker = serving.reranker(&rerank.reranker).ok_or_else(|| SearchError::UnknownReranker {
            name: rerank.reranker.clone(),
            known: serving.reranker_names(),
        })?;
        let description = reranker.describe();
        rerank.parameters.check(&description.parameters)?;
        if shortlist.len() > description.max_candidates {
            return Err(SearchError::TooManyCandidates {
                found: shortlist.len(),
                most: description.max_candidates,
                reranker: rerank.reranker.clone(),
            });
        }
        let candidates: Vec<ExemplarId> = shortlist.iter().map(|(id, _)| *id).collect();
        let snapshot = Snapshot::new(self.stored(), Arc::clone(&asked.state), &query.budget);
        let job = RerankJob {
            query: &asked.image,
            query_label: query.label.as_deref(),
            query_rows: &asked.rows,
            candidates: &candidates,
            source: &snapshot,
            parameters: &rerank.parameters,
            seed: query.seed,
        };
        match reranker.rerank(&job, &query.budget) {
            Ok(scores) => Ok(Reranked::of(&candidates, scores)),
            Err(RerankError::Parameter(refused)) => Err(SearchError::Parameter(refused)),
            Err(failed) => Ok(Reranked::fallback(chain(&failed))),
        }
    }

    fn respond(
        &self,
        hits: usize,
        asked: &Asked,
        shortlist: &Shortlist,
        reranked: &Reranked,
    ) -> Result<Vec<Hit>, SearchError> {
        let Shortlist { metric, ranking, candidates: shortlist } = shortlist;
        // Whatever the second stage left unscored follows in shortlist order.
        let scored: RoaringBitmap = reranked.ranked.iter().map(|(id, _)| *id).collect();
        let order = reranked.ranked.iter().chain(shortlist.iter().filter(|(id, _)| !scored.contains(*id)));
        let places: HashMap<ExemplarId, usize> =
            shortlist.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        let chosen: Vec<(ExemplarId, f32)> = order.take(hits).copied().collect();
        let stages_before = reranked.stages_of(&chosen.iter().map(|(id, _)| *id).collect());
        let mut hits = Vec::with_capacity(chosen.len());
        for (place, (id, score)) in chosen.iter().enumerate() {
            let Some(record) = self.stored().record_in(asked.state.catalog(), *id)? else { continue };
            let mut stages = Vec::with_capacity(2 + stages_before.len());
            if let Some(place) = places.get(id) {
                stages.push(StageScore {
                    stage: "shortlist",
                    ranking: ranking.name.clone(),
                    score: shortlist[*place].1,
                    direction: metric.direction(),
                    rank: place + 1,
                });
            }
            if let Some(reranking) = &reranked.ranking {
                let of_hit =
                    stages_before.iter().filter_map(|(stage, places)| Some((stage, places.get(id)?)));
                stages.extend(of_hit.map(|(stage, (score, rank))| StageScore {
                    stage,
                    ranking: reranking.name.clone(),
                    score: *score,
                    direction: Direction::LargerIsNearer,
                    rank: *rank,
                }));
            }
            if let (Some(reranking), true) = (&reranked.ranking, scored.contains(*id)) {
                stages.push(StageScore {
                    stage: "score",
                    ranking: reranking.name.clone(),
                    score: *score,
                    direction: Direction::LargerIsNearer,
                    rank: place + 1,
                });
            }
            hits.push(Hit { id: *id, key: record.key, label: record.label, tags: record.tags, stages });
        }
        Ok(hits)
    }
}

/// A query as all its rankings see it.
pub(crate) struct Asked {
    image: Image,
    /// In every view that a ranking compares in.
    rows: QueryRows,
    /// Exemplars that pass the filter.
    matched: RoaringBitmap,
    state: Arc<State>,
    timings: Vec<StageTiming>,
}

/// Measures stages and opens a tracing span for each under the same word.
#[derive(Default)]
struct Stopwatch {
    timings: Vec<StageTiming>,
}

impl Stopwatch {
    fn stage<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let _span = info_span!("stage", name = stage).entered();
        let start = Instant::now();
        let outcome = work();
        self.timings.push(StageTiming { stage, elapsed: start.elapsed(), steps: 0 });
        outcome
    }

    /// Takes the times of a reranker over; those of one word are added up.
    fn add(&mut self, timings: &[StageTiming]) {
        for timing in timings {
            match self.timings.iter_mut().find(|known| known.stage == timing.stage) {
                Some(known) => {
                    known.elapsed += timing.elapsed;
                    known.steps += timing.steps;
                }
                None => self.timings.push(*timing),
            }
        }
    }
}

fn check(query: &Query, ranking: &Ranking) -> Result<(), SearchError> {
    if query.hits == 0 || query.hits > MAX_HITS {
        return Err(SearchError::Hits { found: query.hits });
    }
    match &ranking.rerank {
        Some(Rerank { candidates: Candidates::Shortlist(found), .. }) if *found < query.hits => {
            Err(SearchError::Shortlist { found: *found, hits: query.hits })
        }
        Some(_) | None => Ok(()),
    }
}

fn decoded(image: &QueryImage) -> Result<Image, DecodeError> {
    match image {
        QueryImage::Encoded(bytes) => Ok(decode(bytes)?.image),
        QueryImage::Decoded(image) => Ok(image.clone()),
    }
}

/// How many candidates the shortlist stage hands on.
fn depth(query: &Query, ranking: &Ranking, matched: &RoaringBitmap) -> usize {
    match &ranking.rerank {
        None => query.hits,
        Some(Rerank { candidates: Candidates::Shortlist(length), .. }) => *length,
        Some(Rerank { candidates: Candidates::All, .. }) => matched.len() as usize,
    }
}

/// An error and its sources on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}

#[cfg(test)]
mod tests;
