use std::error::Error;
use std::path::PathBuf;

use lookalike_plugin_api::ImageError;

use crate::error::EvalError;
use crate::experiment::Protocol;
use crate::statistics::StatisticsError;

/// Why neighbours cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The run has no such contestant.
    #[error("\"{found}\" took no part in the run; there are: {known}")]
    Contestant {
        /// The name.
        found: String,
        /// Those who did.
        known: String,
    },
    /// Both contestants are the same.
    #[error("\"{name}\" cannot be compared with itself; name two contestants")]
    Itself {
        /// The contestant.
        name: String,
    },
    /// The run has no such protocol.
    #[error("the run has no protocol {found}")]
    Protocol {
        /// The protocol.
        found: Protocol,
    },
    /// The run has no such condition.
    #[error("the run has no condition {found}; there are: {known}")]
    Condition {
        /// The condition.
        found: String,
        /// Those of the run.
        known: String,
    },
    /// The run's lists are too short.
    #[error(
        "the run kept {found} neighbours of a query besides its original, {needed} are to be judged; judge fewer"
    )]
    Neighbours {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A number is out of range.
    #[error("{found} for {what} is out of range: expected {expected}")]
    Range {
        /// What the number is for.
        what: &'static str,
        /// The number.
        found: f64,
        /// What is possible.
        expected: &'static str,
    },
    /// The images were not drawn, so that nothing is known of what they were drawn from.
    #[error("the images have no known factors, which only drawn glyphs have; ask a model instead")]
    NoFactors,
    /// The answers are another judge's.
    #[error("{} holds answers of \"{found}\", not of \"{judge}\"; give the judge another name", path.display())]
    OtherJudge {
        /// The file.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Who is asked.
        judge: String,
    },
    /// The judge gave no answer.
    #[error("the judge gave no answer")]
    Unanswered {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What an answer cost is not known: prices were not given, or the judge does not say how many tokens it took.
    #[error(
        "what an answer cost is not known, so no limit on the cost can be kept; limit the questions instead"
    )]
    CostUnknown,
    /// A picture cannot be made.
    #[error("the picture of a question cannot be made")]
    Picture(#[from] ImageError),
    /// A picture cannot be written as PNG.
    #[error("the picture of a question cannot be made")]
    Encode(#[from] lookalike_engine::DecodeError),
    /// The run cannot be read, or a file of it cannot be written.
    #[error(transparent)]
    Run(#[from] EvalError),
    /// An interval cannot be had.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
}
