//! `lookalike demo`: the main job on drawn glyphs, with nothing but this program.
//!
//! Every glyph's class and way of drawing are known, so the rankings can be held against the truth: which of them
//! finds the very glyph again when the query is disturbed, and whether its other neighbours are alike.

mod conclusion;
mod page;
mod queries;
mod report;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use lookalike::ingest_item;
use lookalike_datasets::GlyphSet;
use lookalike_engine::plugin_api::{Budget, ParameterValue, Parameters};
use lookalike_engine::{
    Answer, Candidates, Collection, DEFAULT_CANDIDATES, IngestReport, Metric, Query, StoreConfig,
};
use lookalike_vision::Model;

use crate::args::{DemoArgs, GlobalArgs};
use crate::demo::page::page;
use crate::demo::queries::{GlyphQuery, key, queries};
use crate::demo::report::DemoReport;
use crate::demo::tally::{JUDGED, Mean, Tally, Truth, Yardsticks, median};
use crate::ending::Ending;
use crate::html::Card;
use crate::model_files;
use crate::opened::options;
use crate::output::{Output, grouped};
use crate::progress::Progress;
use crate::ranking::Ranking;
use crate::remedy::with_remedy;
use crate::search::predicted;
use crate::stats::ModelReport;

/// Seed of the stored glyphs; the shipped network was trained on others.
const GLYPH_SEED: u64 = 1;

pub(crate) fn run(args: &DemoArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let home = Home::of(args)?;
    let database = options(global, StoreConfig::default())
        .create(home.path(), &model_files::builtin()?)
        .map_err(|error| with_remedy(error, home.path()))?;
    let model = database.model().ok_or(lookalike::Error::NoNetwork)?;
    let collection = database.collection(global.collection())?;

    output.line(&format!("drawing and storing {} glyphs ...", grouped(args.count)))?;
    let ingest = store(&collection, args.count)?;
    let asked = queries(GlyphSet::new(GLYPH_SEED), args.count, args.queries);
    output.line(&format!("asking {} clean and {} disturbed queries ...\n", args.queries, args.queries))?;
    let trial = Trial::run(&asked, &collection, model, args.count)?;

    let report = DemoReport::of(args, &trial, &asked, &ingest, ModelReport::of(model), start.elapsed());
    let page = page(&report, trial.cards, &collection);
    fs::write(&args.out, page.render()).with_context(|| {
        format!("page {} cannot be written; choose another with --out", args.out.display())
    })?;
    output.report(&report)?;
    Ok(Ending::Done)
}

/// Where the database lies: for good, or until the demonstration ends.
#[derive(Debug)]
enum Home {
    Kept(PathBuf),
    Passing { path: PathBuf, _folder: tempfile::TempDir },
}

impl Home {
    fn of(args: &DemoArgs) -> anyhow::Result<Self> {
        if let Some(path) = &args.keep {
            return Ok(Self::Kept(path.clone()));
        }
        let folder = tempfile::tempdir().context("no temporary directory can be made; use --keep DIR")?;
        Ok(Self::Passing { path: folder.path().join("glyphs"), _folder: folder })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Passing { path, .. } => path,
        }
    }
}

fn store(collection: &Collection, count: u64) -> anyhow::Result<IngestReport> {
    let mut progress = Progress::new("store", "glyphs", Some(count));
    let items = lookalike_datasets::glyphs(GLYPH_SEED, count).filter_map(Result::ok).map(ingest_item);
    let report = collection.ingest(items, &Budget::unlimited(), &mut |now| progress.at(now.settled))?;
    anyhow::ensure!(report.refused == 0, "{} glyphs were refused by the database", report.refused);
    Ok(report)
}

/// The rankings that are compared.
const RANKINGS: [Ranking; 5] = [
    Ranking::Metric(Metric::L2),
    Ranking::Metric(Metric::Cosine),
    Ranking::Metric(Metric::Whitened),
    Ranking::MultiView,
    Ranking::Tmm,
];

/// All answers to all queries, counted.
struct Trial {
    scores: Vec<RankingScore>,
    /// Clean cards, then disturbed ones.
    cards: [Vec<Card>; 2],
    yardsticks: Yardsticks,
}

/// How one ranking did.
#[derive(Debug, Clone)]
struct RankingScore {
    ranking: Ranking,
    clean: Tally,
    disturbed: Tally,
}

impl RankingScore {
    fn both_same_class(&self) -> Mean {
        self.clean.same_class.with(self.disturbed.same_class)
    }

    fn both_factor_distance(&self) -> Mean {
        self.clean.factor_distance.with(self.disturbed.factor_distance)
    }

    fn median_seconds(&self) -> f64 {
        median(self.clean.seconds.iter().chain(&self.disturbed.seconds).copied())
    }
}

impl Trial {
    fn run(
        asked: &[Vec<GlyphQuery>; 2],
        collection: &Collection,
        model: &Model,
        count: u64,
    ) -> anyhow::Result<Self> {
        let truth = Truth::of(GlyphSet::new(GLYPH_SEED), count);
        let searches = asked.iter().map(Vec::len).sum::<usize>() * RANKINGS.len();
        let mut progress = Progress::new("search", "rankings", Some(searches as u64));
        let new = |ranking| RankingScore { ranking, clean: Tally::default(), disturbed: Tally::default() };
        let mut scores = RANKINGS.map(new).to_vec();
        let mut cards = [Vec::new(), Vec::new()];
        let mut done = 0;
        for (condition, queries) in asked.iter().enumerate() {
            for query in queries {
                let very = collection.get(&key(query.index))?.map(|record| record.id);
                let answers = search(collection, query, count)?;
                let predicted = answers.first().map(|answer| predicted(model, answer)).transpose()?;
                let truth_label = query.asked.label.as_deref();
                let mut card = Card::of(&query.asked, truth_label, &predicted.unwrap_or_default())?;
                for (score, answer) in scores.iter_mut().zip(answers) {
                    card.add(score.ranking, &answer, very, collection)?;
                    let tally = if condition == 0 { &mut score.clean } else { &mut score.disturbed };
                    tally.add(query, &answer, &truth);
                    done += 1;
                    progress.at(done);
                }
                cards[condition].push(card);
            }
        }
        let yardsticks = truth.yardsticks(asked.iter().flatten());
        Ok(Self { scores, cards, yardsticks })
    }
}

/// The answers of all [`RANKINGS`].
fn search(collection: &Collection, query: &GlyphQuery, count: u64) -> anyhow::Result<Vec<Answer>> {
    let candidates = Candidates::Shortlist(DEFAULT_CANDIDATES.min(count as usize));
    let rankings = RANKINGS.map(|ranking| lookalike_engine::Ranking {
        metric: ranking.metric(),
        views: Vec::new(),
        rerank: ranking
            .rerank(candidates, &if ranking == Ranking::Tmm { printed_way() } else { Parameters::default() }),
    });
    let query = Query { hits: JUDGED + 1, ..Query::decoded(query.asked.image.clone()) };
    Ok(collection.search_rankings(&query, &rankings)?)
}

/// The mode in which there is a trigger to show.
fn printed_way() -> Parameters {
    Parameters([("mode".to_owned(), ParameterValue::Text("exact".to_owned()))].into())
}
