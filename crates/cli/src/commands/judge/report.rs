//! What judges think, as text and as JSON.

use std::path::Path;

use lookalike_eval::{Judgement, Spent, Tally};
use serde::Serialize;

use crate::show::output::{Report, Table, grouped, span, visible, wrapped};

#[derive(Debug, Default, Serialize)]
pub(super) struct JudgeReport {
    judgements: Vec<JudgementReport>,
    /// Questions that the model answered in this call.
    pub(super) answered_now: usize,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct JudgementReport {
    judge: String,
    first: String,
    second: String,
    protocol: String,
    neighbours: usize,
    conclusion: String,
    overall: TallyReport,
    conditions: Vec<TallyReport>,
    questions: usize,
    abstentions: usize,
    chose_a: usize,
    chose_b: usize,
    tokens_in: u64,
    tokens_out: u64,
    /// Absent where no answer's cost is known.
    cost: Option<f64>,
    seconds: f64,
    /// Where the same is as Markdown.
    file: String,
}

#[derive(Debug, Serialize)]
struct TallyReport {
    condition: String,
    wins: usize,
    losses: usize,
    ties: usize,
    same_sets: usize,
    by_place: usize,
    abstained: usize,
    left: usize,
    win_rate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl JudgeReport {
    pub(super) fn add(&mut self, judgement: &Judgement, file: &Path) {
        let Spent {
            questions, abstentions, chosen, tokens_in, tokens_out, cost, uncosted, milliseconds, ..
        } = judgement.spent;
        let conditions = judgement.conditions.iter();
        self.judgements.push(JudgementReport {
            judge: judgement.judge.clone(),
            first: judgement.matchup.first.clone(),
            second: judgement.matchup.second.clone(),
            protocol: judgement.matchup.protocol.to_string(),
            neighbours: judgement.matchup.neighbours,
            conclusion: judgement.conclusion(),
            overall: TallyReport::of("all", &judgement.overall),
            conditions: conditions.map(|(name, tally)| TallyReport::of(&name.to_string(), tally)).collect(),
            questions,
            abstentions,
            chose_a: chosen[0],
            chose_b: chosen[1],
            tokens_in,
            tokens_out,
            cost: (uncosted < questions).then_some(cost),
            seconds: milliseconds as f64 / 1e3,
            file: file.display().to_string(),
        });
    }
}

impl TallyReport {
    fn of(condition: &str, tally: &Tally) -> Self {
        Self {
            condition: condition.to_owned(),
            wins: tally.wins,
            losses: tally.losses,
            ties: tally.ties,
            same_sets: tally.same_sets,
            by_place: tally.by_place,
            abstained: tally.abstained,
            left: tally.left,
            win_rate: tally.win_rate.map(|rate| rate.estimate),
            low: tally.win_rate.map(|rate| rate.low),
            high: tally.win_rate.map(|rate| rate.high),
        }
    }
}

impl JudgementReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} against {}, {}, {} neighbours each\n",
            visible(&self.judge),
            visible(&self.first),
            visible(&self.second),
            self.protocol,
            self.neighbours
        );
        let titles = [
            "condition",
            ">wins",
            ">losses",
            ">ties",
            ">same",
            ">by place",
            ">abstained",
            ">left",
            ">win rate",
        ];
        let mut table = Table::new(&titles);
        for line in self.conditions.iter().chain([&self.overall]) {
            let counts =
                [line.wins, line.losses, line.ties, line.same_sets, line.by_place, line.abstained, line.left];
            let rate = line.win_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
            let cells = counts.into_iter().map(|count| grouped(count as u64));
            table.row([line.condition.clone()].into_iter().chain(cells).chain([rate]));
        }
        text.push_str(&table.text());
        text.push_str(&wrapped(&visible(&self.conclusion)));
        if self.questions > 0 {
            let cost = self.cost.map_or_else(String::new, |cost| format!(", cost {cost:.4}"));
            text.push_str(&wrapped(&format!(
                "{} questions in {}: row A {}, row B {}, abstentions {}, tokens {} in and {} out{cost}",
                grouped(self.questions as u64),
                span(self.seconds),
                grouped(self.chose_a as u64),
                grouped(self.chose_b as u64),
                grouped(self.abstentions as u64),
                grouped(self.tokens_in),
                grouped(self.tokens_out)
            )));
        }
        text + &format!("written to {}\n", visible(&self.file))
    }
}

impl Report for JudgeReport {
    fn text(&self) -> String {
        let judgements = self.judgements.iter().map(|judgement| judgement.text() + "\n");
        let notes = self.notes.iter().map(|note| format!("note: {}\n", visible(note)));
        judgements.chain(notes).collect()
    }
}
