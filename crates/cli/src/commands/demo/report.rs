//! The demonstration's outcome, for people and as JSON.

use std::time::Duration;

use lookalike_engine::{DEFAULT_CANDIDATES, IngestReport};
use lookalike_tmm::TmmConfig;
use serde::Serialize;

use super::conclusion::conclusions;
use super::queries::GlyphQuery;
use super::score::RankingScore;
use super::tally::{JUDGED, Yardsticks};
use super::trial::Trial;
use crate::args::DemoArgs;
use crate::commands::stats::ModelReport;
use crate::show::output::{Report, Table, grouped, span, visible, wrapped};

#[derive(Debug, Serialize)]
pub(crate) struct DemoReport {
    pub(crate) glyphs: u64,
    pub(crate) queries: u64,
    disturbances: Vec<String>,
    pub(crate) rankings: Vec<ScoreReport>,
    yardsticks: Yardsticks,
    pub(crate) conclusions: Vec<String>,
    ingest_seconds: f64,
    ingest_model_seconds: f64,
    search_seconds: f64,
    total_seconds: f64,
    pub(crate) model: ModelReport,
    page: String,
    database: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ScoreReport {
    ranking: &'static str,
    very_first_clean: usize,
    very_first_disturbed: usize,
    same_class_clean: Option<f64>,
    same_class_disturbed: Option<f64>,
    factor_distance: Option<f64>,
    median_milliseconds: f64,
}

impl ScoreReport {
    fn of(score: &RankingScore) -> Self {
        Self {
            ranking: score.ranking.name(),
            very_first_clean: score.clean.found(),
            very_first_disturbed: score.disturbed.found(),
            same_class_clean: score.clean.same_class.get(),
            same_class_disturbed: score.disturbed.same_class.get(),
            factor_distance: score.both_factor_distance().get(),
            median_milliseconds: score.median_seconds() * 1e3,
        }
    }
}

impl DemoReport {
    pub(crate) fn of(
        args: &DemoArgs,
        trial: &Trial,
        asked: &[Vec<GlyphQuery>; 2],
        ingest: &IngestReport,
        model: ModelReport,
        elapsed: Duration,
    ) -> Self {
        let disturbances = asked[1].iter().flat_map(|query| &query.asked.disturbances);
        let seconds =
            trial.scores.iter().flat_map(|score| score.clean.seconds.iter().chain(&score.disturbed.seconds));
        Self {
            glyphs: args.count,
            queries: args.queries,
            disturbances: disturbances.map(ToString::to_string).collect(),
            rankings: trial.scores.iter().map(ScoreReport::of).collect(),
            yardsticks: trial.yardsticks.clone(),
            conclusions: conclusions(&trial.scores),
            ingest_seconds: ingest.elapsed.as_secs_f64(),
            ingest_model_seconds: ingest.embedding.as_secs_f64(),
            search_seconds: seconds.sum(),
            total_seconds: elapsed.as_secs_f64(),
            model,
            page: args.out.display().to_string(),
            database: args.keep.as_ref().map(|path| path.display().to_string()),
        }
    }

    /// One row per ranking, then the yardsticks, as cells.
    pub(crate) fn rows(&self) -> Vec<[String; 7]> {
        let share = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
        };
        let distance = |distance: Option<f64>| distance.map_or_else(|| "-".to_owned(), |d| format!("{d:.3}"));
        let found = |found: usize| format!("{found} of {}", self.queries);
        let none = String::new;
        let mut rows: Vec<[String; 7]> = Vec::new();
        for score in &self.rankings {
            rows.push([
                score.ranking.to_owned(),
                found(score.very_first_clean),
                found(score.very_first_disturbed),
                share(score.same_class_clean),
                share(score.same_class_disturbed),
                distance(score.factor_distance),
                span(score.median_milliseconds / 1e3),
            ]);
        }
        let (best, lot) = (self.yardsticks.best_factor_distance, self.yardsticks.random_factor_distance);
        let by_lot = share(self.yardsticks.random_same_class);
        rows.push([
            "best possible".to_owned(),
            none(),
            none(),
            share(Some(1.0)),
            share(Some(1.0)),
            distance(best),
            none(),
        ]);
        rows.push(["drawn by lot".to_owned(), none(), none(), by_lot.clone(), by_lot, distance(lot), none()]);
        rows
    }

    /// Whether cell `column` of row `row` is the best of its column; a column in which all are level has no best.
    pub(crate) fn is_best(&self, row: usize, column: usize) -> bool {
        let value = |score: &ScoreReport| match column {
            1 => Some(score.very_first_clean as f64),
            2 => Some(score.very_first_disturbed as f64),
            3 => score.same_class_clean,
            4 => score.same_class_disturbed,
            5 => score.factor_distance.map(|distance| -distance),
            _ => None,
        };
        let values: Vec<f64> = self.rankings.iter().filter_map(value).collect();
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        self.rankings.get(row).and_then(value).is_some_and(|value| least < most && value >= most)
    }

    pub(crate) fn explanation(&self) -> String {
        let copies = match TmmConfig::default().positives {
            0 => String::new(),
            copies => format!(
                " multiview and tmm see {copies} copies of the query in another light, noisy, shifted, blurred or \
                 sharpened, so such disturbances do not come as a surprise to them."
            ),
        };
        format!(
            "Itself first: how often the glyph that the query was made from came first. Same sign and factor \
             distance: of the {JUDGED} nearest other glyphs, the share of the same class, and how differently those \
             were drawn (slant, stroke, rotation, shift, scale, levels; 0 is alike, 1 opposite). Time: the median \
             over {} glyphs; multiview and tmm score a shortlist of {}.{copies}",
            grouped(self.glyphs),
            DEFAULT_CANDIDATES.min(self.glyphs as usize)
        )
    }

    pub(crate) fn timing_line(&self) -> String {
        format!(
            "stored {} glyphs in {} ({} in the model), {} rankings in {}, all in {}",
            grouped(self.glyphs),
            span(self.ingest_seconds),
            span(self.ingest_model_seconds),
            grouped(2 * self.queries * self.rankings.len() as u64),
            span(self.search_seconds),
            span(self.total_seconds)
        )
    }
}

const TITLES: [&str; 7] = [
    "ranking",
    ">itself first, clean",
    ">disturbed",
    ">same sign, clean",
    ">disturbed",
    ">factor distance",
    ">time per query",
];

impl Report for DemoReport {
    fn text(&self) -> String {
        let mut table = Table::new(&TITLES);
        self.rows().into_iter().for_each(|row| table.row(row));
        let conclusions: String = self.conclusions.iter().map(|sentence| wrapped(sentence)).collect();
        let database = self.database.as_ref().map_or_else(String::new, |path| {
            format!(
                "the database is kept in {0}; try: lookalike search {0} glyphs:1:42 --rank all\n",
                visible(path)
            )
        });
        format!(
            "{}\n{}\n{conclusions}\n{}\nwrote {}; open it in a browser\n{database}",
            table.text(),
            wrapped(&self.explanation()),
            self.timing_line(),
            visible(&self.page)
        )
    }
}
