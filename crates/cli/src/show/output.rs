//! What goes to standard output: a report as text for people, or as one JSON object.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// Characters in a line of running text.
const LINE: usize = 100;

/// What a command found out, in both forms. The JSON form is the report's own fields.
pub(crate) trait Report: Serialize {
    /// The form for people: whole lines.
    fn text(&self) -> String;
}

/// How reports are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    to_stderr: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, to_stderr: false }
    }

    /// On standard error, because standard output takes something else.
    pub(crate) fn on_stderr(self) -> Self {
        Self { to_stderr: true, ..self }
    }

    /// Prints the report that a command ends with.
    pub(crate) fn report(self, report: &impl Report) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string(report).map_err(io::Error::from)? + "\n"
        } else {
            report.text()
        };
        if self.to_stderr {
            io::stderr().write_all(text.as_bytes())?;
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Prints a line about work under way; for people only.
    pub(crate) fn line(self, line: &str) -> anyhow::Result<()> {
        if !self.json {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{line}")?;
            stdout.flush()?;
        }
        Ok(())
    }
}

/// Columns of text, as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    title: &'static str,
    right: bool,
}

impl Table {
    /// A table with these titles; a title that begins with `>` heads a column of numbers, set to the right.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &'static str| match title.strip_prefix('>') {
            Some(title) => Column { title, right: true },
            None => Column { title, right: false },
        };
        Self { columns: titles.iter().map(|title| column(title)).collect(), rows: Vec::new() }
    }

    /// Adds a row; control characters are made visible, so that a stored key cannot steer a terminal.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    /// The table with two spaces before every column.
    pub(crate) fn text(&self) -> String {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let width = |place: usize| {
            lines().filter_map(|cells| cells.get(place)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for cells in lines() {
            let mut line = String::new();
            for ((cell, column), width) in cells.iter().zip(&self.columns).zip(&widths) {
                let padding = " ".repeat(width - cell.chars().count());
                let (before, after) = if column.right { (&*padding, "") } else { ("", &*padding) };
                line.extend(["  ", before, cell, after]);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text with control characters written as escapes.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a string cannot fail.
            let _written = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The text in lines of at most [`LINE`] characters, as far as its words allow.
pub(crate) fn wrapped(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 1);
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > LINE {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines.push('\n');
    lines
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes, with a unit that keeps it short.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let mut size = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// A duration in milliseconds or seconds, with about three digits.
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 0.0095 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 0.95 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 95.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// A count of things, each called `what`.
pub(crate) fn things(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// An error and its sources on one line.
pub(crate) fn line(error: &(dyn std::error::Error + 'static)) -> String {
    anyhow::Chain::new(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_are_shown() {
        let mut table = Table::new(&[">n", "key"]);
        table.row(["1".to_owned(), "a\u{1b}[2J".to_owned()]);
        table.row(["10".to_owned(), "b".to_owned()]);
        assert_eq!(table.text(), "   n  key\n   1  a\\u{1b}[2J\n  10  b\n");
    }

    #[test]
    fn running_text_is_broken_between_words() {
        let text = wrapped(&"word ".repeat(41));
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [99, 99, 4]);
        assert_eq!(wrapped(&"x".repeat(150)).trim_end().len(), 150);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(60_000), "60,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(123 * 1024 * 1024), "123.0 MiB");
        assert_eq!(span(0.001_23), "1.23 ms");
        assert_eq!(span(0.25), "250 ms");
        assert_eq!(span(12.34), "12.3 s");
        assert_eq!(span(125.0), "2 min 5 s");
    }
}
