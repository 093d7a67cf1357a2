//! Visual judgement: which of two contestants finds images that look more like the query.
//!
//! A [`Matchup`] says whose lists of a finished run are put side by side; each [`Pairing`] is one query's. A [`Judge`]
//! sees a picture of both lists without names, in both orders, and [`Docket::ask`] notes each answer before the next
//! question is asked. A [`Judgement`] counts the verdicts. [`latent_judgement`] needs no judge: the factors that glyphs
//! were drawn from decide.

mod answer;
mod docket;
mod error;
mod judgement;
mod latent;
mod ledger;
mod letters;
mod matchup;
mod picture;
mod question;
mod verdict;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Judge, Reply};
pub use docket::{Asking, Docket, Limits, MOST_FAILURES_IN_A_ROW, Stop};
pub use error::JudgeError;
pub use judgement::{Judgement, Spent, Tally, read_judgements};
pub use latent::{DEFAULT_TOLERANCE, latent_judgement};
pub use ledger::{AnswerRecord, Prices};
pub use matchup::{DEFAULT_JUDGED, MOST_JUDGED, Matchup, Pairing};
pub use picture::{LARGEST_CELL, SMALLEST_CELL};
pub use question::{Order, Question};
pub use verdict::Verdict;
