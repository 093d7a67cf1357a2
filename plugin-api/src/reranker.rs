use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{
    Budget, Completion, ExemplarId, FeatureRows, Image, LabelId, ParameterError, ParameterSpec, Parameters,
    View,
};

/// Scores the candidates of one query.
///
/// A reranker sees plain values: the query image, candidate ids and an [`ExemplarSource`] that answers for them.
/// It returns one score per candidate, larger is nearer. The host sorts, breaks ties by id and cuts to the number
/// of hits asked for, so a reranker never decides what an equal score means. It is a trait object on purpose: it
/// is called once per query, and a host holds plugins that it was not compiled with.
///
/// An implementation must
/// - score candidates in the order given, so that running out of budget leaves the best of the shortlist scored;
/// - poll the budget at least every 50 ms of work, and return what it has when the budget is exhausted;
/// - take every random choice from the job's seed: equal jobs give equal scores;
/// - return an error, not a score, when a number is NaN or infinite;
/// - leave shared state as it was: any number of jobs may run at once.
///
/// The module `conformance` (feature of the same name) holds an implementation to this.
pub trait Reranker: Send + Sync {
    /// What it is called, what it can do, which parameters and views it knows.
    fn describe(&self) -> &RerankerDescription;

    /// Rows `[n, dimension]` of `images` under one of the views that [`RerankerDescription::views`] declares; the
    /// host calls this at ingest and at rebuild and keeps the rows.
    ///
    /// # Errors
    ///
    /// [`RerankError::UnknownView`] for any other view; [`RerankError::Model`] when the model fails.
    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError>;

    /// Scores of the job's candidates.
    ///
    /// # Errors
    ///
    /// [`RerankError`] when the job cannot be done at all. Running out of budget is no error.
    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError>;
}

/// Identity, capabilities and schema of a [`Reranker`].
#[derive(Debug, Clone, PartialEq)]
pub struct RerankerDescription {
    /// Name that requests use, lower case.
    pub name: &'static str,
    /// Version of the implementation, for logs and reports.
    pub version: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// Largest number of candidates of one job.
    pub max_candidates: usize,
    /// Parameters it understands.
    pub parameters: Vec<ParameterSpec>,
    /// Views beside the clean one that it wants kept.
    pub views: Vec<View>,
}

/// One query's work for a [`Reranker`].
#[derive(Clone, Copy)]
pub struct RerankJob<'a> {
    /// The query image.
    pub query: &'a Image,
    /// The query's label if the caller knows it; otherwise the reranker uses its model's own prediction.
    pub query_label: Option<&'a str>,
    /// Candidates in shortlist order, best first, none twice.
    pub candidates: &'a [ExemplarId],
    /// Where the candidates' images, rows and labels come from.
    pub source: &'a dyn ExemplarSource,
    /// Settings; those not given take their defaults.
    pub parameters: &'a Parameters,
    /// The seed of every random choice.
    pub seed: u64,
}

impl fmt::Debug for RerankJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RerankJob")
            .field("query", self.query)
            .field("query_label", &self.query_label)
            .field("candidates", &self.candidates.len())
            .field("parameters", self.parameters)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Answers for the exemplars of one generation of a collection.
///
/// All methods may be called from any thread and see the same generation for the whole job.
pub trait ExemplarSource: Send + Sync {
    /// Images of `ids`, in their order.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] for an id that is not there; [`SourceError::Storage`] when reading fails.
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError>;

    /// Rows `[n, dimension]` of `ids` in the view of this name, in their order.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::images`]; [`SourceError::View`] when the collection keeps no such view, and
    /// [`SourceError::Incomplete`] when exemplars have no row in it yet.
    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError>;

    /// Labels of `ids`, in their order; `None` for an exemplar without one.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::images`].
    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError>;

    /// The user's word for a label.
    fn label_name(&self, label: LabelId) -> Option<&str>;

