//! Tables.

use super::document::markdown;

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    /// Above it.
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    /// As many cells as columns in each.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Numbers stand to the right.
    pub(crate) is_number: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// How strongly it is tinted, 0 to 1.
    pub(crate) tint: Option<f64>,
    /// Whether it is the one to look at.
    pub(crate) is_strong: bool,
}

impl Column {
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_number: false }
    }

    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_number: true }
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The text, or a dash where there is nothing.
    pub(crate) fn maybe(text: Option<String>) -> Self {
        Self::new(text.unwrap_or_else(|| "-".to_owned()))
    }
}

impl Table {
    /// The table without the columns, after the first, in which nothing stands.
    pub(crate) fn without_empty_columns(self) -> Self {
        let is_kept = |at: usize| {
            at == 0 || self.rows.iter().any(|row| row.get(at).is_some_and(|cell| cell.text != "-"))
        };
        let kept: Vec<bool> = (0..self.columns.len()).map(is_kept).collect();
        let rows = self.rows.into_iter().map(|row| of_kept(row, &kept)).collect();
        Self { columns: of_kept(self.columns, &kept), rows, ..self }
    }

    /// Columns are padded, so that it can be read as it is.
    pub(crate) fn to_markdown(&self) -> String {
        let head: Vec<String> = self.columns.iter().map(|column| markdown(&column.name)).collect();
        let body: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(Cell::to_markdown).collect()).collect();
        let width = |at: usize| {
            let cells = std::iter::once(&head).chain(&body).filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths).zip(&self.columns).map(|((cell, &width), column)| {
                if column.is_number { format!(" {cell:>width$} |") } else { format!(" {cell:<width$} |") }
            });
            format!("|{}\n", cells.collect::<String>())
        };
        let rule = self.columns.iter().zip(&widths).map(|(column, &width)| {
            if column.is_number {
                format!(" {}: |", "-".repeat(width - 1))
            } else {
                format!(" {} |", "-".repeat(width))
            }
        });
        let rule = format!("|{}\n", rule.collect::<String>());
        let body: String = body.iter().map(|row| line(row)).collect();
        format!("### {}\n\n{}{rule}{body}", markdown(&self.caption), line(&head))
    }
}

impl Cell {
    fn to_markdown(&self) -> String {
        let text = markdown(&self.text);
        if self.is_strong { format!("**{text}**") } else { text }
    }
}

fn of_kept<T>(all: Vec<T>, kept: &[bool]) -> Vec<T> {
    all.into_iter().zip(kept).filter(|(_, kept)| **kept).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_signs_are_escaped() {
        let table = Table {
            caption: "Means".to_owned(),
            columns: vec![Column::text("ranking"), Column::number("mean"), Column::number("none")],
            rows: vec![
                vec![Cell::new("a|b"), Cell { is_strong: true, ..Cell::new("7") }, Cell::maybe(None)],
                vec![Cell::new("<l2>"), Cell::new("12.5"), Cell::maybe(None)],
            ],
        };
        let expected = "### Means\n\n\
            | ranking    |  mean |\n\
            | ---------- | ----: |\n\
            | a\\|b       | **7** |\n\
            | &lt;l2&gt; |  12.5 |\n";
        assert_eq!(table.without_empty_columns().to_markdown(), expected);
    }
}
