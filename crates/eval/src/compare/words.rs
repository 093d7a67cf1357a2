//! A comparison as Markdown.

use std::fmt;

use super::{Change, ComparedProtocol, Comparison};
use crate::report::document::{markdown, word};
use crate::report::table::{Cell, Column, Table};
use crate::report::words::{
    capitalised, count, listed, p_value, signed, signed_with_interval, with_interval,
};
use crate::statistics::DEFAULT_RESAMPLES;
use crate::summary::Outcome;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("# From run A to run B\n\n")?;
        f.write_str(&self.settings())?;
        for (what, names) in [("New in B", &self.new), ("Missing in B", &self.missing)] {
            if !names.is_empty() {
                writeln!(f, "\n{what}: {}.", markdown(&listed(names)))?;
            }
        }
        let how = if self.is_paired {
            "Both asked the same queries: changes are paired query by query, with 95 % intervals"
        } else {
            "The images differ, so queries cannot be paired: a change is called better or worse only where the 95 % \
             intervals of both means lie apart. Intervals are"
        };
        writeln!(
            f,
            "\n{how} of {DEFAULT_RESAMPLES} resamples. \"Open\" means that no difference is shown.",
            DEFAULT_RESAMPLES = count(DEFAULT_RESAMPLES)
        )?;
        if self.protocols.is_empty() {
            f.write_str("\nThe runs have no protocol in common.\n")?;
        }
        for protocol in &self.protocols {
            write!(f, "\n## {}\n\n{}\n", capitalised(&protocol.protocol.to_string()), protocol.sentence())?;
            f.write_str(&protocol.overall(self.is_paired).to_markdown())?;
            f.write_str("\n")?;
            f.write_str(&protocol.by_condition().to_markdown())?;
            f.write_str(
                "\nBy condition nothing is corrected for the number of comparisons: a mark stands where the interval \
                 speaks for B (+) or for A (-).\n",
            )?;
        }
        Ok(())
    }
}

impl Comparison {
    fn settings(&self) -> String {
        if self.differs.is_empty() {
            return "Both were asked the same of the same images and model.\n".to_owned();
        }
        let row = |differing: &super::Differing| {
            [&differing.what, &differing.a, &differing.b].map(|text| Cell::new(text.as_str())).to_vec()
        };
        let table = Table {
            caption: "What differs".to_owned(),
            columns: ["setting", "A", "B"].map(Column::text).to_vec(),
            rows: self.differs.iter().map(row).collect(),
        };
        table.to_markdown()
    }
}

impl ComparedProtocol {
    fn overall_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.condition.is_none())
    }

    /// Which contestants changed.
    fn sentence(&self) -> String {
        let of = |outcome: Outcome| -> Vec<&str> {
            let changes = self.overall_changes().filter(|change| change.outcome() == outcome);
            changes.map(|change| change.contestant.as_str()).collect()
        };
        let mut parts = Vec::new();
        for (outcome, what) in [(Outcome::Better, "Better in B"), (Outcome::Worse, "Worse in B")] {
            let names = of(outcome);
            if !names.is_empty() {
                parts.push(format!("{what}: {}.", markdown(&listed(&names))));
            }
        }
        let (open, all) = (of(Outcome::Open).len(), self.overall_changes().count());
        parts.push(match open {
            _ if all == 0 => "Nothing can be compared.".to_owned(),
            0 => return parts.join(" "),
            _ => format!("No difference is shown for {open} of {all} rankings."),
        });
        parts.join(" ")
    }

    fn overall(&self, is_paired: bool) -> Table {
        let row = |change: &Change| {
            let mut cells = vec![
                Cell::new(&change.contestant),
                Cell::new(with_interval(self.measure, change.before)),
                Cell::new(with_interval(self.measure, change.after)),
            ];
            if is_paired {
                let difference =
                    change.difference.map(|known| signed_with_interval(self.measure, known.interval));
                cells.extend([Cell::maybe(difference), Cell::maybe(change.adjusted.map(p_value))]);
            } else {
                let by = change.after.estimate - change.before.estimate;
                cells.push(Cell::new(signed(self.measure, by)));
            }
            cells.push(Cell::new(word(change.outcome())));
            cells
        };
        let mut columns = vec![Column::text("ranking"), Column::number("A"), Column::number("B")];
        columns.push(Column::number("B minus A"));
        columns.extend(is_paired.then(|| Column::number("p after Holm")));
        columns.push(Column::text("B is"));
        let conditions = self.conditions.len();
        let over =
            if conditions == 1 { "the condition".to_owned() } else { format!("the {conditions} conditions") };
        Table {
            caption: format!("{} over {over} that both have", capitalised(self.measure.name())),
            columns,
            rows: self.overall_changes().map(row).collect(),
        }
    }

    fn by_condition(&self) -> Table {
        let cell = |overall: &Change, condition| {
            let mut of_contestant =
                self.changes.iter().filter(|change| change.contestant == overall.contestant);
            let change = of_contestant.find(|change| change.condition == Some(condition));
            Cell::maybe(change.map(|change| {
                let by = change
                    .difference
                    .map_or(change.after.estimate - change.before.estimate, |known| known.interval.estimate);
                let mark = match change.outcome() {
                    Outcome::Better => " (+)",
                    Outcome::Worse => " (-)",
                    Outcome::Open => "",
                };
                format!("{}{mark}", signed(self.measure, by))
            }))
        };
        let row = |overall: &Change| {
            let cells = self.conditions.iter().map(|condition| cell(overall, *condition));
            std::iter::once(Cell::new(&overall.contestant)).chain(cells).collect()
        };
        let columns = self.conditions.iter().map(|condition| Column::number(condition.to_string()));
        Table {
            caption: "B minus A by condition".to_owned(),
            columns: std::iter::once(Column::text("ranking")).chain(columns).collect(),
            rows: self.overall_changes().map(row).collect(),
        }
    }
}