    /// A sample of at most `size` exemplars that stands for the whole collection, spread evenly over the labels. It
    /// depends on the generation and the seed alone, and had better not depend on the order in which exemplars were
    /// stored: a reranker trains on it in the order given.
    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId>;

    /// `rows` of a view, centred and whitened with the shrunk covariance of the collection's rows in that view: the
    /// dot product of two whitened rows, each scaled to unit length, is their whitened cosine.
    ///
    /// # Errors
    ///
    /// [`SourceError::Whitening`] when the collection is too small to have a covariance; [`SourceError::View`] and
    /// [`SourceError::Incomplete`] as for [`ExemplarSource::rows`].
    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError>;

    /// Dot products `[n, directions]` of each of the `ids`' rows in a view with each of the directions
    /// `[directions, dimension]`, in a [`Space`].
    ///
    /// It is what a linear score of many exemplars needs. The given implementation copies and whitens every row; a
    /// host that turns the directions instead scores a million exemplars at the speed of its memory.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::rows`] and, in [`Space::Whitened`], [`ExemplarSource::whiten`].
    fn project(
        &self,
        view: &str,
        space: Space,
        directions: &FeatureRows,
        ids: &[ExemplarId],
    ) -> Result<FeatureRows, SourceError> {
        let mut products = Vec::with_capacity(ids.len() * directions.len());
        for chunk in ids.chunks(PROJECTED_AT_ONCE) {
            let rows = self.rows(view, chunk)?;
            let rows = match space {
                Space::Raw => rows,
                Space::Whitened => self.whiten(view, &rows)?,
            };
            for row in rows.rows() {
                let norm = match space {
                    Space::Raw => 1.0,
                    Space::Whitened => row.iter().map(|v| v * v).sum::<f32>().sqrt(),
                };
                let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                let product =
                    |other: &[f32]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>() * inverse;
                products.extend(directions.rows().map(product));
            }
        }
        FeatureRows::new(directions.len().max(1), products)
            .map_err(|error| SourceError::Storage(Box::new(error)))
    }

    /// A number that no other state of any collection has in this process: equal numbers mean equal answers, so that
    /// a reranker may keep what it has computed of a background sample. `None`, and nothing may be kept.
    fn generation(&self) -> Option<u64> {
        None
    }
}

/// Exemplars whose rows the given [`ExemplarSource::project`] holds at once.
const PROJECTED_AT_ONCE: usize = 1024;

/// A space in which rows of a view are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// The rows as they are stored.
    Raw,
    /// Whitened by [`ExemplarSource::whiten`], each row scaled to unit length; a row of zeros stays.
    Whitened,
}

/// What a [`Reranker`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankScores {
    /// One score per candidate in the order given, larger is nearer; shorter than the candidates when the budget
    /// ran out.
    pub scores: Vec<f32>,
    /// How the work ended. [`Completion::Complete`] if and only if every candidate has a score.
    pub completion: Completion,
    /// Scores that went into them, for those who ask how a place came about; none where there is one stage alone.
    pub stages: Vec<StageScores>,
    /// Time per stage, in the order in which the stages ran.
    pub timings: Vec<StageTiming>,
    /// Things to show: the trigger, a note on what happened.
    pub artifacts: Vec<Artifact>,
}

/// What one stage of a reranker thought of some candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct StageScores {
    /// The stage's one word.
    pub stage: &'static str,
    /// Candidates with their scores, larger is nearer, in any order.
    pub scores: Vec<(ExemplarId, f32)>,
}

/// Time that one stage of a query took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTiming {
    /// The stage's one word.
    pub stage: &'static str,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// Steps it took, where the stage counts some (optimiser updates, candidates scored); otherwise 0.
    pub steps: u64,
}

/// Something a reranker has to show beside its scores.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Artifact {
    /// An image, for instance the trigger.
    Image {
        /// What it shows, lower case.
        name: &'static str,
        /// The image.
        image: Image,
    },
    /// What in an exemplar's image made its score.
    HeatMap {
        /// The exemplar.
        exemplar: ExemplarId,
        /// One channel in the size of the model's input; the brightest place counts most.
        image: Image,
    },
    /// A number, for instance the margin.
    Number {
        /// What it is, lower case.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A remark for people, for instance that too few labels were known.
    Note(String),
}

