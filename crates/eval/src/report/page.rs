//! The document as one page that needs no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{Block, Document, Figure, Finding};
use super::table::{Cell, Column, Table};

const STYLE: &str = include_str!("page.css");

impl Document {
    /// As HTML, with the figures inside.
    pub(super) fn to_html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (shown(&self.title)) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (shown(&self.title)) }
                        nav {
                            @for (number, section) in self.sections.iter().enumerate() {
                                a href={ "#part-" (number) } { (shown(&section.title)) } " "
                            }
                        }
                        @for (number, section) in self.sections.iter().enumerate() {
                            section id={ "part-" (number) } {
                                h2 { (shown(&section.title)) }
                                @for block in &section.blocks { (block.to_html()) }
                            }
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

impl Block {
    fn to_html(&self) -> Markup {
        match self {
            Self::Headline(text) => html! { p.headline { (shown(text)) } },
            Self::Text(text) => html! { p { (shown(text)) } },
            Self::Findings(title, findings) => html! {
                h3 { (shown(title)) }
                ul.findings { @for finding in findings { (finding.to_html()) } }
            },
            Self::Table(table) => table.to_html(),
            Self::Figure(figure) => figure.to_html(),
        }
    }
}

impl Finding {
    fn to_html(&self) -> Markup {
        let word = self.word();
        html! { li class=[word] { @if let Some(word) = word { b { (word) } " " } (shown(&self.text)) } }
    }
}

impl Figure {
    fn to_html(&self) -> Markup {
        let caption = shown(&self.caption);
        let label = html! { svg role="img" aria-label=(caption) {} }.into_string();
        // The plot is markup of its own; only its first tag gets the label.
        let svg = self.svg.replacen("<svg ", &label.replace("></svg>", " "), 1);
        let kind = if self.is_photographic { "photographic" } else { "plot" };
        html! {
            figure class=(kind) {
                div.wide tabindex="0" { (PreEscaped(svg)) }
                figcaption { (caption) " " span.file { (shown(&self.file)) } }
            }
        }
    }
}

impl Table {
    fn to_html(&self) -> Markup {
        html! {
            div.wide tabindex="0" {
                table {
                    caption { (shown(&self.caption)) }
                    thead { tr { @for column in &self.columns { (column.to_html()) } } }
                    tbody {
                        @for cells in &self.rows {
                            tr {
                                @for (at, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
                                    (cell.to_html(column, at == 0))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Column {
    fn to_html(&self) -> Markup {
        let name = shown(&self.name);
        html! {
            th.number[self.is_number] scope="col" {
                // `brightness=0.1` may go on two lines.
                @for (at, part) in name.split('=').enumerate() {
                    @if at > 0 { "=" wbr; }
                    (part)
                }
            }
        }
    }
}

impl Cell {
    fn to_html(&self, column: &Column, is_first: bool) -> Markup {
        let text = shown(&self.text);
        let text = html! { @if self.is_strong { strong { (text) } } @else { (text) } };
        let tint = self.tint.map(|tint| format!("--tint:{:.0}", 100.0 * tint));
        html! {
            @if is_first {
                th scope="row" { (text) }
            } @else {
                td.number[column.is_number] style=[tint] { (text) }
            }
        }
    }
}

/// The text without control characters, which HTML has not, and with no number apart from its unit at the end of a line.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ").replace(" %", "\u{a0}%")
}
