use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::condition::Condition;
use crate::error::EvalError;
use crate::judge::docket::file_name;
use crate::judge::{Answer, AnswerRecord, JudgeError, Matchup, Verdict};
use crate::run::RunFolder;
use crate::statistics::{Bootstrap, Interval};

/// How a pair was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) condition: Condition,
    pub(super) query: usize,
    /// `None` where it was not judged.
    pub(super) verdict: Option<Verdict>,
}

/// Verdicts, counted in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// The first contestant's list was more like the query.
    pub wins: usize,
    /// The second contestant's was.
    pub losses: usize,
    /// Neither was, in whatever way.
    pub ties: usize,
    /// Ties because both lists hold the same images; nobody was asked.
    pub same_sets: usize,
    /// Ties because the same row was chosen in both orders.
    pub by_place: usize,
    /// Pairs with an answer that cannot be understood; they count for nobody.
    pub abstained: usize,
    /// Pairs that were not judged.
    pub left: usize,
    /// Share of the pairs that the first contestant won, a tie as half, as the mean over queries of the mean over their
    /// pairs; 95 % by resampling queries. `None` where no pair was judged.
    pub win_rate: Option<Interval>,
}

impl Tally {
    fn of(judged: &[&Judged], bootstrap: Bootstrap) -> Result<Self, JudgeError> {
        let mut tally = Self::default();
        let mut by_query: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for Judged { query, verdict, .. } in judged {
            let Some(verdict) = verdict else {
                tally.left += 1;
                continue;
            };
            match verdict {
                Verdict::Win => tally.wins += 1,
                Verdict::Loss => tally.losses += 1,
                Verdict::Tie => tally.ties += 1,
                Verdict::ByPlace => (tally.ties, tally.by_place) = (tally.ties + 1, tally.by_place + 1),
                Verdict::SameSet => (tally.ties, tally.same_sets) = (tally.ties + 1, tally.same_sets + 1),
                Verdict::Abstained => tally.abstained += 1,
            }
            if let Some(worth) = verdict.worth() {
                let sum = by_query.entry(*query).or_default();
                *sum = (sum.0 + worth, sum.1 + 1);
            }
        }
        let worths: Vec<f64> = by_query.values().map(|(sum, count)| sum / *count as f64).collect();
        if !worths.is_empty() {
            tally.win_rate = Some(bootstrap.mean(&worths)?);
        }
        Ok(tally)
    }
}

/// What answers took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Questions that were answered.
    pub questions: usize,
    /// Answers that cannot be understood.
    pub abstentions: usize,
    /// Answers that chose row A, and row B: far apart only if the place of a row decides.
    pub chosen: [usize; 2],
    /// Tokens of the questions, as far as the judge counted.
    pub tokens_in: u64,
    /// Tokens of the replies.
    pub tokens_out: u64,
    /// What they cost, as far as it is known.
    pub cost: f64,
    /// Answers whose cost is not known.
    pub uncosted: usize,
    /// Time in milliseconds.
    pub milliseconds: u64,
    /// What the dearest answer cost.
    pub(super) dearest: f64,
}

impl Spent {
    pub(super) fn add(&mut self, record: &AnswerRecord) {
        self.questions += 1;
        match record.answer {
            Answer::A => self.chosen[0] += 1,
            Answer::B => self.chosen[1] += 1,
            Answer::Tie => (),
            Answer::Abstain => self.abstentions += 1,
        }
        self.tokens_in = self.tokens_in.saturating_add(record.tokens_in.unwrap_or(0));
        self.tokens_out = self.tokens_out.saturating_add(record.tokens_out.unwrap_or(0));
        self.cost += record.cost.unwrap_or(0.0);
        self.uncosted += usize::from(record.cost.is_none());
        self.milliseconds = self.milliseconds.saturating_add(record.milliseconds);
        self.dearest = self.dearest.max(record.cost.unwrap_or(0.0));
    }
}

/// What a judge thinks of a matchup.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The judge.
    pub judge: String,
    /// What was judged.
    pub matchup: Matchup,
    /// All pairs.
    pub overall: Tally,
    /// The pairs of each condition.
    pub conditions: Vec<(Condition, Tally)>,
    /// What it took; nothing of a judge that is no model.
    pub spent: Spent,
}

