//! The document as one page that needs no other file.

use super::document::{Block, Document, Figure, Finding, Section};
use super::table::{Cell, Column, Table};

const STYLE: &str = include_str!("page.css");

impl Document {
    /// As HTML, with the figures inside.
    pub(super) fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let sections = || self.sections.iter().enumerate();
        let link = |(number, section): (usize, &Section)| {
            format!("<a href=\"#part-{number}\">{}</a>\n", escaped(&section.title))
        };
        let part = |(number, section): (usize, &Section)| {
            let blocks: String = section.blocks.iter().map(Block::to_html).collect();
            let heading = escaped(&section.title);
            format!("<section id=\"part-{number}\">\n<h2>{heading}</h2>\n{blocks}</section>\n")
        };
        let links: String = sections().map(link).collect();
        let body: String = sections().map(part).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             <nav>\n{links}</nav>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

impl Block {
    fn to_html(&self) -> String {
        match self {
            Self::Headline(text) => format!("<p class=\"headline\">{}</p>\n", escaped(text)),
            Self::Text(text) => format!("<p>{}</p>\n", escaped(text)),
            Self::Findings(title, findings) => {
                let items: String = findings.iter().map(Finding::to_html).collect();
                format!("<h3>{}</h3>\n<ul class=\"findings\">\n{items}</ul>\n", escaped(title))
            }
            Self::Table(table) => table.to_html(),
            Self::Figure(figure) => figure.to_html(),
        }
    }
}

impl Finding {
    fn to_html(&self) -> String {
        let text = escaped(&self.text);
        match self.word() {
            Some(word) => format!("<li class=\"{word}\"><b>{word}</b> {text}</li>\n"),
            None => format!("<li>{text}</li>\n"),
        }
    }
}

impl Figure {
    fn to_html(&self) -> String {
        let (caption, file) = (escaped(&self.caption), escaped(&self.file));
        let label = format!("<svg role=\"img\" aria-label=\"{caption}\" ");
        let svg = self.svg.replacen("<svg ", &label, 1);
        let kind = if self.is_photographic { "photographic" } else { "plot" };
        format!(
            "<figure class=\"{kind}\">\n<div class=\"wide\" tabindex=\"0\">{svg}</div>\n\
             <figcaption>{caption} <span class=\"file\">{file}</span></figcaption>\n</figure>\n"
        )
    }
}

impl Table {
    fn to_html(&self) -> String {
        let head: String = self.columns.iter().map(Column::to_html).collect();
        let row = |cells: &Vec<Cell>| {
            let cells = cells.iter().zip(&self.columns).enumerate();
            let cells: String = cells.map(|(at, (cell, column))| cell.to_html(column, at == 0)).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let rows: String = self.rows.iter().map(row).collect();
        let caption = escaped(&self.caption);
        format!(
            "<div class=\"wide\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n\
             <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
        )
    }
}

impl Column {
    fn to_html(&self) -> String {
        let class = if self.is_number { " class=\"number\"" } else { "" };
        // `brightness=0.1` may go on two lines.
        format!("<th scope=\"col\"{class}>{}</th>", escaped(&self.name).replace('=', "=<wbr>"))
    }
}

impl Cell {
    fn to_html(&self, column: &Column, is_first: bool) -> String {
        let text = escaped(&self.text);
        let text = if self.is_strong { format!("<strong>{text}</strong>") } else { text };
        let class = if column.is_number { " class=\"number\"" } else { "" };
        let tint = self.tint.map(|tint| format!(" style=\"--tint:{:.0}\"", 100.0 * tint)).unwrap_or_default();
        if is_first {
            format!("<th scope=\"row\">{text}</th>")
        } else {
            format!("<td{class}{tint}>{text}</td>")
        }
    }
}

/// Text for HTML, which has no control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    // No number without its unit on a line of its own.
    safe.replace(" %", "&#160;%")
}
