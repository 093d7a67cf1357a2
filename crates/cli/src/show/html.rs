//! One self-contained page: queries, their triggers, and a row of neighbours per ranking.
//!
//! The page needs no script and no other file. Every text that comes from a collection or a command line is
//! escaped, so a key cannot become markup.

mod picture;

use std::fmt::Write;

use lookalike_engine::plugin_api::{Artifact, ExemplarId, RankingStatus};
use lookalike_engine::{Answer, Collection, Hit, decode};

use crate::show::answer::{deciding_score, name, nearer, notes, numbers, score};
use crate::show::html::picture::Picture;
use crate::show::output::span;
use crate::source::Asked;

const TEMPLATE: &str = include_str!("html/page.html");

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

    fn render(&self) -> String {
        let pictures = each(&self.pictures, |(caption, picture)| {
            format!("<figure>{}<figcaption>{}</figcaption></figure>", picture.tag(caption), escaped(caption))
        });
        let numbers = if self.numbers.is_empty() {
            String::new()
        } else {
            format!("<dl>{}</dl>", pairs(&self.numbers))
        };
        let rows = each(&self.rows, Row::render);
        format!(
            "<article class=\"card\">\n<div class=\"query\"><h3>{}</h3><p class=\"says\">{}</p>\
             <div class=\"pictures\">{pictures}</div>{numbers}</div>\n<div>{rows}</div>\n</article>\n",
            escaped(&self.title),
            escaped(&self.says)
        )
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
    fn render(&self) -> String {
        let neighbours = each(&self.neighbours, |neighbour| neighbour.render(&self.ranking));
        let neighbours = if neighbours.is_empty() {
            "<p class=\"nothing\">nothing found</p>".to_owned()
        } else {
            format!("<ol class=\"neighbours\">{neighbours}</ol>")
        };
        let notes = each(&self.notes, |note| format!("<p class=\"note\">{}</p>", escaped(note)));
        format!(
            "<section class=\"ranking\"><header><h4>{}</h4><span>{}</span><span class=\"time\">{}</span></header>\
             {neighbours}{notes}<p class=\"stages\">{}</p></section>\n",
            escaped(&self.ranking),
            escaped(&self.remark),
            span(self.seconds),
            each(&self.timings, |(stage, time)| format!(
                "<span><b>{}</b> {}</span> ",
                escaped(stage),
                escaped(time)
            ))
        )
    }
}

impl Neighbour {
    fn render(&self, ranking: &str) -> String {
        let (class, mark, meaning) = match self.verdict {
            Verdict::Very => ("very", "\u{2605} ", "the very exemplar"),
            Verdict::SameLabel => ("same", "\u{2713} ", "same label"),
            Verdict::OtherLabel => ("other", "\u{2717} ", "other label"),
            Verdict::Unknown => ("unknown", "", "label not known"),
        };
        let label = self.label.as_deref().unwrap_or("no label");
        let picture = self.picture.as_ref().map_or_else(String::new, |picture| picture.tag(&self.key));
        let heat = self.heat.as_ref().map_or_else(String::new, |heat| heat.tag("what made its score"));
        // The end of a key tells neighbours apart; the whole of it is in the title.
        let name = escaped(self.key.rsplit('/').next().unwrap_or(&self.key));
        let (key, label, score) = (escaped(&self.key), escaped(label), score(self.score));
        format!(
            "<li class=\"{class}\" title=\"{key}, {label}: {meaning}, {} {score}\">{picture}{heat}\
             <span class=\"label\">{mark}{label}</span><span class=\"score\">{score}</span>\
             <span class=\"key\">{name}</span></li>",
            escaped(ranking)
        )
    }
}

