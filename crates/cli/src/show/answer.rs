//! A search's answer as reports show it.

use std::collections::BTreeMap;
use std::fmt::Write;

use lookalike_engine::plugin_api::{Artifact, RankingStatus, StageTiming};
use lookalike_engine::{Answer, Direction, Hit};
use serde::Serialize;

use crate::show::output::{Table, grouped, span, visible};
use crate::show::tags::tags;

/// One ranking's answer.
#[derive(Debug, Serialize)]
pub(crate) struct RankingReport {
    ranking: String,
    /// What it does, from the settings that ran.
    summary: String,
    /// Which end of the score is near: `larger` or `smaller`.
    nearer: &'static str,
    /// Metric that the shortlist stage used.
    metric: &'static str,
    status: String,
    matched: u64,
    batch: u64,
    seconds: f64,
    timings: Vec<TimingReport>,
    numbers: BTreeMap<&'static str, f64>,
    notes: Vec<String>,
    hits: Vec<HitReport>,
}

#[derive(Debug, Serialize)]
struct TimingReport {
    stage: &'static str,
    milliseconds: f64,
    steps: u64,
}

#[derive(Debug, Serialize)]
struct HitReport {
    rank: usize,
    id: u32,
    key: String,
    label: Option<String>,
    tags: BTreeMap<String, serde_json::Value>,
    score: f32,
    /// Stage that made the score: `shortlist`, or `score` where a reranker did.
    stage: &'static str,
    /// Place in the shortlist.
    shortlist_rank: Option<usize>,
    /// What every stage thought of it.
    stages: Vec<StageReport>,
}

#[derive(Debug, Serialize)]
struct StageReport {
    stage: &'static str,
    ranking: String,
    score: f32,
    rank: usize,
}

impl RankingReport {
    pub(crate) fn of(asked: &str, answer: &Answer) -> Self {
        Self {
            ranking: name(asked, answer),
            summary: answer.ranking.summary.clone(),
            nearer: nearer(answer.direction()),
            metric: answer.metric.name(),
            status: answer.status.to_string(),
            matched: answer.matched,
            batch: answer.batch,
            seconds: answer.elapsed().as_secs_f64(),
            timings: answer.timings.iter().map(TimingReport::of).collect(),
            numbers: numbers(answer),
            notes: notes(answer),
            hits: answer.hits.iter().enumerate().map(|(place, hit)| HitReport::of(place + 1, hit)).collect(),
        }
    }

    /// A table of the hits and what else is to be said.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{}: {} ({} is nearer), {} matched, {}",
            self.ranking,
            self.summary,
            self.nearer,
            grouped(self.matched),
            span(self.seconds)
        );
        if self.status != "skipped" {
            text.push_str(", ");
            text.push_str(&self.status);
        }
        text.push('\n');
        if self.hits.is_empty() {
            text.push_str("  nothing found\n");
        } else {
            text.push_str(&self.table().text());
        }
        // Writing to a string cannot fail.
        let _written = writeln!(text, "  {}", self.timings_line());
        for note in &self.notes {
            let _written = writeln!(text, "  note: {}", visible(note));
        }
        text
    }

    fn table(&self) -> Table {
        let two_stages = self.hits.iter().any(|hit| hit.stage == "score");
        let mut titles = vec![">rank", "key", "label", ">score"];
        titles.extend(two_stages.then_some(">shortlist rank"));
        let mut table = Table::new(&titles);
        for hit in &self.hits {
            let shortlist = hit.shortlist_rank.map(|rank| rank.to_string());
            let label = hit.label.clone().unwrap_or_else(|| "-".to_owned());
            // A reranker that ran out of budget leaves the rest in shortlist order, with no score of its own.
            let unscored = two_stages && hit.stage != "score";
            let score = if unscored { "-".to_owned() } else { score(hit.score) };
            let cells = [hit.rank.to_string(), hit.key.clone(), label, score];
            table.row(cells.into_iter().chain(two_stages.then(|| shortlist.unwrap_or_default())));
        }
        table
    }

    fn timings_line(&self) -> String {
        let stages = self.timings.iter().map(|timing| {
            let steps = if timing.steps > 0 { format!(" ({} steps)", timing.steps) } else { String::new() };
            format!("{} {}{steps}", timing.stage, span(timing.milliseconds / 1e3))
        });
        stages.collect::<Vec<_>>().join(", ")
    }
}

impl TimingReport {
    fn of(timing: &StageTiming) -> Self {
        Self { stage: timing.stage, milliseconds: timing.elapsed.as_secs_f64() * 1e3, steps: timing.steps }
    }
}

impl HitReport {
    fn of(rank: usize, hit: &Hit) -> Self {
        Self {
            rank,
            id: hit.id,
            key: hit.key.clone(),
            label: hit.label.clone(),
            tags: tags(&hit.tags),
            score: deciding_score(hit),
            stage: hit.stages.last().map_or("", |stage| stage.stage),
            shortlist_rank: hit
                .stages
                .iter()
                .find(|stage| stage.stage == "shortlist")
                .map(|stage| stage.rank),
            stages: hit
                .stages
                .iter()
                .map(|stage| StageReport {
                    stage: stage.stage,
                    ranking: stage.ranking.clone(),
                    score: stage.score,
                    rank: stage.rank,
                })
                .collect(),
        }
    }
}

/// What an answer is called: as it was asked for, unless a reranker let another answer.
pub(crate) fn name(asked: &str, answer: &Answer) -> String {
    match answer.status {
        RankingStatus::Skipped | RankingStatus::Fallback { .. } => asked.to_owned(),
        RankingStatus::Applied | RankingStatus::Partial { .. } => answer.ranking.name.clone(),
    }
}

/// The score of the stage that decided a hit's place.
pub(crate) fn deciding_score(hit: &Hit) -> f32 {
    hit.stages.last().map_or(0.0, |stage| stage.score)
}

/// A score with four digits after the point, or as many as make it differ from nought.
pub(crate) fn score(score: f32) -> String {
    if score != 0.0 && score.abs() < 0.001 { format!("{score:.2e}") } else { format!("{score:.4}") }
}

pub(crate) fn nearer(direction: Direction) -> &'static str {
    match direction {
        Direction::LargerIsNearer => "larger",
        Direction::SmallerIsNearer => "smaller",
    }
}

/// Numbers that the reranker has to show.
pub(crate) fn numbers(answer: &Answer) -> BTreeMap<&'static str, f64> {
    let number = |artifact: &Artifact| {
        let Artifact::Number { name, value } = artifact else { return None };
        value.is_finite().then_some((*name, *value))
    };
    answer.artifacts.iter().filter_map(number).collect()
}

/// Remarks of the engine and of the reranker.
pub(crate) fn notes(answer: &Answer) -> Vec<String> {
    let note = |artifact: &Artifact| {
        let Artifact::Note(note) = artifact else { return None };
        Some(note.clone())
    };
    answer.notes.iter().cloned().chain(answer.artifacts.iter().filter_map(note)).collect()
}