/// Why a [`Reranker`] could not do a job.
#[derive(Debug)]
#[non_exhaustive]
pub enum RerankError {
    /// A parameter is unknown or out of range.
    Parameter(ParameterError),
    /// More candidates than the plugin takes.
    TooManyCandidates {
        /// Candidates given.
        found: usize,
        /// [`RerankerDescription::max_candidates`].
        most: usize,
    },
    /// The view is none of those declared.
    UnknownView {
        /// Its name.
        name: String,
    },
    /// The method means nothing for this query.
    Undefined {
        /// The stage that found it out.
        stage: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A number became NaN or infinite.
    NotFinite {
        /// The stage in which it did.
        stage: &'static str,
    },
    /// The host could not answer for an exemplar.
    Source {
        /// The stage that asked.
        stage: &'static str,
        /// What went wrong.
        source: SourceError,
    },
    /// The plugin's model failed.
    Model {
        /// The stage that ran it.
        stage: &'static str,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for RerankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(_) => f.write_str("a parameter of the reranker is refused"),
            Self::TooManyCandidates { found, most } => {
                write!(f, "{found} candidates, the reranker takes {most}; use a shorter shortlist")
            }
            Self::UnknownView { name } => write!(f, "the reranker knows no view \"{name}\""),
            Self::Undefined { stage, reason } => write!(f, "{stage}: {reason}"),
            Self::NotFinite { stage } => {
                write!(
                    f,
                    "{stage}: a number became infinite or NaN; lower the learning rate or check the model"
                )
            }
            Self::Source { stage, .. } => write!(f, "{stage}: the collection could not answer"),
            Self::Model { stage, .. } => write!(f, "{stage}: the model failed"),
        }
    }
}

impl Error for RerankError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Parameter(source) => Some(source),
            Self::Source { source, .. } => Some(source),
            Self::Model { source, .. } => Some(source.as_ref()),
            Self::TooManyCandidates { .. }
            | Self::UnknownView { .. }
            | Self::Undefined { .. }
            | Self::NotFinite { .. } => None,
        }
    }
}

/// Why an [`ExemplarSource`] has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// The exemplar is not in this generation.
    Missing {
        /// Its id.
        id: ExemplarId,
    },
    /// The collection keeps no such view.
    View {
        /// The name asked for.
        name: String,
    },
    /// Exemplars have no row in the view yet, for instance because it was declared after they came.
    Incomplete {
        /// The view.
        name: String,
        /// Exemplars without a row.
        missing: u64,
        /// What completes the view.
        remedy: String,
    },
    /// There are too few rows to estimate a covariance.
    Whitening {
        /// Rows there are.
        rows: usize,
    },
    /// The job's budget ran out while the host was at work, for instance on its whitening.
    Stopped(Completion),
    /// Reading failed.
    Storage(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { id } => write!(f, "exemplar {id} is not in this generation of the collection"),
            Self::View { name } => write!(f, "the collection keeps no feature view \"{name}\""),
            Self::Incomplete { name, missing, remedy } => {
                write!(f, "{missing} exemplars have no row in the view \"{name}\" yet; {remedy}")
            }
            Self::Whitening { rows } => {
                write!(f, "whitening needs at least 2 exemplars that differ, the collection has {rows} rows")
            }
            Self::Stopped(completion) => write!(f, "the budget ran out inside the host ({completion:?})"),
            Self::Storage(_) => f.write_str("reading the collection failed"),
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Storage(source) => Some(source.as_ref()),
            Self::Missing { .. }
            | Self::View { .. }
            | Self::Incomplete { .. }
            | Self::Whitening { .. }
            | Self::Stopped(_) => None,
        }
    }
}
