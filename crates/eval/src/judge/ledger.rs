use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lookalike_plugin_api::Digest;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::error::EvalError;
use crate::experiment::Protocol;
use crate::judge::{Answer, JudgeError, Order};
use crate::record::write_whole;

/// A question that was asked, and what came of it: a line of a judge's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// Who was asked.
    pub judge: String,
    /// The protocol.
    pub protocol: Protocol,
    /// What had happened to the query.
    pub condition: Condition,
    /// Place of the query among the protocol's.
    pub query: usize,
    /// The first contestant.
    pub first: String,
    /// The second contestant.
    pub second: String,
    /// Whose list was row A.
    pub order: Order,
    /// What the reply was understood as.
    pub answer: Answer,
    /// The reply, word for word.
    pub reply: String,
    /// Digest of the question's words and pixels, as hexadecimal digits.
    pub question: String,
    /// Tokens of the question, where the judge said so.
    pub tokens_in: Option<u64>,
    /// Tokens of the reply.
    pub tokens_out: Option<u64>,
    /// What both cost, in the currency of the prices, where tokens and prices are known.
    pub cost: Option<f64>,
    /// Time until the reply, in milliseconds, with all attempts.
    pub milliseconds: u64,
}

/// What tokens cost, in whatever currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A million tokens of questions.
    pub million_in: f64,
    /// A million tokens of replies.
    pub million_out: f64,
}

impl Prices {
    /// What so many tokens cost; `None` unless both numbers are known.
    pub fn cost(&self, tokens_in: Option<u64>, tokens_out: Option<u64>) -> Option<f64> {
        let (tokens_in, tokens_out) = tokens_in.zip(tokens_out)?;
        Some((tokens_in as f64 * self.million_in + tokens_out as f64 * self.million_out) / 1e6)
    }
}

/// A judge's answers: a file to which lines are added as they come.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    answers: HashMap<String, AnswerRecord>,
}

impl Ledger {
    /// Reads what was answered before. A last line that was cut off is taken out of the file: its question is asked
    /// again.
    pub(super) fn open(path: PathBuf, judge: &str) -> Result<Self, JudgeError> {
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(EvalError::File { path, source }.into()),
        };
        let (records, whole) = read(&path, &text)?;
        if let Some(other) = records.iter().find(|record| record.judge != judge) {
            let (found, judge) = (other.judge.clone(), judge.to_owned());
            return Err(JudgeError::OtherJudge { path, found, judge });
        }
        if whole < text.len() {
            write_whole(&path, &text[..whole])?;
        }
        let answers = records.into_iter().map(|record| (record.question.clone(), record)).collect();
        Ok(Self { path, answers })
    }

    pub(super) fn answer(&self, question: &Digest) -> Option<&AnswerRecord> {
        self.answers.get(&question.to_string())
    }

    /// Notes an answer; it is in the file when this returns.
    pub(super) fn add(&mut self, record: AnswerRecord) -> Result<(), JudgeError> {
        let written = self.append(&record);
        written.map_err(|source| EvalError::File { path: self.path.clone(), source })?;
        self.answers.insert(record.question.clone(), record);
        Ok(())
    }

    fn append(&self, record: &AnswerRecord) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let is_new = file.metadata()?.len() == 0;
        let mut writer = csv::WriterBuilder::new().has_headers(is_new).from_writer(Vec::new());
        writer.serialize(record).map_err(io::Error::other)?;
        let line = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        file.write_all(&line)?;
        file.sync_data()
    }
}

/// The lines of a file, and how many of its bytes are whole lines.
fn read(path: &Path, text: &[u8]) -> Result<(Vec<AnswerRecord>, usize), EvalError> {
    let damaged = |error: csv::Error| EvalError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let headers = reader.headers().map_err(damaged)?.clone();
    let mut whole = reader.position().byte() as usize;
    let (mut records, mut line) = (Vec::new(), csv::StringRecord::new());
    loop {
        let is_line = match reader.read_record(&mut line) {
            Ok(is_line) => is_line,
            // Letters of more than one byte can be cut in two as well.
            Err(error) if reader.position().byte() as usize >= text.len() && !text.ends_with(b"\n") => {
                drop(error);
                break;
            }
            Err(error) => return Err(damaged(error)),
        };
        let end = reader.position().byte() as usize;
        // Within a reply there may be ends of lines, but never within the number that a line ends with.
        let is_cut = line.len() < headers.len() || !text.ends_with(b"\n");
        if !is_line || (end >= text.len() && is_cut) {
            break;
        }
        records.push(line.deserialize(Some(&headers)).map_err(damaged)?);
        whole = end;
    }
    let is_headless = records.is_empty() && !text.contains(&b'\n');
    Ok((records, if is_headless { 0 } else { whole.min(text.len()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(query: usize, reply: &str) -> AnswerRecord {
        AnswerRecord {
            judge: "owl/1".to_owned(),
            protocol: Protocol::SelfRetrieval,
            condition: "noise=5".parse().unwrap(),
            query,
            first: "tmm".to_owned(),
            second: "whitened".to_owned(),
            order: Order::FirstIsB,
            answer: Answer::of(reply),
            reply: reply.to_owned(),
            question: Digest([query as u8; 32]).to_string(),
            tokens_in: Some(1_000),
            tokens_out: None,
            cost: None,
            milliseconds: 1_234,
        }
    }

    const REPLIES: [&str; 3] = ["{\"answer\": \"A\", \"reason\": \"a, b\"}", "two\nlines, \"quoted\" é", ""];

    #[test]
    fn answers_are_there_after_a_cut_at_any_byte_but_the_last_one_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judge/owl.csv");
        let mut ledger = Ledger::open(path.clone(), "owl/1").unwrap();
        let mut ends = Vec::new();
        for (query, reply) in REPLIES.iter().enumerate() {
            ledger.add(record(query, reply)).unwrap();
            ends.push(fs::metadata(&path).unwrap().len() as usize);
        }
        let text = fs::read(&path).unwrap();
        for cut in 0..=text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            let mut ledger = Ledger::open(path.clone(), "owl/1").unwrap();
            let kept = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(ledger.answers.len(), kept, "after a cut at byte {cut} of {ends:?}");
            for (query, reply) in REPLIES.iter().enumerate().skip(kept) {
                ledger.add(record(query, reply)).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), text, "after a cut at byte {cut}");
        }
        let ledger = Ledger::open(path, "owl/1").unwrap();
        assert_eq!(ledger.answer(&Digest([1; 32])), Some(&record(1, REPLIES[1])));
    }

    #[test]
    fn what_is_no_cut_is_refused_and_so_is_another_judge() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owl.csv");
        Ledger::open(path.clone(), "owl/1").unwrap().add(record(0, REPLIES[0])).unwrap();
        let error = Ledger::open(path.clone(), "owl-1").unwrap_err().to_string();
        assert!(error.contains("holds answers of \"owl/1\", not of \"owl-1\""), "{error}");
        let text = fs::read_to_string(&path).unwrap().replace("noise=5", "melted");
        fs::write(&path, text).unwrap();
        let error = Ledger::open(path, "owl/1").unwrap_err().to_string();
        assert!(error.contains("\"melted\" is no condition"), "{error}");
    }

    #[test]
    fn a_cost_is_known_only_with_both_numbers_of_tokens() {
        let prices = Prices { million_in: 2.0, million_out: 8.0 };
        assert_eq!(prices.cost(Some(500_000), Some(250_000)), Some(3.0));
        assert_eq!(prices.cost(Some(500_000), None), None);
    }
}
