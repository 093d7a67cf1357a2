//! `lookalike search`: the neighbours of one image, by one or several rankings.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use lookalike_datasets::Disturbance;
use lookalike_engine::plugin_api::{Budget, FeatureRows, Parameters};
use lookalike_engine::{Answer, Candidates, Collection, Filter, Metric, Query, QueryImage};
use lookalike_vision::Model;
use serde::Serialize;

use crate::args::ranking::Ranking;
use crate::args::{GlobalArgs, SearchArgs};
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::answer::RankingReport;
use crate::show::html::{Card, Page};
use crate::show::output::{Output, Report, visible};
use crate::source::Asked;

pub(crate) fn run(args: &SearchArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let plan = Plan::of(args)?;
    let (opened, collection) = Opened::collection(&args.db, global)?;
    let rankings = plan.asked_of(&collection);
    let answers = collection.search_rankings(&plan.query(), &rankings)?;
    let answers: Vec<(Ranking, Answer)> = plan.rankings.iter().copied().zip(answers).collect();
    let report = SearchReport {
        query: QueryReport::of(&plan, answers.first().map(|(_, answer)| answer), &opened.model)?,
        collection: collection.name().to_owned(),
        rankings: answers.iter().map(|(ranking, answer)| RankingReport::of(ranking.name(), answer)).collect(),
        page: args.html.as_ref().map(|path| path.display().to_string()),
    };
    if let Some(path) = &args.html {
        let page = plan.page(&report, &answers, &collection, &opened)?;
        fs::write(path, page.render())
            .with_context(|| format!("page {} cannot be written", path.display()))?;
    }
    output.report(&report)?;
    let found = answers.iter().any(|(_, answer)| !answer.hits.is_empty());
    Ok(if found { Ending::Done } else { Ending::NothingFound })
}

/// What was typed, understood and checked before the database is opened.
struct Plan {
    asked: Asked,
    label: Option<String>,
    rankings: Vec<Ranking>,
    hits: usize,
    filter: Option<Filter>,
    candidates: Candidates,
    parameters: Parameters,
    /// Views of the whitened metric; none is the clean one.
    views: Vec<String>,
    seed: u64,
    time_limit: Option<Duration>,
    /// What a page says about it: name and value.
    settings: Vec<(String, String)>,
}

impl Plan {
    fn of(args: &SearchArgs) -> anyhow::Result<Self> {
        let rankings = match (&args.rank, &args.html) {
            (Some(rankings), _) => rankings.0.clone(),
            (None, Some(_)) => Ranking::ALL.to_vec(),
            (None, None) => vec![Ranking::Metric(Metric::default())],
        };
        let seconds =
            |seconds| Duration::try_from_secs_f64(seconds).context("--time-limit is no length of time");
        anyhow::ensure!(
            args.views.is_empty() || rankings.iter().any(|ranking| ranking.metric() == Metric::Whitened),
            "--views are summed by the whitened metric; add --rank whitened or --rank multiview"
        );
        let disturbances: Vec<Disturbance> = args.disturb.iter().map(|disturb| disturb.0).collect();
        Ok(Self {
            asked: Asked::find(&args.image, args.from.as_deref())?.disturbed(&disturbances, args.seed),
            label: args.label.clone(),
            rankings,
            hits: args.hits,
            filter: args.filter.as_deref().map(str::parse).transpose()?,
            candidates: if args.full { Candidates::All } else { Candidates::Shortlist(args.shortlist) },
            parameters: Parameters(
                args.set.iter().map(|set| (set.name.clone(), set.value.clone())).collect(),
            ),
            views: args.views.clone(),
            seed: args.seed,
            time_limit: args.time_limit.map(seconds).transpose()?,
            settings: settings(args),
        })
    }

    /// What is asked, whatever the ranking.
    fn query(&self) -> Query {
        let unlimited = Budget::unlimited();
        let query = match &self.asked.query {
            QueryImage::Encoded(bytes) => Query::encoded(bytes.clone()),
            QueryImage::Decoded(image) => Query::decoded(image.clone()),
        };
        Query {
            label: self.label.clone(),
            hits: self.hits,
            filter: self.filter.clone(),
            seed: self.seed,
            budget: match self.time_limit {
                Some(limit) => unlimited.with_time_limit(limit),
                None => unlimited,
            },
            ..query
        }
    }

