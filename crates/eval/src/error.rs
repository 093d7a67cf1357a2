use std::io;
use std::path::PathBuf;

use lookalike_plugin_api::{EmbedError, ParameterError, RerankError, RowsError, SourceError};

use crate::attack::{AttackError, QueryClassError};
use crate::contest::MOST_LAYER_BYTES;
use crate::grid::GridError;
use crate::measure::MeasureError;
use crate::plot::PlotError;
use crate::ranking::RankingError;
use crate::statistics::StatisticsError;

/// Why an evaluation cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A word names no condition.
    #[error(
        "\"{found}\" is no condition; use clean, brightness=, noise=, saltpepper=, blur=, rotate=, pgd-features= or pgd-score= and a number, shift=RIGHT,DOWN, or a corruption such as fog:3"
    )]
    Condition {
        /// The word.
        found: String,
    },
    /// A word names no baseline.
    #[error(
        "\"{found}\" is no baseline; use l2-pixels, cosine-pixels, l2-layer1 to l2-layer4, cosine-layer1 to cosine-layer4, l2, cosine, whitened, mahalanobis, logits, averaged, best-copy, reciprocal or expansion"
    )]
    Baseline {
        /// The word.
        found: String,
    },
    /// Rows of layers take too much memory.
    #[error(
        "what the layers see of {exemplars} exemplars takes {bytes} bytes, {MOST_LAYER_BYTES} are possible; ask for fewer exemplars, or leave out l2 and cosine at the first layers"
    )]
    LayerRows {
        /// How many exemplars.
        exemplars: usize,
        /// Bytes that their rows would take.
        bytes: u64,
    },
    /// A word names no view.
    #[error(
        "\"{found}\" is no view; use global:BLEND:OMEGA, random:BLEND:OMEGA, fixed-patch, blur:PIXELS, mirror, noise:NORM or plain"
    )]
    View {
        /// The word.
        found: String,
    },
    /// A number is out of range.
    #[error("{found} {what} are asked for, {least} to {most} are possible")]
    Range {
        /// What is counted.
        what: &'static str,
        /// The number asked for.
        found: usize,
        /// The smallest.
        least: usize,
        /// The largest.
        most: usize,
    },
    /// The settings do not go together.
    #[error("the experiment cannot be run: {reason}")]
    Experiment {
        /// Why.
        reason: String,
    },
    /// The data set is too small.
    #[error("{found} {what} are there, {least} are needed; ask for fewer")]
    TooFew {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// A run directory belongs to something else.
    #[error("{} holds a run of another {what}; take another folder, or the same {what}", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a run directory is damaged.
    #[error("{} is no such file of a run: {reason}; delete it, and the run makes it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The database of the exemplars cannot be made.
    #[error("the exemplars cannot be stored")]
    Open(#[from] lookalike_engine::OpenError),
    /// The exemplars cannot be stored.
    #[error("the exemplars cannot be stored")]
    Ingest(#[from] lookalike_engine::IngestError),
    /// Reading the database failed.
    #[error("the stored exemplars cannot be read")]
    Read(#[from] lookalike_engine::ReadError),
    /// An exemplar was refused, or got another id than its place.
    #[error("exemplar {place} was not stored as it should be; delete the run's folder \"database\"")]
    Stored {
        /// Its place.
        place: usize,
    },
    /// Rows of the exemplars cannot be had.
    #[error("rows of the exemplars cannot be had")]
    Source(#[from] SourceError),
    /// The model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] lookalike_vision::ModelError),
    /// Rows are not finite.
    #[error("rows are not finite")]
    Rows(#[from] RowsError),
    /// A baseline cannot rank.
    #[error("\"{contestant}\" cannot rank")]
    Ranking {
        /// Its name.
        contestant: String,
        /// Why.
        source: RankingError,
    },
    /// The method cannot rank.
    #[error("\"{contestant}\" cannot rank")]
    Rerank {
        /// The contestant.
        contestant: String,
        /// Why.
        source: RerankError,
    },
    /// The method's settings are refused.
    #[error("the settings of \"{contestant}\" are refused")]
    Settings {
        /// The contestant.
        contestant: String,
        /// Why.
        source: ParameterError,
    },
    /// A view cannot be made.
    #[error(transparent)]
    MakeView(#[from] lookalike_tmm::ViewError),
    /// A trigger cannot be made.
    #[error(transparent)]
    Trigger(#[from] lookalike_tmm::TriggerError),
    /// A trigger cannot be kept.
    #[error(transparent)]
    StoredTrigger(#[from] lookalike_tmm::StoredTriggerError),
    /// A measure cannot be taken.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// An interval cannot be had.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// An attack on features failed.
    #[error("the query cannot be attacked")]
    Attack(#[from] AttackError<lookalike_vision::ModelError>),
    /// A query has no class of its own to be attacked.
    #[error("the query's own class cannot be fitted")]
    QueryClass(#[from] QueryClassError),
    /// An attack on the score failed.
    #[error("the query cannot be attacked")]
    AttackScore(#[from] AttackError<QueryClassError>),
    /// An image cannot be made of an attack's pixels.
    #[error(transparent)]
    Image(#[from] lookalike_plugin_api::ImageError),
    /// A plot cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A grid of images cannot be drawn.
    #[error(transparent)]
    Grid(#[from] GridError),
}
