//! The demonstration's outcome as a page.

use lookalike_engine::{Collection, DEFAULT_CANDIDATES};

use super::report::DemoReport;
use super::score::GLYPH_SEED;
use crate::show::html::{Card, Comparison, ComparisonRow, Page};
use crate::show::output::grouped;

/// The page: the comparison, then the cards of the clean and of the disturbed queries, the latter first.
pub(crate) fn page(report: &DemoReport, [clean, disturbed]: [Vec<Card>; 2], collection: &Collection) -> Page {
    let rows = report.rows().into_iter().enumerate().map(|(row, cells)| ComparisonRow {
        reference: row >= report.rankings.len(),
        cells: cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| (cell, report.is_best(row, column)))
            .collect(),
    });
    let titles = [
        "Ranking",
        "Itself first, clean",
        "Itself first, disturbed",
        "Same sign, clean",
        "Same sign, disturbed",
        "Factor distance",
        "Time per query",
    ];
    let mut facts = vec![
        ("glyphs".to_owned(), format!("{}, seed {GLYPH_SEED}", grouped(report.glyphs))),
        ("collection".to_owned(), format!("{}, durability {}", collection.name(), collection.durability())),
        ("timings".to_owned(), report.timing_line()),
        (
            "multiview, tmm".to_owned(),
            format!("tmm in the mode exact, shortlist of {DEFAULT_CANDIDATES} by whitened, query seed 0"),
        ),
        (
            "command".to_owned(),
            format!("lookalike demo --count {} --queries {}", report.glyphs, report.queries),
        ),
    ];
    facts.extend(report.model.facts());
    Page {
        title: "Which neighbours survive noise?".to_owned(),
        lead: vec![format!(
            "{} hand-drawn-like signs were stored in an image database. Then the database was asked for the neighbours \
             of {} of them as they are, and of {} others after a disturbance, by five rankings each.",
            grouped(report.glyphs),
            report.queries,
            report.queries
        )],
        table: Some(Comparison {
            titles: titles.map(str::to_owned).to_vec(),
            rows: rows.collect(),
            caption: format!("{} \u{25c6} marks the best of a column.", report.explanation()),
            conclusions: report.conclusions.clone(),
        }),
        sections: vec![("Disturbed queries".to_owned(), disturbed), ("Clean queries".to_owned(), clean)],
        facts,
    }
}
