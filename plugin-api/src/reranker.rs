use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{
    AppliedRanking, Budget, Completion, ExemplarId, ExemplarSource, FeatureRows, Image, ParameterError,
    ParameterSpec, Parameters, QueryRows, SourceError, View,
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
    /// host calls this at ingest and at rebuild and keeps the rows. A reranker that declares none leaves it as it is.
    ///
    /// # Errors
    ///
    /// [`RerankError::UnknownView`] for any other view; [`RerankError::Model`] when the model fails.
    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        let _ = images;
        Err(RerankError::UnknownView { name: view.name.clone() })
    }

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
    /// The query's rows in the views in which the host has made them already: at least the clean one, unless it has no
    /// model. [`ExemplarSource::whiten`] whitens them.
    pub query_rows: &'a QueryRows,
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
            .field("query_rows", self.query_rows)
            .field("candidates", &self.candidates.len())
            .field("parameters", self.parameters)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Words of the stages that the host runs before and after a reranker. No stage of a reranker has one of them; `score`,
/// the host's word for a reranker's final score of a hit, may be the time of the stage that makes it, and no
/// [`StageScores`].
pub const HOST_STAGES: [&str; 4] = ["decode", "embed", "shortlist", "respond"];

/// What a [`Reranker`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankScores {
    /// What made the scores, from the settings that ran.
    pub ranking: AppliedRanking,
    /// One score per candidate in the order given, larger is nearer; shorter than the candidates when the budget
    /// ran out.
    pub scores: Vec<f32>,
    /// How the work ended. [`Completion::Complete`] if and only if every candidate has a score.
    pub completion: Completion,
    /// Scores that went into them, for those who ask how a place came about; none where there is one stage alone. No
    /// two have one word, and none is called `score` or like one of the [`HOST_STAGES`].
    pub stages: Vec<StageScores>,
    /// Time per stage, in the order in which the stages ran. No two have one word, and none that of the
    /// [`HOST_STAGES`]; a host adds up the times of a word that comes twice.
    pub timings: Vec<StageTiming>,
    /// Things to show: the trigger, a note on what happened.
    pub artifacts: Vec<Artifact>,
}

impl RerankScores {
    /// Scores with nothing beside them.
    pub fn new(ranking: AppliedRanking, scores: Vec<f32>, completion: Completion) -> Self {
        let (stages, timings, artifacts) = (Vec::new(), Vec::new(), Vec::new());
        Self { ranking, scores, completion, stages, timings, artifacts }
    }

    /// The first word of [`RerankScores::stages`] that comes twice or belongs to the host, if there is one.
    pub fn ambiguous_scores(&self) -> Option<&'static str> {
        let mut taken = [&HOST_STAGES[..], &["score"]].concat();
        first_taken(&mut taken, self.stages.iter().map(|stage| stage.stage))
    }

    /// The same of [`RerankScores::timings`].
    pub fn ambiguous_timings(&self) -> Option<&'static str> {
        first_taken(&mut HOST_STAGES.to_vec(), self.timings.iter().map(|timing| timing.stage))
    }
}

fn first_taken(
    taken: &mut Vec<&'static str>,
    mut words: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    words.find(|word| {
        let is_taken = taken.contains(word);
        taken.push(word);
        is_taken
    })
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
