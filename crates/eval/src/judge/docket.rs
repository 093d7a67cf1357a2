use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use lookalike_plugin_api::Digest;
use rayon::prelude::*;

use crate::judge::judgement::{Judged, Spent};
use crate::judge::ledger::Ledger;
use crate::judge::question::Draft;
use crate::judge::{
    Answer, AnswerRecord, Judge, JudgeError, Judgement, Matchup, Order, Pairing, Prices, Verdict,
};
use crate::random::{Use, seeded};
use crate::run::RunFolder;
use crate::subject::Subject;

/// Questions without an answer one after the other, after which no more are asked: the judge is away.
pub const MOST_FAILURES_IN_A_ROW: usize = 3;

/// How much may be asked of a matchup, with what was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Questions; two make a pair. `None` asks all.
    pub questions: Option<usize>,
    /// Cost in the currency of the prices. Asking stops before a question that would go beyond it if it cost as much as
    /// the dearest one so far. Needs prices, and a judge that counts tokens.
    pub cost: Option<f64>,
    /// What tokens cost.
    pub prices: Option<Prices>,
}

impl Limits {
    fn validate(&self) -> Result<(), JudgeError> {
        let numbers = [
            ("the limit on the cost", self.cost),
            ("the price of questions", self.prices.map(|prices| prices.million_in)),
            ("the price of replies", self.prices.map(|prices| prices.million_out)),
        ];
        for (what, number) in numbers {
            if let Some(found) = number.filter(|number| !number.is_finite() || *number < 0.0) {
                return Err(JudgeError::Range { what, found, expected: "0 or more" });
            }
        }
        if self.cost.is_some() && self.prices.is_none() {
            return Err(JudgeError::CostUnknown);
        }
        Ok(())
    }
}

/// Why no more was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// There was no more to ask.
    Done,
    /// The limit on questions was reached.
    Questions,
    /// The limit on the cost was reached.
    Cost,
}

/// What came of asking.
#[derive(Debug)]
pub struct Asking {
    /// Questions that were answered now.
    pub answered: usize,
    /// Why others were not; they are asked the next time.
    pub unanswered: Vec<JudgeError>,
    /// Why it ended.
    pub stop: Stop,
}

/// Everything there is to ask about a matchup, in the order in which it is asked: drawn by a seed, so that what a limit
/// lets through is a sample of all queries and conditions. The two orders of a pair follow one another; the seed says
/// which comes first.
///
/// Answers are kept in `judge/NAME.csv` of the run's directory, the words of the questions in `judge/prompts`. What was
/// answered once is never asked again, nor is a question whose words and pixels are the same.
#[derive(Debug)]
pub struct Docket<'a> {
    folder: &'a RunFolder,
    subject: &'a Subject,
    matchup: Matchup,
    pairs: Vec<Pair>,
    seed: u64,
}

/// A pairing with its questions.
#[derive(Debug)]
struct Pair {
    pairing: Pairing,
    /// Which order is asked first.
    orders: [Order; 2],
    /// Digests of the questions in [`Order::ALL`]; none where both lists hold the same images.
    questions: Option<[Digest; 2]>,
}

impl<'a> Docket<'a> {
    /// What there is to ask about `matchup` in the finished run in `folder`.
    ///
    /// *Determinism*: the seed, the matchup and the run decide every question and their order.
    ///
    /// # Errors
    ///
    /// As [`Matchup::pairings`].
    pub fn new(
        folder: &'a RunFolder,
        subject: &'a Subject,
        matchup: Matchup,
        seed: u64,
    ) -> Result<Self, JudgeError> {
        let mut pairings = matchup.pairings(folder, subject)?;
        let mut random = seeded(seed, Use::Judge, 0);
        random.shuffle(&mut pairings);
        let [a, b] = Order::ALL;
        let drawn =
            pairings.into_iter().map(|pairing| (pairing, if random.below(2) == 0 { [a, b] } else { [b, a] }));
        let drawn: Vec<(Pairing, [Order; 2])> = drawn.collect();
        let pair = |(pairing, orders): (Pairing, [Order; 2])| {
            let digest = |order| Draft::of(subject, &matchup, &pairing, order).map(|draft| draft.digest());
            let questions = if pairing.is_same_set() {
                None
            } else {
                Some([digest(Order::FirstIsA)?, digest(Order::FirstIsB)?])
            };
            Ok(Pair { pairing, orders, questions })
        };
        let pairs = drawn.into_par_iter().map(pair).collect::<Result<_, JudgeError>>()?;
        Ok(Self { folder, subject, matchup, pairs, seed })
    }

    /// Questions there are, answered or not. Pairs whose pictures are the same, as when a disturbance changes neither
    /// list, share theirs.
    pub fn to_ask(&self) -> usize {
        self.questions().map(|(_, _, digest)| digest).collect::<HashSet<_>>().len()
    }

