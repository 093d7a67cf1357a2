//! One self-contained page: queries, their triggers, and a row of neighbours per ranking.
//!
//! The page needs no script and no other file. Every text that comes from a collection or a command line is
//! escaped, so a key cannot become markup.

mod picture;

use lookalike_engine::plugin_api::{Artifact, ExemplarId, RankingStatus};
use lookalike_engine::{Answer, Collection, Hit, decode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::show::answer::{deciding_score, name, nearer, notes, numbers, score};
use crate::show::html::picture::Picture;
use crate::show::output::span;
use crate::source::Asked;

const STYLE: &str = include_str!("html/page.css");

/// A whole page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) title: String,
    /// Paragraphs under the title.
    pub(crate) lead: Vec<String>,
    /// A table of results with its conclusions.
    pub(crate) table: Option<Comparison>,
    /// Cards under headings; an empty heading is left out.
    pub(crate) sections: Vec<(String, Vec<Card>)>,
    /// What the footer says: name and value.
    pub(crate) facts: Vec<(String, String)>,
}

/// A table that compares rankings.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) titles: Vec<String>,
    pub(crate) rows: Vec<ComparisonRow>,
    pub(crate) caption: String,
    /// What the numbers say, one paragraph each.
    pub(crate) conclusions: Vec<String>,
}

/// One row of a [`Comparison`].
#[derive(Debug)]
pub(crate) struct ComparisonRow {
    /// The text of each cell, and whether it is the best of its column.
    pub(crate) cells: Vec<(String, bool)>,
    /// Whether it is a yardstick rather than a ranking.
    pub(crate) reference: bool,
}

/// One query with its rankings.
#[derive(Debug)]
pub(crate) struct Card {
    title: String,
    /// A line under the title.
    says: String,
    /// The query's label, if it is known.
    truth: Option<String>,
    pictures: Vec<(String, Picture)>,
    numbers: Vec<(String, String)>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    ranking: String,
    remark: String,
    seconds: f64,
    timings: Vec<(String, String)>,
    notes: Vec<String>,
    neighbours: Vec<Neighbour>,
}

#[derive(Debug)]
struct Neighbour {
    picture: Option<Picture>,
    /// What in it made its score.
    heat: Option<Picture>,
    key: String,
    label: Option<String>,
    score: f32,
    verdict: Verdict,
}

/// How a neighbour relates to the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is the exemplar that the query was made from.
    Very,
    SameLabel,
    OtherLabel,
    /// One of the two labels is not known.
    Unknown,
}

