//! What a search is asked and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use lookalike_plugin_api::{
    AppliedRanking, Artifact, Budget, ExemplarId, Image, Parameters, RankingStatus, StageTiming,
};
use lookalike_store::TagValue;

use crate::filter::Filter;
use crate::metric::{Direction, Metric};

/// Most hits of one answer.
pub const MAX_HITS: usize = 10_000;

/// Hits of an answer when the caller does not say.
pub const DEFAULT_HITS: usize = 10;

/// Candidates that a reranker sees when the caller does not say.
pub const DEFAULT_CANDIDATES: usize = 200;

/// The image of a query.
#[derive(Debug, Clone)]
pub enum QueryImage {
    /// PNG, JPEG, PPM/PGM, BMP or WebP bytes.
    Encoded(Vec<u8>),
    /// Decoded pixels.
    Decoded(Image),
}

/// One search.
///
/// # Examples
///
/// ```no_run
/// use lookalike_engine::{Query, Rerank};
///
/// let photo = std::fs::read("query.png")?;
/// let query = Query { hits: 5, filter: Some("label != test".parse()?), ..Query::encoded(photo) };
/// let reranked = Query { rerank: Some(Rerank::new("multiview")), ..query };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    /// What to look for.
    pub image: QueryImage,
    /// The query's label, if it is known; a reranker that needs one and has none uses its model's prediction.
    pub label: Option<String>,
    /// Number of hits, 1 to [`MAX_HITS`].
    pub hits: usize,
    /// Metric of the shortlist stage.
    pub metric: Metric,
    /// Views that the shortlist stage compares in: the clean one, if this is empty. With [`Metric::Whitened`] they may be
    /// any that the collection keeps, [`lookalike_plugin_api::View::CLEAN`] or a declared one, none twice; the score is then the
    /// sum of the whitened cosines in them, from minus to plus their number. The other metrics know the clean view alone.
    pub views: Vec<String>,
    /// Which exemplars may be found; all of them without a filter.
    pub filter: Option<Filter>,
    /// The second stage, if there is to be one.
    pub rerank: Option<Rerank>,
    /// Seed of every random choice. Equal queries with equal seeds give equal answers.
    pub seed: u64,
    /// What the search may spend.
    pub budget: Budget,
}

impl Query {
    /// A search with the defaults for encoded bytes: [`DEFAULT_HITS`] by the default metric, no rerank, seed 0.
    pub fn encoded(bytes: Vec<u8>) -> Self {
        Self::of(QueryImage::Encoded(bytes))
    }

    /// A search with the defaults for decoded pixels.
    pub fn decoded(image: Image) -> Self {
        Self::of(QueryImage::Decoded(image))
    }

    /// Its ranking, to be asked for beside others with [`Collection::search_rankings`](crate::Collection::search_rankings).
    pub fn ranking(&self) -> Ranking {
        Ranking { metric: self.metric, views: self.views.clone(), rerank: self.rerank.clone() }
    }

    fn of(image: QueryImage) -> Self {
        Self {
            image,
            label: None,
            hits: DEFAULT_HITS,
            metric: Metric::default(),
            views: Vec::new(),
            filter: None,
            rerank: None,
            seed: 0,
            budget: Budget::unlimited(),
        }
    }
}

/// One way to order a collection: what a [`Query`] says of it.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// As [`Query::metric`].
    pub metric: Metric,
    /// As [`Query::views`].
    pub views: Vec<String>,
    /// As [`Query::rerank`].
    pub rerank: Option<Rerank>,
}

/// The second stage of a search.
#[derive(Debug, Clone)]
pub struct Rerank {
    /// Name of a registered reranker.
    pub reranker: String,
    /// Which candidates it scores.
    pub candidates: Candidates,
    /// Its settings; those not given take their defaults.
    pub parameters: Parameters,
}

impl Rerank {
    /// The reranker of this name over a shortlist of [`DEFAULT_CANDIDATES`], with its default settings.
    pub fn new(reranker: impl Into<String>) -> Self {
        Self {
            reranker: reranker.into(),
            candidates: Candidates::Shortlist(DEFAULT_CANDIDATES),
            parameters: Parameters::default(),
        }
    }
}

/// Which exemplars a reranker scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// The best so many of the shortlist stage; at least as many as there are hits.
    Shortlist(usize),
    /// Everything that passes the filter.
    All,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The neighbours, best first.
    pub hits: Vec<Hit>,
    /// What ordered them, and a line about it from the settings that ran: the reranker, or the metric where there was
    /// none or it could not work.
    pub ranking: AppliedRanking,
    /// What became of the second stage.
    pub status: RankingStatus,
    /// Exemplars that passed the filter.
    pub matched: u64,
    /// Number of the newest batch of writes that the search saw.
    pub batch: u64,
    /// The query's row in the clean view: a classifier's head over it gives what the model sees, without the network.
    pub query_row: Vec<f32>,
    /// Metric that the shortlist stage used: the one asked for, or [`Metric::Cosine`] when the collection is too
    /// small to be whitened; a note says so then.
    pub metric: Metric,
    /// Time per stage, in the order in which the stages ran, each word once. Of several rankings of one query each has the
    /// time of the decoding and embedding that all share.
    pub timings: Vec<StageTiming>,
    /// What the reranker has to show.
    pub artifacts: Vec<Artifact>,
    /// Remarks for people.
    pub notes: Vec<String>,
}

impl Answer {
    /// Which end of the score that decided is the near one: a reranker's larger one, or as the metric has it.
    pub fn direction(&self) -> Direction {
        match self.status {
            RankingStatus::Applied | RankingStatus::Partial { .. } => Direction::LargerIsNearer,
            RankingStatus::Fallback { .. } | RankingStatus::Skipped => self.metric.direction(),
        }
    }

    /// Time of all stages together.
    pub fn elapsed(&self) -> Duration {
        self.timings.iter().map(|timing| timing.elapsed).sum()
    }
}

/// One neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: ExemplarId,
    /// Its key.
    pub key: String,
    /// Its label.
    pub label: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, TagValue>,
    /// Score and rank in each stage that ranked it, in the order of the stages; the last one decided its place.
    pub stages: Vec<StageScore>,
}

/// What one stage thought of a hit.
#[derive(Debug, Clone, PartialEq)]
pub struct StageScore {
    /// `shortlist`, the word of a stage of the reranker, or `score` for what the reranker made of them. No word twice.
    pub stage: &'static str,
    /// Metric or reranker that made the score; with other views than the clean one, the metric names them:
    /// `whitened(clean+blur)`.
    pub ranking: String,
    /// The score.
    pub score: f32,
    /// Which end of it is the near one.
    pub direction: Direction,
    /// Place among the candidates of this stage, 1 is the nearest; ties by ascending id.
    pub rank: usize,
}