    /// The rankings as a collection takes them. Of several rerankers each gets the settings that it knows; one that none
    /// knows goes to all, to be refused by the first.
    fn asked_of(&self, collection: &Collection) -> Vec<lookalike_engine::Ranking> {
        let rerankers = collection.rerankers();
        let knows = |ranking: &Ranking, setting: &str| {
            let named = rerankers.iter().rev().find(|known| known.describe().name == ranking.name());
            named.is_some_and(|known| known.describe().parameters.iter().any(|spec| spec.name == setting))
        };
        let ranking = |ranking: &Ranking| {
            let mut parameters = self.parameters.clone();
            parameters.0.retain(|setting, _| {
                knows(ranking, setting) || !self.rankings.iter().any(|other| knows(other, setting))
            });
            let metric = ranking.metric();
            lookalike_engine::Ranking {
                metric,
                views: if metric == Metric::Whitened { self.views.clone() } else { Vec::new() },
                rerank: ranking.rerank(self.candidates, &parameters),
            }
        };
        self.rankings.iter().map(ranking).collect()
    }

    fn truth(&self) -> Option<&str> {
        self.label.as_deref().or(self.asked.label.as_deref())
    }

    fn page(
        &self,
        report: &SearchReport,
        answers: &[(Ranking, Answer)],
        collection: &Collection,
        opened: &Opened,
    ) -> anyhow::Result<Page> {
        let mut card = Card::of(&self.asked, self.truth(), &report.query.predicted)?;
        for (ranking, answer) in answers {
            card.add(ranking.name(), answer, None, collection)?;
        }
        let mut facts = self.settings.clone();
        facts.push((
            "collection".to_owned(),
            format!("{}, {} exemplars", collection.name(), collection.len()),
        ));
        facts.extend(ModelReport::of(&opened.model).facts());
        Ok(Page {
            title: format!("Neighbours of {}", self.asked.name),
            lead: vec![
                "Every row orders the same collection in its own way; the nearest exemplar comes first."
                    .to_owned(),
            ],
            table: None,
            sections: vec![(String::new(), vec![card])],
            facts,
        })
    }
}

fn settings(args: &SearchArgs) -> Vec<(String, String)> {
    let candidates = if args.full { "everything".to_owned() } else { format!("the best {}", args.shortlist) };
    let mut settings = vec![
        ("hits".to_owned(), args.hits.to_string()),
        ("rerankers score".to_owned(), candidates),
        ("seed".to_owned(), args.seed.to_string()),
    ];
    if !args.views.is_empty() {
        settings.push(("views".to_owned(), args.views.join(", ")));
    }
    settings.extend(args.set.iter().map(|set| (set.name.clone(), set.value.to_string())));
    settings.extend(args.filter.clone().map(|filter| ("filter".to_owned(), filter)));
    settings.extend(args.time_limit.map(|limit| ("time limit".to_owned(), format!("{limit} s"))));
    settings
}

#[derive(Debug, Serialize)]
struct SearchReport {
    query: QueryReport,
    collection: String,
    rankings: Vec<RankingReport>,
    page: Option<String>,
}

#[derive(Debug, Serialize)]
struct QueryReport {
    image: String,
    height: usize,
    width: usize,
    channels: usize,
    label: Option<String>,
    /// The class that the model sees in the query.
    predicted: String,
    disturbances: Vec<String>,
    parameters: BTreeMap<String, String>,
    seed: u64,
}

impl QueryReport {
    fn of(plan: &Plan, answer: Option<&Answer>, model: &Model) -> anyhow::Result<Self> {
        let asked = &plan.asked;
        let parameters = plan.parameters.0.iter();
        Ok(Self {
            image: asked.name.clone(),
            height: asked.image.height(),
            width: asked.image.width(),
            channels: asked.image.channels(),
            label: plan.truth().map(str::to_owned),
            predicted: answer.map(|answer| predicted(model, answer)).transpose()?.unwrap_or_default(),
            disturbances: asked.disturbances.iter().map(ToString::to_string).collect(),
            parameters: parameters.map(|(name, value)| (name.clone(), value.to_string())).collect(),
            seed: plan.seed,
        })
    }
}

/// The class that the model sees in a query: its head over the row that the search made.
pub(crate) fn predicted(model: &Model, answer: &Answer) -> anyhow::Result<String> {
    let row = FeatureRows::new(answer.query_row.len().max(1), answer.query_row.clone())?;
    let class = model.head().predicted(&row).first().copied();
    Ok(class.and_then(|class| model.manifest().classes.get(class)).cloned().unwrap_or_default())
}

impl Report for SearchReport {
    fn text(&self) -> String {
        let query = &self.query;
        let mut text = format!("query {}, {} x {} pixels", visible(&query.image), query.width, query.height);
        for disturbance in &query.disturbances {
            text.push_str(", ");
            text.push_str(disturbance);
        }
        // Writing to a string cannot fail.
        let _written = writeln!(text, "; the model sees \"{}\"", visible(&query.predicted));
        for ranking in &self.rankings {
            text.push('\n');
            text.push_str(&ranking.text());
        }
        if let Some(page) = &self.page {
            let _written = writeln!(text, "\nwrote {}; open it in a browser", visible(page));
        }
        text
    }
}
