//! Evaluation: does a ranking retrieve better under noise, by how much, and at what cost.
//!
//! A [`Subject`] are the images, an [`Experiment`] says what happens to the queries and which rankings are compared, and
//! [`run()`] asks every query of every contestant and writes what it found line by line into a [`RunFolder`]. A
//! [`Summary`] makes means with intervals and paired differences of it. The parts stand on their own as well:
//! corruptions, measures, statistics, baselines.
//!
//! What it does not do: it reads no data set and no command line, and touches no network.

mod attack;
mod compare;
mod condition;
mod contest;
mod corruption;
mod error;
mod experiment;
mod grid;
mod judge;
mod measure;
mod plot;
mod random;
mod ranking;
mod record;
mod report;
mod run;
mod statistics;
mod stored_as_text;
mod subject;
mod summary;
mod tune;

pub use attack::{
    Attack, AttackError, Attacked, Ball, MOST_ATTACK_STEPS, QueryClass, QueryClassError, attack,
    attack_features,
};
pub use compare::{Change, ComparedProtocol, Comparison, Differing, compare};
pub use condition::{Aim, Condition};
pub use contest::{Arena, Asked, Baseline, Contestant, Scored, Setting, TmmWay, ViewRecipe, Way};
pub use corruption::{Corruption, Severity, UnknownCorruption};
pub use error::EvalError;
pub use experiment::{
    Experiment, MOST_CONTESTANTS, MOST_EXEMPLARS, MOST_NEIGHBOURS, MOST_QUERIES, MOST_SEEDS, Protocol, Suite,
};
pub use grid::{GridCell, GridError, GridRow, ImageGrid, MOST_GRID_IMAGES, Mark};
pub use judge::{
    Answer, AnswerRecord, Asking, DEFAULT_JUDGED, DEFAULT_TOLERANCE, Docket, Judge, JudgeError, Judgement,
    LARGEST_CELL, Limits, MOST_FAILURES_IN_A_ROW, MOST_JUDGED, Matchup, Order, Pairing, Prices, Question,
    Reply, SMALLEST_CELL, Spent, Stop, Tally, Verdict, latent_judgement, read_judgements,
};
pub use measure::{
    DEFAULT_PERSISTENCE, MeasureError, average_precision_at_r, mean_latent_distance, overlap_at,
    precision_at, rank_biased_overlap, rank_of, shortlist_ceiling,
};
pub use plot::{
    Bar, BarPlot, BarSeries, LinePlot, LinePoint, LineSeries, MOST_SERIES, PALETTE, PlotError, Scale,
    Scatter, ScatterPoint,
};
pub use ranking::{
    AlphaExpansion, Cosine, Euclidean, KReciprocal, LogitDistance, MOST_RERANKED, MOST_WHITENED, Mahalanobis,
    Ranking, RankingError, WhitenedCosine, best_first, mean_row,
};
pub use record::{Ceiling, Record};
pub use report::{Report, write_report};
pub use run::{RunFolder, RunProgress, run};
pub use statistics::{
    Bootstrap, DEFAULT_RESAMPLES, Difference, Interval, MOST_RESAMPLES, StatisticsError, holm,
    mean_over_seeds,
};
pub use subject::{AskedFor, Known, Subject, SubjectRecord};
pub use summary::{
    Contrast, Kept, Line, Measure, Outcome, PARTS, ProtocolSummary, REFERENCES, Standing, Summary,
};
pub use tune::{FEWEST_TRIALS, Ground, MOST_TRIALS, Preset, SetFound, TUNED, Tuning, tune};
