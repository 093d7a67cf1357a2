//! The arguments of the command that has neighbours judged.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use lookalike_eval::{Condition, DEFAULT_JUDGED, DEFAULT_TOLERANCE, Protocol};

use super::EvalImageArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "Of each query the nearest neighbours of two contestants are shown side by side, in both orders and \
    without names, and the judge says which set is more like the query. Answers go to DIR/judge as they come: a call that \
    is cut off, or that a limit ends, goes on where it was. Without --endpoint no model is asked; glyphs are judged by the \
    factors that they were drawn from in any case. The key is read from --key-file or from LOOKALIKE_JUDGE_KEY."
)]
pub(crate) struct JudgeArgs {
    /// The folder of a finished run
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) images: EvalImageArgs,
    #[command(flatten)]
    pub(crate) matchup: MatchupArgs,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(flatten)]
    pub(crate) limits: JudgeLimitArgs,
}

/// What is judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is judged")]
pub(crate) struct MatchupArgs {
    /// The contestant that is asked about
    #[arg(long, value_name = "NAME", default_value = "tmm")]
    pub(crate) first: String,
    /// What it is compared with
    #[arg(long, value_name = "NAME", default_value = "whitened")]
    pub(crate) second: String,
    /// Whose queries
    #[arg(long, default_value = "self-retrieval")]
    pub(crate) protocol: ProtocolName,
    /// A condition of the run, for instance noise=5; may be repeated [default: all]
    #[arg(long = "condition", value_name = "CONDITION")]
    pub(crate) conditions: Vec<Condition>,
    /// Neighbours of each list, 1 to 12
    #[arg(long, value_name = "K", default_value_t = DEFAULT_JUDGED)]
    pub(crate) judged: usize,
    /// Seed of what is asked first
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) judge_seed: u64,
    /// Latent distances of glyphs that differ by no more are a tie
    #[arg(long, value_name = "DISTANCE", default_value_t = DEFAULT_TOLERANCE)]
    pub(crate) tolerance: f64,
}

/// The model that judges.
#[derive(Debug, Args)]
#[command(next_help_heading = "The model that judges")]
pub(crate) struct EndpointArgs {
    // Written as help, because the documentation would make links and code of it.
    #[arg(
        long,
        value_name = "URL",
        requires = "judge",
        help = "An OpenAI-compatible endpoint, for instance https://api.example.org/v1; \"/chat/completions\" is put behind it"
    )]
    pub(crate) endpoint: Option<String>,
    /// The model's name there; it must be able to see
    #[arg(long, value_name = "NAME", requires = "endpoint", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) judge: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        requires = "endpoint",
        help = "A file that holds the key and nothing else [default: LOOKALIKE_JUDGE_KEY, or no key]"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// Allow http:// to other machines than this one: key and pictures are sent for anyone to read
    #[arg(long, requires = "endpoint")]
    pub(crate) insecure: bool,
    /// Longest time for one reply, in seconds
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    /// How often a question is asked again when the endpoint is busy, broken or silent
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(crate) retries: u32,
    /// Time before a question is asked again, in milliseconds; doubled each time, up to a minute
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub(crate) retry_pause: u64,
    /// Longest reply
    #[arg(long, value_name = "TOKENS", default_value_t = 300)]
    pub(crate) max_tokens: u32,
}

/// How much is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "How much is asked")]
pub(crate) struct JudgeLimitArgs {
    /// Questions in all, with those of earlier calls; two make a pair
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub(crate) max_questions: usize,
    /// Cost in all, with that of earlier calls
    #[arg(long, value_name = "COST", requires_all = ["price_in", "price_out"])]
    pub(crate) max_cost: Option<f64>,
    /// What a million tokens of questions cost
    #[arg(long, value_name = "COST", requires = "price_out")]
    pub(crate) price_in: Option<f64>,
    /// What a million tokens of replies cost
    #[arg(long, value_name = "COST", requires = "price_in")]
    pub(crate) price_out: Option<f64>,
}

/// Protocols by the word that the command line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    /// Queries that are exemplars
    SelfRetrieval,
    /// Queries that are not
    NonSelf,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::SelfRetrieval => Self::SelfRetrieval,
            ProtocolName::NonSelf => Self::NonSelf,
        }
    }
}