impl Judgement {
    pub(super) fn of(
        judge: &str,
        matchup: &Matchup,
        conditions: &[Condition],
        judged: &[Judged],
        spent: Spent,
        seed: u64,
    ) -> Result<Self, JudgeError> {
        let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        let overall = Tally::of(&judged.iter().collect::<Vec<_>>(), bootstrap)?;
        let tally = |condition: &Condition| {
            let of_condition: Vec<&Judged> =
                judged.iter().filter(|pair| pair.condition == *condition).collect();
            Ok((*condition, Tally::of(&of_condition, bootstrap)?))
        };
        let conditions = conditions.iter().map(tally).collect::<Result<_, JudgeError>>()?;
        Ok(Self { judge: judge.to_owned(), matchup: matchup.clone(), overall, conditions, spent })
    }

    /// What it comes to, as one sentence.
    pub fn conclusion(&self) -> String {
        let Matchup { first, second, .. } = &self.matchup;
        match self.overall.win_rate {
            None => "No pair was judged.".to_owned(),
            Some(rate) if rate.low > 0.5 => {
                format!("{first} shows images more like the query than {second}: {}.", shares(rate))
            }
            Some(rate) if rate.high < 0.5 => {
                format!("{second} shows images more like the query than {first}: {}.", shares(rate))
            }
            Some(rate) => format!("Neither is shown to be better, {first} or {second}: {}.", shares(rate)),
        }
    }

    /// A section of Markdown: the conclusion, a table by condition, what it took.
    pub fn markdown(&self) -> String {
        let Matchup { first, second, protocol, neighbours, .. } = &self.matchup;
        let pairs = self.conditions.len();
        let mut text = format!(
            "### Neighbours judged by {}: {} against {}, {protocol}\n\n{}\n\n",
            plain(&self.judge),
            plain(first),
            plain(second),
            plain(&self.conclusion())
        );
        let _written = writeln!(
            text,
            "Per query, the {neighbours} nearest of each, the original left out, under {pairs} condition{}. A win rate is \
             the share of pairs that {} wins, a tie as half, with its 95 % interval over queries; pairs with an \
             abstention count for nobody.\n",
            if pairs == 1 { "" } else { "s" },
            plain(first)
        );
        text.push_str(
            "| condition | wins | losses | ties | of these the same images | of these by place | abstained | not judged \
             | win rate |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
        );
        let lines = self.conditions.iter().map(|(condition, tally)| (condition.to_string(), tally));
        for (name, tally) in lines.chain([("all".to_owned(), &self.overall)]) {
            let Tally { wins, losses, ties, same_sets, by_place, abstained, left, win_rate } = tally;
            let rate = win_rate.map_or_else(|| "-".to_owned(), shares);
            // Writing to a string cannot fail.
            let _written = writeln!(
                text,
                "| {name} | {wins} | {losses} | {ties} | {same_sets} | {by_place} | {abstained} | {left} | {rate} |"
            );
        }
        text.push_str(&self.spent_lines());
        text
    }

    fn spent_lines(&self) -> String {
        let Spent { questions, abstentions, chosen: [a, b], tokens_in, tokens_out, cost, uncosted, .. } =
            self.spent;
        if questions == 0 {
            return String::new();
        }
        let cost = if uncosted == questions { "not known".to_owned() } else { format!("{cost:.4}") };
        format!(
            "\nEvery pair was shown in both orders, without names, beside the query as it was before its disturbance. \
             {questions} questions were answered: row A was chosen {a} times, row B {b} times, {abstentions} \
             abstentions. Tokens: {tokens_in} in, {tokens_out} out; cost: {cost}.\n"
        )
    }

    /// Writes the section into the run's folder `judge`, where [`read_judgements`] finds it.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Run`] when it cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<PathBuf, JudgeError> {
        let Matchup { first, second, protocol, .. } = &self.matchup;
        let name = file_name(&[&self.judge, first, second, &protocol.to_string()], "md");
        Ok(folder.write(&name.to_string_lossy(), self.markdown().as_bytes())?)
    }
}

/// The sections of Markdown that judges left in a run's directory, by the names of their files.
///
/// # Errors
///
/// [`JudgeError::Run`] when they cannot be read; that there are none is no error.
pub fn read_judgements(folder: &RunFolder) -> Result<Vec<String>, JudgeError> {
    let path = folder.path().join("judge");
    let file = |path: &PathBuf| {
        let path = path.clone();
        move |source| EvalError::File { path, source }
    };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(file(&path))?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(file(&path))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.sort();
    Ok(paths.iter().map(|path| fs::read_to_string(path).map_err(file(path))).collect::<Result<_, _>>()?)
}

fn shares(Interval { estimate, low, high }: Interval) -> String {
    format!("{:.1} % ({:.1} to {:.1})", estimate * 100.0, low * 100.0, high * 100.0)
}

/// A name within Markdown: no end of a line, of a cell or of a word in code.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || "|`<>[]*".contains(c) { ' ' } else { c }).collect()
}
