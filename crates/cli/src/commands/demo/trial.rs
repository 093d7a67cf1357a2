//! The questions and the answers of the demonstration.

use lookalike_datasets::GlyphSet;
use lookalike_engine::plugin_api::{ParameterValue, Parameters};
use lookalike_engine::{Answer, Candidates, Collection, DEFAULT_CANDIDATES, Metric, Query};
use lookalike_vision::Model;

use super::queries::{GlyphQuery, key};
use super::score::{GLYPH_SEED, RankingScore};
use super::tally::{JUDGED, Tally, Truth, Yardsticks};
use crate::args::ranking::Ranking;
use crate::commands::search::predicted;
use crate::show::html::Card;
use crate::show::progress::Progress;

/// The rankings that are compared.
pub(super) const RANKINGS: [Ranking; 5] = [
    Ranking::Metric(Metric::L2),
    Ranking::Metric(Metric::Cosine),
    Ranking::Metric(Metric::Whitened),
    Ranking::MultiView,
    Ranking::Tmm,
];

/// All answers to all queries, counted.
pub(super) struct Trial {
    pub(super) scores: Vec<RankingScore>,
    /// Clean cards, then disturbed ones.
    pub(super) cards: [Vec<Card>; 2],
    pub(super) yardsticks: Yardsticks,
}

impl Trial {
    pub(super) fn run(
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
                    card.add(score.ranking.name(), &answer, very, collection)?;
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
pub(super) fn search(collection: &Collection, query: &GlyphQuery, count: u64) -> anyhow::Result<Vec<Answer>> {
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
pub(super) fn printed_way() -> Parameters {
    Parameters([("mode".to_owned(), ParameterValue::Text("exact".to_owned()))].into())
}
