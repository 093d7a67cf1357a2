use std::error::Error;
use std::fmt;

use crate::{Completion, EmbedError, ExemplarId, Fingerprint, RerankError};

/// The first clause of its contract that an implementation breaks.
///
/// `case` names the situation in a few words, for instance `the images in one batch`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Violation {
    /// The embedder failed where it must work.
    Embed {
        /// The situation.
        case: &'static str,
        /// Its error.
        source: EmbedError,
    },
    /// There is not one row per image.
    RowCount {
        /// The situation.
        case: &'static str,
        /// Rows returned.
        found: usize,
        /// Images given.
        expected: usize,
    },
    /// Rows do not have the dimension of the fingerprint, or the fingerprint's is 0.
    Dimension {
        /// The situation.
        case: &'static str,
        /// Values in a row.
        found: usize,
        /// Values the fingerprint promises.
        expected: u32,
    },
    /// An image has another row than it had in the batch of all images.
    RowChanged {
        /// The situation.
        case: &'static str,
        /// The image's place among those given to the check.
        image: usize,
        /// Largest difference, relative to the row's largest value.
        difference: f32,
    },
    /// The fingerprint changed during the embedder's life.
    FingerprintChanged {
        /// At the start.
        before: Box<Fingerprint>,
        /// At the end.
        after: Box<Fingerprint>,
    },
    /// A reranker's description is not usable.
    Description {
        /// The clause it breaks.
        clause: &'static str,
        /// The name of the part concerned.
        name: String,
    },
    /// The reranker failed where it must work.
    Rerank {
        /// The situation.
        case: &'static str,
        /// Its error.
        source: RerankError,
    },
    /// There are more scores than candidates, too few although the work is called complete, or all although it is
    /// not.
    ScoreCount {
        /// The situation.
        case: &'static str,
        /// Scores returned.
        found: usize,
        /// Candidates given.
        candidates: usize,
        /// How the work is said to have ended.
        completion: Completion,
    },
    /// A score is NaN or infinite.
    NotFinite {
        /// The situation.
        case: &'static str,
        /// Its candidate.
        id: ExemplarId,
        /// The score.
        score: f32,
    },
    /// The work ended otherwise than the budget says.
    Ended {
        /// The situation.
        case: &'static str,
        /// How it is said to have ended.
        found: Completion,
        /// How it must end.
        expected: Completion,
    },
    /// A candidate has another score than the same job gave it before.
    ScoreChanged {
        /// The situation.
        case: &'static str,
        /// The candidate.
        id: ExemplarId,
        /// Its score now.
        found: f32,
        /// Its score before.
        expected: f32,
    },
    /// A stage has the word of another, or one that belongs to the host.
    Stage {
        /// The situation.
        case: &'static str,
        /// The word.
        stage: &'static str,
    },
    /// The scores do not say what made them: the name or the summary is empty.
    Unnamed {
        /// The situation.
        case: &'static str,
    },
    /// Something was accepted that must be refused.
    Accepted {
        /// The situation.
        case: &'static str,
    },
    /// Something was refused as it must be, but with the wrong error.
    Refusal {
        /// The situation.
        case: &'static str,
        /// The error's variant that the contract names.
        expected: &'static str,
        /// The error returned.
        source: RerankError,
    },
    /// The implementation panicked.
    Panicked {
        /// The situation.
        case: &'static str,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FingerprintChanged { before, after } => {
                write!(f, "the fingerprint was {before} and became {after}; it must never change")
            }
            Self::Description { clause, name } => write!(f, "description, \"{name}\": {clause}"),
            Self::Embed { case, .. }
            | Self::RowCount { case, .. }
            | Self::Dimension { case, .. }
            | Self::RowChanged { case, .. }
            | Self::Rerank { case, .. }
            | Self::ScoreCount { case, .. }
            | Self::NotFinite { case, .. }
            | Self::Ended { case, .. }
            | Self::ScoreChanged { case, .. }
            | Self::Stage { case, .. }
            | Self::Unnamed { case }
            | Self::Accepted { case }
            | Self::Refusal { case, .. }
            | Self::Panicked { case } => write!(f, "{case}: {}", self.fault()),
        }
    }
}

impl Violation {
    /// What is wrong, without the situation.
    fn fault(&self) -> String {
        match self {
            Self::Embed { .. } => "the embedder failed".to_owned(),
            Self::RowCount { found, expected, .. } => {
                format!("{found} rows for {expected} images; give one row per image")
            }
            Self::Dimension { found, expected, .. } => {
                format!("rows of {found} values, the fingerprint says {expected} (at least 1)")
            }
            Self::RowChanged { image, difference, .. } => {
                format!("the row of image {image} differs by {difference:.1e} of its largest value")
            }
            Self::FingerprintChanged { .. } => "the fingerprint changed".to_owned(),
            Self::Description { .. } => "the description is not usable".to_owned(),
            Self::Rerank { .. } => "the reranker failed".to_owned(),
            Self::ScoreCount { found, candidates, completion, .. } => {
                format!("{found} scores for {candidates} candidates cannot have ended {completion:?}")
            }
            Self::NotFinite { id, score, .. } => {
                format!("candidate {id} has the score {score}; return RerankError::NotFinite instead")
            }
            Self::Ended { found, expected, .. } => {
                format!("the work ended {found:?}, expected {expected:?}; poll the budget")
            }
            Self::ScoreChanged { id, found, expected, .. } => {
                format!("candidate {id} scored {found} after {expected}; equal jobs must give equal scores")
            }
            Self::Stage { stage, .. } => {
                format!("a second stage is called {stage}, or the host's own; give every stage its word")
            }
            Self::Unnamed { .. } => "the scores do not say what made them; fill in `ranking`".to_owned(),
            Self::Accepted { .. } => "accepted, it must be refused".to_owned(),
            Self::Refusal { expected, .. } => format!("refused, but not as {expected}"),
            Self::Panicked { .. } => "panicked".to_owned(),
        }
    }
}

impl Error for Violation {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Embed { source, .. } => Some(source),
            Self::Rerank { source, .. } | Self::Refusal { source, .. } => Some(source),
            Self::RowCount { .. }
            | Self::Dimension { .. }
            | Self::RowChanged { .. }
            | Self::FingerprintChanged { .. }
            | Self::Description { .. }
            | Self::ScoreCount { .. }
            | Self::NotFinite { .. }
            | Self::Ended { .. }
            | Self::ScoreChanged { .. }
            | Self::Stage { .. }
            | Self::Unnamed { .. }
            | Self::Accepted { .. }
            | Self::Panicked { .. } => None,
        }
    }
}
