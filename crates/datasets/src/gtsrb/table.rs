use std::fs::File;
use std::io::Read;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use lookalike_plugin_api::MAX_IMAGE_SIDE;

use crate::DatasetError;

/// Longest table that is read; the largest official one has half a megabyte.
const MOST_TABLE_BYTES: u64 = 1 << 24;

/// One line of a table.
pub(super) struct Row {
    /// Name of the image file, without a path.
    pub(super) file: String,
    pub(super) width: usize,
    pub(super) height: usize,
    /// The sign's columns, within the width and not empty.
    pub(super) columns: Range<usize>,
    /// The sign's rows, within the height and not empty.
    pub(super) rows: Range<usize>,
    pub(super) class: u32,
}

/// All lines of a table whose classes must be in `classes`.
pub(super) fn read_table(path: &Path, classes: RangeInclusive<u32>) -> Result<Vec<Row>, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Open { path: path.to_owned(), source })?;
    let mut reader = ReaderBuilder::new().delimiter(b';').from_reader(file.take(MOST_TABLE_BYTES));
    let failed = |source| DatasetError::Table { path: path.to_owned(), source };
    let columns = Columns::find(path, reader.headers().map_err(failed)?)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let number = record.position().map_or(0, csv::Position::line);
        rows.push(Line { path, number, record: &record, columns: &columns }.row(&classes)?);
    }
    Ok(rows)
}

/// Names of the columns, in the order of their fields in [`Columns`].
const NAMES: [&str; 8] = ["Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"];
const FILE: usize = 0;
const WIDTH: usize = 1;
const HEIGHT: usize = 2;
const LEFT: usize = 3;
const TOP: usize = 4;
const RIGHT: usize = 5;
const BOTTOM: usize = 6;
const CLASS: usize = 7;

/// Where each of [`NAMES`] stands in a line.
struct Columns([usize; NAMES.len()]);

impl Columns {
    fn find(path: &Path, header: &StringRecord) -> Result<Self, DatasetError> {
        let mut places = [0; NAMES.len()];
        for (place, name) in places.iter_mut().zip(NAMES) {
            *place = header
                .iter()
                .position(|field| field.trim() == name)
                .ok_or_else(|| DatasetError::Column { path: path.to_owned(), column: name })?;
        }
        Ok(Self(places))
    }
}

struct Line<'a> {
    path: &'a Path,
    number: u64,
    record: &'a StringRecord,
    columns: &'a Columns,
}

impl Line<'_> {
    fn row(&self, classes: &RangeInclusive<u32>) -> Result<Row, DatasetError> {
        let file = self.text(FILE);
        // A table must not lead out of its folder.
        if file.is_empty() || file.contains(['/', '\\', ':']) || file.starts_with('.') {
            return Err(self.refused(FILE, "a plain file name".to_owned()));
        }
        let width = self.field(WIDTH, 1..=MAX_IMAGE_SIDE)?;
        let height = self.field(HEIGHT, 1..=MAX_IMAGE_SIDE)?;
        let left = self.field(LEFT, 0..=width - 1)?;
        let top = self.field(TOP, 0..=height - 1)?;
        let right = self.field(RIGHT, left + 1..=width)?;
        let bottom = self.field(BOTTOM, top + 1..=height)?;
        let classes = *classes.start() as usize..=*classes.end() as usize;
        let class = self.field(CLASS, classes)? as u32;
        Ok(Row { file: file.to_owned(), width, height, columns: left..right, rows: top..bottom, class })
    }

    fn text(&self, column: usize) -> &str {
        self.record.get(self.columns.0[column]).unwrap_or_default().trim()
    }

    fn field(&self, column: usize, range: RangeInclusive<usize>) -> Result<usize, DatasetError> {
        let number = self.text(column).parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            self.refused(column, format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    fn refused(&self, column: usize, expected: String) -> DatasetError {
        DatasetError::Field {
            path: self.path.to_owned(),
            line: self.number,
            column: NAMES[column],
            found: self.text(column).to_owned(),
            expected,
        }
    }
}