impl Card {
    /// A card without rankings.
    pub(crate) fn of(asked: &Asked, truth: Option<&str>, predicted: &str) -> anyhow::Result<Self> {
        let mut pictures = Vec::new();
        let spoilt: Vec<String> = asked.disturbances.iter().map(ToString::to_string).collect();
        let caption =
            if spoilt.is_empty() { "query".to_owned() } else { format!("query: {}", spoilt.join(", ")) };
        pictures.push((caption, Picture::of(&asked.image)?));
        if let Some(original) = &asked.original {
            pictures.push(("before".to_owned(), Picture::of(original)?));
        }
        let says = match truth {
            Some(truth) if truth == predicted => {
                format!("the model sees \u{201c}{predicted}\u{201d}, rightly")
            }
            Some(truth) => {
                format!("labelled \u{201c}{truth}\u{201d}, the model sees \u{201c}{predicted}\u{201d}")
            }
            None => format!("the model sees \u{201c}{predicted}\u{201d}"),
        };
        Ok(Self {
            title: asked.name.clone(),
            says,
            truth: truth.map(str::to_owned),
            pictures,
            numbers: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// Adds a ranking's neighbours; `very` is the exemplar that the query was made from.
    pub(crate) fn add(
        &mut self,
        asked: &str,
        answer: &Answer,
        very: Option<ExemplarId>,
        collection: &Collection,
    ) -> anyhow::Result<()> {
        for artifact in &answer.artifacts {
            if let Artifact::Image { name, image } = artifact {
                self.pictures.push(((*name).to_owned(), Picture::of(image)?));
            }
        }
        self.numbers.extend(
            numbers(answer).into_iter().map(|(name, value)| (name.replace('_', " "), format!("{value:.3}"))),
        );
        let mut neighbours = Vec::with_capacity(answer.hits.len());
        for hit in &answer.hits {
            let mut neighbour = self.neighbour(hit, very, collection)?;
            for artifact in &answer.artifacts {
                if let Artifact::HeatMap { exemplar, image } = artifact
                    && *exemplar == hit.id
                {
                    neighbour.heat = Some(Picture::of(image)?);
                }
            }
            neighbours.push(neighbour);
        }
        let steps = |steps| if steps > 0 { format!(", {steps} steps") } else { String::new() };
        let timings = answer.timings.iter();
        self.rows.push(Row {
            ranking: name(asked, answer),
            remark: remark(answer),
            seconds: answer.elapsed().as_secs_f64(),
            timings: timings
                .map(|t| (t.stage.to_owned(), format!("{}{}", span(t.elapsed.as_secs_f64()), steps(t.steps))))
                .collect(),
            notes: notes(answer),
            neighbours,
        });
        Ok(())
    }

    fn neighbour(
        &self,
        hit: &Hit,
        very: Option<ExemplarId>,
        collection: &Collection,
    ) -> anyhow::Result<Neighbour> {
        // An exemplar that was deleted since the search leaves its place without a picture.
        let picture = match collection.image(hit.id)? {
            Some(bytes) => Some(Picture::of(&decode(&bytes)?.image)?),
            None => None,
        };
        let verdict = match (&self.truth, &hit.label) {
            _ if very == Some(hit.id) => Verdict::Very,
            (Some(truth), Some(label)) if truth == label => Verdict::SameLabel,
            (Some(_), Some(_)) => Verdict::OtherLabel,
            (None, _) | (_, None) => Verdict::Unknown,
        };
        let (key, label) = (hit.key.clone(), hit.label.clone());
        Ok(Neighbour { picture, heat: None, key, label, score: deciding_score(hit), verdict })
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.rows.iter().flat_map(|row| &row.neighbours).map(|neighbour| neighbour.verdict)
    }

    fn has_heat(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.neighbours).any(|neighbour| neighbour.heat.is_some())
    }

    fn render(&self) -> Markup {
        html! {
            article.card {
                div.query {
                    h3 { (self.title) }
                    p.says { (self.says) }
                    div.pictures {
                        @for (caption, picture) in &self.pictures {
                            figure { (picture.tag(caption)) figcaption { (caption) } }
                        }
                    }
                    @if !self.numbers.is_empty() { (pairs(&self.numbers)) }
                }
                div { @for row in &self.rows { (row.render()) } }
            }
        }
    }
}

fn remark(answer: &Answer) -> String {
    let mut remark = format!("{}; {} score is nearer", answer.ranking.summary, nearer(answer.direction()));
    if !matches!(answer.status, RankingStatus::Applied | RankingStatus::Skipped) {
        remark = format!("{remark}; {}", answer.status);
    }
    remark
}

impl Row {
    fn render(&self) -> Markup {
        html! {
            section.ranking {
                header {
                    h4 { (self.ranking) }
                    span { (self.remark) }
                    span.time { (span(self.seconds)) }
                }
                @if self.neighbours.is_empty() {
                    p.nothing { "nothing found" }
                } @else {
                    ol.neighbours { @for neighbour in &self.neighbours { (neighbour.render(&self.ranking)) } }
                }
                @for note in &self.notes { p.note { (note) } }
                p.stages { @for (stage, time) in &self.timings { span { b { (stage) } " " (time) } " " } }
            }
        }
    }
}

impl Neighbour {
    fn render(&self, ranking: &str) -> Markup {
        let (class, mark, meaning) = match self.verdict {
            Verdict::Very => ("very", "\u{2605} ", "the very exemplar"),
            Verdict::SameLabel => ("same", "\u{2713} ", "same label"),
            Verdict::OtherLabel => ("other", "\u{2717} ", "other label"),
            Verdict::Unknown => ("unknown", "", "label not known"),
        };
        let label = self.label.as_deref().unwrap_or("no label");
        // The end of a key tells neighbours apart; the whole of it is in the title.
        let name = self.key.rsplit('/').next().unwrap_or(&self.key);
        let (key, score) = (&self.key, score(self.score));
        html! {
            li class=(class) title={ (key) ", " (label) ": " (meaning) ", " (ranking) " " (score) } {
                @if let Some(picture) = &self.picture { (picture.tag(key)) }
                @if let Some(heat) = &self.heat { (heat.tag("what made its score")) }
                span.label { (mark) (label) }
                span.score { (score) }
                span.key { (name) }
            }
        }
    }
}

impl Comparison {
    fn render(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    thead { tr { @for title in &self.titles { th { (title) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr.reference[row.reference] {
                                @for (text, best) in &row.cells { td.best[*best] { (text) } }
                            }
                        }
                    }
                }
            }
            p.caption { (self.caption) }
            div.verdict { @for conclusion in &self.conclusions { p { (conclusion) } } }
        }
    }
}

impl Page {
    /// The page as HTML.
    pub(crate) fn render(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        div.brand { "Lookalike" }
                        h1 { (self.title) }
                        @for paragraph in &self.lead { p.lead { (paragraph) } }
                    }
                    main {
                        @if let Some(table) = &self.table { (table.render()) }
                        (self.legend())
                        @for (heading, cards) in &self.sections {
                            @if !heading.is_empty() { h2 { (heading) } }
                            @for card in cards { (card.render()) }
                        }
                    }
                    footer { (pairs(&self.facts)) }
                }
            }
        };
        page.into_string()
    }

    /// What the marks mean, of those that the page shows.
    fn legend(&self) -> Markup {
        let cards = || self.sections.iter().flat_map(|(_, cards)| cards);
        let shown = |verdict| cards().any(|card| card.verdicts().any(|v| v == verdict));
        let marks = [
            (shown(Verdict::Very), "\u{2605} the very exemplar that the query was made from"),
            (shown(Verdict::SameLabel), "\u{2713} same label as the query"),
            (shown(Verdict::OtherLabel), "\u{2717} other label (dashed frame)"),
            (
                cards().any(Card::has_heat),
                "below an image: what in it made its score, the brightest place most",
            ),
        ];
        let meanings: Vec<&str> = marks.iter().filter(|(is_shown, _)| *is_shown).map(|mark| mark.1).collect();
        html! {
            @if !meanings.is_empty() {
                ul.legend { @for meaning in meanings { li { (meaning) } } }
            }
            p {}
        }
    }
}

fn pairs(facts: &[(String, String)]) -> Markup {
    html! { dl { @for (name, value) in facts { dt { (name) } dd { (value) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        let page = Page {
            title: "<script>alert('x')</script>".to_owned(),
            lead: vec!["a & b".to_owned()],
            table: None,
            sections: Vec::new(),
            facts: vec![("seed\"".to_owned(), "0".to_owned())],
        };
        let html = page.render();
        assert!(!html.contains("<script>"));
        assert!(html.contains("<h1>&lt;script&gt;alert('x')&lt;/script&gt;</h1>"));
        assert!(html.contains("<p class=\"lead\">a &amp; b</p>"));
        assert!(html.contains("<dt>seed&quot;</dt><dd>0</dd>"));
    }

    #[test]
    fn a_page_asks_for_nothing_from_elsewhere() {
        for forbidden in ["http:", "https:", "src=\"/", "url(", "@import", "<script", "<link"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