    /// Asks what was not answered yet, as far as `limits` allow. `progress` gets how many questions are answered and how
    /// many there are.
    ///
    /// # Errors
    ///
    /// [`JudgeError`]: limits that cannot be kept, the last failure when [`MOST_FAILURES_IN_A_ROW`] questions got no answer, what is wrong with the
    /// files, and [`JudgeError::CostUnknown`]. Answers until then are kept.
    pub fn ask(
        &self,
        judge: &dyn Judge,
        limits: &Limits,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Asking, JudgeError> {
        limits.validate()?;
        let mut ledger = self.ledger(judge.name())?;
        let of = self.to_ask();
        let mut spent = self.spent(&ledger);
        let (mut asking, mut in_a_row) =
            (Asking { answered: 0, unanswered: Vec::new(), stop: Stop::Done }, 0);
        for (pair, order, digest) in self.questions() {
            if ledger.answer(digest).is_some() {
                continue;
            }
            progress(spent.questions, of);
            if limits.questions.is_some_and(|most| spent.questions >= most) {
                asking.stop = Stop::Questions;
                break;
            }
            if let Some(most) = limits.cost {
                if spent.uncosted > 0 {
                    return Err(JudgeError::CostUnknown);
                }
                if spent.cost >= most || spent.cost + spent.dearest > most {
                    asking.stop = Stop::Cost;
                    break;
                }
            }
            match self.put(judge, pair, order, limits.prices) {
                Ok(record) => {
                    spent.add(&record);
                    ledger.add(record)?;
                    (asking.answered, in_a_row) = (asking.answered + 1, 0);
                }
                Err(error @ JudgeError::Unanswered { .. }) if in_a_row + 1 < MOST_FAILURES_IN_A_ROW => {
                    asking.unanswered.push(error);
                    in_a_row += 1;
                }
                Err(error) => return Err(error),
            }
        }
        progress(spent.questions, of);
        Ok(asking)
    }

    /// What the answers of a judge that there are come to.
    ///
    /// Pairs are taken in the order in which they are asked about, up to the last one that was answered in both orders:
    /// so a limit leaves out lists of the same images as often as others, and does not make ties of more of them.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when the judge's file is damaged.
    pub fn judgement(&self, judge: &str) -> Result<Judgement, JudgeError> {
        let ledger = self.ledger(judge)?;
        let verdict = |pair: &Pair| {
            let Some(questions) = &pair.questions else { return Some(Verdict::SameSet) };
            let [a, b] = questions.each_ref().map(|digest| ledger.answer(digest).map(|record| record.answer));
            Some(Verdict::of([a?, b?]))
        };
        let mut judged: Vec<Judged> = self
            .pairs
            .iter()
            .map(|pair| Judged {
                condition: pair.pairing.condition,
                query: pair.pairing.query,
                verdict: verdict(pair),
            })
            .collect();
        if judged.iter().any(|judged| judged.verdict.is_none()) {
            let answered =
                |judged: &Judged| judged.verdict.is_some_and(|verdict| verdict != Verdict::SameSet);
            let reached = judged.iter().rposition(answered).map_or(0, |last| last + 1);
            judged[reached..].iter_mut().for_each(|judged| judged.verdict = None);
        }
        let conditions = self.matchup.conditions(self.folder)?;
        Judgement::of(judge, &self.matchup, &conditions, &judged, self.spent(&ledger), self.seed)
    }

    /// All questions in the order in which they are asked.
    fn questions(&self) -> impl Iterator<Item = (&Pair, Order, &Digest)> {
        self.pairs.iter().filter_map(|pair| Some((pair, pair.questions.as_ref()?))).flat_map(
            |(pair, questions)| {
                let [a, b] = questions;
                pair.orders.map(|order| (pair, order, if order == Order::FirstIsA { a } else { b }))
            },
        )
    }

    /// Puts one question.
    fn put(
        &self,
        judge: &dyn Judge,
        pair: &Pair,
        order: Order,
        prices: Option<Prices>,
    ) -> Result<AnswerRecord, JudgeError> {
        let question = Draft::of(self.subject, &self.matchup, &pair.pairing, order)?.question()?;
        let words = question.words();
        let name = format!("judge/prompts/{}.txt", &blake3::hash(words.as_bytes()).to_hex()[..16]);
        if !self.folder.path().join(&name).exists() {
            self.folder.write(&name, words.as_bytes())?;
        }
        let start = Instant::now();
        let reply = judge.ask(&question)?;
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(AnswerRecord {
            judge: judge.name().to_owned(),
            protocol: self.matchup.protocol,
            condition: pair.pairing.condition,
            query: pair.pairing.query,
            first: self.matchup.first.clone(),
            second: self.matchup.second.clone(),
            order,
            answer: Answer::of(&reply.text),
            question: question.digest.to_string(),
            cost: prices.and_then(|prices| prices.cost(reply.tokens_in, reply.tokens_out)),
            tokens_in: reply.tokens_in,
            tokens_out: reply.tokens_out,
            milliseconds,
            reply: reply.text,
        })
    }

    /// What the answers to this docket's questions took.
    fn spent(&self, ledger: &Ledger) -> Spent {
        let mut spent = Spent::default();
        let mut seen = HashSet::new();
        let distinct = self.questions().map(|(_, _, digest)| digest).filter(|digest| seen.insert(*digest));
        distinct.filter_map(|digest| ledger.answer(digest)).for_each(|record| spent.add(record));
        spent
    }

    fn ledger(&self, judge: &str) -> Result<Ledger, JudgeError> {
        Ledger::open(self.folder.path().join(file_name(&[judge], "csv")), judge)
    }
}

/// A file of the run's folder `judge`, by what it is about.
pub(super) fn file_name(about: &[&str], ending: &str) -> PathBuf {
    let name: String = about
        .join("-")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .take(120)
        .collect();
    PathBuf::from("judge").join(format!("{name}.{ending}"))
}
