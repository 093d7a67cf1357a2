//! A document that is written as Markdown and as a page.

use super::table::Table;
use crate::summary::Outcome;

/// Something to read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) sections: Vec<Section>,
}

/// A part with a heading.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// What stands under a heading.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// The sentence that must not be missed.
    Headline(String),
    /// A paragraph.
    Text(String),
    /// Sentences under a small heading.
    Findings(String, Vec<Finding>),
    Table(Table),
    Figure(Figure),
}

/// One sentence of the verdict.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// What the contrast shows that it is about.
    pub(super) outcome: Option<Outcome>,
    pub(super) text: String,
}

/// A plot or grid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// Its file, from the report's folder.
    pub(super) file: String,
    /// What it shows.
    pub(super) caption: String,
    pub(super) svg: String,
    /// Whether it holds photographs, whose colours must stay.
    pub(super) is_photographic: bool,
}

impl Finding {
    pub(super) fn plain(text: String) -> Self {
        Self { outcome: None, text }
    }

    pub(super) fn of(outcome: Outcome, text: String) -> Self {
        Self { outcome: Some(outcome), text }
    }

    /// The outcome in one word.
    pub(super) fn word(&self) -> Option<&'static str> {
        self.outcome.map(word)
    }

    fn to_markdown(&self) -> String {
        let mark = self.word().map(|word| format!("**{word}** - ")).unwrap_or_default();
        format!("- {mark}{}\n", markdown(&self.text))
    }
}

/// An outcome in one word.
pub(crate) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Better => "better",
        Outcome::Worse => "worse",
        Outcome::Open => "open",
    }
}

impl Document {
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            Block::Headline(_) | Block::Text(_) | Block::Findings(..) | Block::Table(_) => None,
        })
    }

    /// As Markdown, with the figures as links.
    pub(super) fn to_markdown(&self) -> String {
        let section = |section: &Section| {
            let blocks: Vec<String> = section.blocks.iter().map(Block::to_markdown).collect();
            format!("\n## {}\n\n{}", markdown(&section.title), blocks.join("\n"))
        };
        let sections: String = self.sections.iter().map(section).collect();
        format!("# {}\n{sections}", markdown(&self.title))
    }
}

impl Block {
    pub(super) fn to_markdown(&self) -> String {
        match self {
            Self::Headline(text) => format!("**{}**\n", markdown(text)),
            Self::Text(text) => format!("{}\n", markdown(text)),
            Self::Findings(title, findings) => {
                let findings: String = findings.iter().map(Finding::to_markdown).collect();
                format!("### {}\n\n{findings}", markdown(title))
            }
            Self::Table(table) => table.to_markdown(),
            Self::Figure(figure) => format!("![{}]({})\n", markdown(&figure.caption), figure.file),
        }
    }
}

/// Text in which Markdown sees no signs of its own, on one line.
pub(crate) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '|' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
