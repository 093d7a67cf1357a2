//! What a search tried, to read.

use super::{Ground, Tried};
use crate::contest::Way;
use crate::report::table::{Cell, Column, Table};

pub(super) fn markdown(grounds: &[Ground], first: &[Tried], second: &[Tried]) -> String {
    let all = table(grounds, first, "All settings, on a quarter of the queries");
    let best = table(grounds, second, "The best of them and whitened cosine, on all queries");
    format!(
        "# A search of settings\n\nSelf-retrieval at 1 in per cent, the mean over eleven conditions, and the median time of \
         a query.\n\n{}\n{}",
        best.to_markdown(),
        all.to_markdown()
    )
}

fn table(grounds: &[Ground], tried: &[Tried], caption: &str) -> Table {
    let mut columns = vec![Column::text("setting"), Column::number("mean")];
    columns.extend(grounds.iter().map(|ground| Column::number(&ground.subject.name)));
    columns.extend([Column::number("ms"), Column::text("views"), Column::text("parameters")]);
    Table { caption: caption.to_owned(), columns, rows: tried.iter().map(row).collect() }
}

fn row(tried: &Tried) -> Vec<Cell> {
    let percent = |share: f64| Cell::new(format!("{:.1}", 100.0 * share));
    let mut row = vec![Cell::new(&tried.contestant.name), percent(tried.found())];
    row.extend(tried.sets.iter().map(|on| percent(on.found)));
    row.push(Cell::new(format!("{:.0}", tried.milliseconds())));
    let (views, parameters) = match &tried.contestant.way {
        Way::Baseline(_) => (String::new(), String::new()),
        Way::Tmm(way) => {
            let views: Vec<String> = way.views.iter().map(ToString::to_string).collect();
            let parameters = way.parameters.iter().filter(|(name, _)| *name != "preset");
            let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
            (views.join(" "), parameters.join(" "))
        }
    };
    row.extend([Cell::new(views), Cell::new(parameters)]);
    row
}