impl Comparison {
    fn render(&self) -> String {
        let titles = each(&self.titles, |title| format!("<th>{}</th>", escaped(title)));
        let cell = |(text, best): &(String, bool)| {
            format!("<td{}>{}</td>", if *best { " class=\"best\"" } else { "" }, escaped(text))
        };
        let rows = each(&self.rows, |row| {
            let class = if row.reference { " class=\"reference\"" } else { "" };
            format!("<tr{class}>{}</tr>\n", each(&row.cells, cell))
        });
        let caption = escaped(&self.caption);
        format!(
            "<div class=\"scroll\"><table><thead><tr>{titles}</tr></thead>\
             <tbody>\n{rows}</tbody></table></div>\n<p class=\"caption\">{caption}</p>\n<div class=\"verdict\">{}</div>\n",
            paragraphs(&self.conclusions, "")
        )
    }
}

impl Page {
    /// The page as HTML.
    pub(crate) fn render(&self) -> String {
        let mut body = self.table.as_ref().map_or_else(String::new, Comparison::render);
        body += &self.legend();
        for (heading, cards) in &self.sections {
            if !heading.is_empty() {
                // Writing to a string cannot fail.
                let _written = writeln!(body, "<h2>{}</h2>", escaped(heading));
            }
            body.extend(cards.iter().map(Card::render));
        }
        let lead = paragraphs(&self.lead, " class=\"lead\"");
        let (title, facts) = (escaped(&self.title), pairs(&self.facts));
        filled(TEMPLATE, &[("title", &title), ("lead", &lead), ("body", &body), ("facts", &facts)])
    }

    /// What the marks mean, of those that the page shows.
    fn legend(&self) -> String {
        let shown = |verdict| {
            self.sections
                .iter()
                .flat_map(|(_, cards)| cards)
                .any(|card| card.verdicts().any(|v| v == verdict))
        };
        let marks = [
            (Verdict::Very, "\u{2605} the very exemplar that the query was made from"),
            (Verdict::SameLabel, "\u{2713} same label as the query"),
            (Verdict::OtherLabel, "\u{2717} other label (dashed frame)"),
        ];
        let marks = marks.iter().filter(|(verdict, _)| shown(*verdict));
        let mut items = each(marks, |(_, meaning)| format!("<li>{meaning}</li>"));
        if self.sections.iter().flat_map(|(_, cards)| cards).any(Card::has_heat) {
            items += "<li>below an image: what in it made its score, the brightest place most</li>";
        }
        if items.is_empty() {
            "<p></p>".to_owned()
        } else {
            format!("<ul class=\"legend\">{items}</ul>\n<p></p>\n")
        }
    }
}

/// The template with its `{{name}}` places filled in one pass, so that a value cannot open a place of its own.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut page =
        String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        page.extend(values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value));
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The markup of all items, one after the other.
fn each<T>(items: impl IntoIterator<Item = T>, markup: impl FnMut(T) -> String) -> String {
    items.into_iter().map(markup).collect()
}

fn paragraphs(texts: &[String], attributes: &str) -> String {
    each(texts, |text| format!("<p{attributes}>{}</p>\n", escaped(text)))
}

fn pairs(facts: &[(String, String)]) -> String {
    each(facts, |(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)))
}

/// The text as HTML shows it, in content and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            '\'' => markup.push_str("&#39;"),
            c => markup.push(c),
        }
    }
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup_and_cannot_fill_other_places() {
        let page = Page {
            title: "<script>alert('x')</script> {{facts}}".to_owned(),
            lead: vec!["a & b".to_owned()],
            table: None,
            sections: Vec::new(),
            facts: vec![("seed\"".to_owned(), "0".to_owned())],
        };
        let html = page.render();
        assert!(!html.contains("<script>"));
        assert!(html.contains("<h1>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; {{facts}}</h1>"));
        assert!(html.contains("<p class=\"lead\">a &amp; b</p>"));
        assert!(html.contains("<dt>seed&quot;</dt><dd>0</dd>"));
    }

    #[test]
    fn a_page_asks_for_nothing_from_elsewhere() {
        for forbidden in ["http:", "https:", "src=\"/", "url(", "@import", "<script", "<link"] {
            assert!(!TEMPLATE.contains(forbidden), "{forbidden}");
        }
    }
}
