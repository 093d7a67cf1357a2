//! Which columns of a file make a table of images, and its rows one after the other.

use std::fmt;
use std::fs::File;
use std::vec;

use parquet::basic::Type as PhysicalType;
use parquet::data_type::ByteArrayType;
use thiserror::Error;

use crate::class_names::class_names;
use crate::column::{Flat, Label, LabelValue, Lists, TableBytes};
use crate::fault::{MAX_ROWS, ParquetFault};
use crate::file::{TableFile, guarded};

/// Rows read at once. They share the memory of their pages, so this is about the number of calls, not about memory.
const READ_ROWS: usize = 64;

/// Most feature values of one row group, 128 MiB: one row of a list may announce as many as its column has.
const MAX_GROUP_VALUES: u64 = 32 << 20;

/// The field that holds the encoded image where the column is a struct, as data sets of Hugging Face have it.
const IMAGE_BYTES: &str = "bytes";

const KEY: &str = "key";
const TAGS: &str = "tags";
/// Names under which labels are looked for when nobody says otherwise.
const LABELS: [&str; 4] = ["label", "labels", "fine_label", "class"];

const TEXT: &[PhysicalType] = &[PhysicalType::BYTE_ARRAY];
const TEXT_OR_NUMBER: &[PhysicalType] = &[PhysicalType::BYTE_ARRAY, PhysicalType::INT32, PhysicalType::INT64];

/// Which columns of a file to read. Beside them `key` (text) and `tags` (a JSON object) are read where they are there.
///
/// # Examples
///
/// ```
/// use lookalike_parquet::{LabelColumn, TableColumns};
///
/// let label = LabelColumn::Named(vec!["fine_label".to_owned()]);
/// assert_eq!(TableColumns { label, ..TableColumns::default() }.image[0], "image");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumns {
    /// Names for the column of the encoded images; the first that the file has is read. It is binary, or a struct with
    /// a binary field `bytes`.
    pub image: Vec<String>,
    /// The column of the labels: texts, or whole numbers, which are classes by their names where the file's metadata has
    /// these (Hugging Face's `ClassLabel`; -1 is no label there).
    pub label: LabelColumn,
}

/// Where a table has its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelColumn {
    /// In `label`, `labels`, `fine_label` or `class`, the first that the file has; a file without one has no labels.
    Usual,
    /// In the first of these that the file has; one of them must be there.
    Named(Vec<String>),
    /// Labels are not read.
    Ignored,
}

impl Default for TableColumns {
    /// Images in `image`, `img` or `bytes`, labels as usual.
    fn default() -> Self {
        Self { image: ["image", "img", "bytes"].map(str::to_owned).to_vec(), label: LabelColumn::Usual }
    }
}

/// One row. Its values share the memory of their page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableRow {
    /// Its number in the file, from 0.
    pub number: u64,
    /// Its key, which need not be UTF-8.
    pub key: Option<TableBytes>,
    /// The encoded image, of whatever length and content.
    pub image: Option<TableBytes>,
    /// Its label.
    pub label: Option<LabelValue>,
    /// Its tags as JSON, if it is some.
    pub tags: Option<TableBytes>,
    /// Its feature row of finite values, with [`ImageTable::with_features`].
    pub features: Option<Vec<f32>>,
    /// What ties the feature row to the image.
    pub seal: Option<TableBytes>,
}

/// Damage that a row showed; the rest of its row group is lost, and the next group follows.
#[derive(Debug, Error)]
#[error("row {row} of the file cannot be read")]
pub struct TableFault {
    /// The number of the first row lost, from 0.
    pub row: u64,
    /// What is wrong.
    #[source]
    pub source: ParquetFault,
}

/// The rows of a Parquet file with images, group after group.
///
/// In memory is one page of each column that is read, with its dictionary.
pub struct ImageTable {
    file: TableFile,
    /// Rows that the footer announces.
    announced: u64,
    image: usize,
    key: Option<usize>,
    label: Option<usize>,
    tags: Option<usize>,
    /// Names of the classes that label numbers stand for.
    classes: Option<Vec<String>>,
    features: Option<Features>,
    next_group: usize,
    group: Option<Group>,
    read: vec::IntoIter<TableRow>,
    /// The next row.
    row: u64,
}

#[derive(Clone, Copy)]
struct Features {
    rows: usize,
    seal: usize,
    dimension: usize,
}

impl fmt::Debug for ImageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageTable").field("row", &self.row).finish_non_exhaustive()
    }
}

impl ImageTable {
    /// Opens a file and finds its columns.
    ///
    /// # Errors
    ///
    /// [`ParquetFault`] when it is no Parquet file, its metadata is damaged or too large, it announces
    /// more than [`MAX_ROWS`] rows, or it lacks the columns.
    pub fn open(file: File, columns: &TableColumns) -> Result<Self, ParquetFault> {
        guarded(|| {
            let file = TableFile::open(file)?;
            let announced = announced_rows(&file)?;
            let image = image_column(&file, &columns.image)?;
            let label = label_column(&file, &columns.label)?;
            let classes = label.and_then(|label| class_names(|key| file.entry(key), &file.name_of(label)));
            let (key, tags) = (file.flat(&[KEY], TEXT), file.flat(&[TAGS], TEXT));
            let read = Vec::new().into_iter();
            Ok(Self {
                file,
                announced,
                image,
                key,
                label,
                tags,
                classes,
                features: None,
                next_group: 0,
                group: None,
                read,
                row: 0,
            })
        })
    }

    /// The same, giving feature rows of this length too where the file has both columns: lists of floats, and texts
    /// that tie them to their images.
    #[must_use]
    pub fn with_features(mut self, rows: &str, seal: &str, dimension: usize) -> Self {
        let columns = self.file.float_lists(rows).zip(self.file.flat(&[seal], TEXT));
        self.features = columns.map(|(rows, seal)| Features { rows, seal, dimension });
        self
    }

    /// An entry of the file's metadata.
    pub fn entry(&self, key: &str) -> Option<&str> {
        self.file.entry(key)
    }

    /// Rows that the file announces; it may have fewer.
    pub fn announced(&self) -> u64 {
        self.announced
    }

    /// A label under the name of its class, if it is a number of one.
    fn named(&self, label: LabelValue) -> Option<LabelValue> {
        match (label, &self.classes) {
            (LabelValue::Number(-1), Some(_)) => None,
            (LabelValue::Number(number), Some(names)) => {
                let name = usize::try_from(number).ok().and_then(|number| names.get(number));
                Some(name.map_or(LabelValue::Number(number), |name| LabelValue::Class(name.clone())))
            }
            (label, _) => Some(label),
        }
    }

    /// Reads on; false at the end.
    fn advance(&mut self) -> Result<bool, ParquetFault> {
        loop {
            if let Some(group) = &mut self.group {
                let rows = group.next(READ_ROWS)?;
                if !rows.is_empty() {
                    self.read = rows.into_iter();
                    return Ok(true);
                }
            }
            self.group = None;
            if self.next_group == self.file.groups() {
                return Ok(false);
            }
            let number = self.next_group;
            self.next_group += 1;
            // The columns of an empty group may be said to lie anywhere.
            if self.file.group_rows(number)? > 0 {
                self.group = Some(self.open_group(number)?);
            }
        }
    }

    fn open_group(&self, number: usize) -> Result<Group, ParquetFault> {
        let rows = self.file.group_rows(number)?;
        let flat = |column: usize| self.file.column(number, column, rows);
        let text =
            |column: Option<usize>| column.map(|c| Ok::<_, ParquetFault>(Flat::new(flat(c)?))).transpose();
        let features = match self.features {
            Some(Features { rows: column, seal, dimension }) => {
                let values = rows.saturating_mul(dimension as u64).min(MAX_GROUP_VALUES);
                let lists = Lists::new(self.file.column(number, column, values)?, dimension);
                Some((lists, Flat::new(flat(seal)?)))
            }
            None => None,
        };
        Ok(Group {
            left: rows,
            image: Flat::new(flat(self.image)?),
            key: text(self.key)?,
            label: self.label.map(|column| Ok::<_, ParquetFault>(Label::open(flat(column)?))).transpose()?,
            tags: text(self.tags)?,
            features,
        })
    }
}

impl Iterator for ImageTable {
    type Item = Result<TableRow, TableFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.len() == 0 {
            match guarded(|| self.advance()) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(source) => {
                    let row = self.row;
                    let left = match self.group.take() {
                        Some(open) => open.left,
                        // The group could not be opened.
                        None => self.file.group_rows(self.next_group.saturating_sub(1)).unwrap_or(0),
                    };
                    self.row = self.row.saturating_add(left);
                    return Some(Err(TableFault { row, source }));
                }
            }
        }
        let mut row = self.read.next()?;
        row.label = row.label.and_then(|label| self.named(label));
        let number = self.row;
        self.row += 1;
        Some(Ok(TableRow { number, ..row }))
    }
}

/// The open columns of a row group.
struct Group {
    /// Rows not read yet.
    left: u64,
    image: Flat<ByteArrayType>,
    key: Option<Flat<ByteArrayType>>,
    label: Option<Label>,
    tags: Option<Flat<ByteArrayType>>,
    features: Option<(Lists, Flat<ByteArrayType>)>,
}

impl Group {
    /// The next rows, at most `most`; none at the end.
    fn next(&mut self, most: usize) -> Result<Vec<TableRow>, ParquetFault> {
        let count = self.left.min(most as u64) as usize;
        let images = self.image.read(count)?.into_iter();
        let mut rows: Vec<TableRow> =
            images.map(|image| TableRow { image: image.map(TableBytes), ..TableRow::default() }).collect();
        if let Some(keys) = &mut self.key {
            rows.iter_mut().zip(keys.read(count)?).for_each(|(row, key)| row.key = key.map(TableBytes));
        }
        if let Some(labels) = &mut self.label {
            rows.iter_mut().zip(labels.read(count)?).for_each(|(row, label)| row.label = label);
        }
        if let Some(tags) = &mut self.tags {
            rows.iter_mut().zip(tags.read(count)?).for_each(|(row, tags)| row.tags = tags.map(TableBytes));
        }
        if let Some((features, seals)) = &mut self.features {
            rows.iter_mut().zip(features.read(count)?).for_each(|(row, features)| row.features = features);
            rows.iter_mut().zip(seals.read(count)?).for_each(|(row, seal)| row.seal = seal.map(TableBytes));
        }
        self.left -= count as u64;
        Ok(rows)
    }
}

/// The rows of all groups, refused beyond [`MAX_ROWS`]: rows that share a value cost a file next to nothing.
fn announced_rows(file: &TableFile) -> Result<u64, ParquetFault> {
    let mut found = 0_u64;
    for group in 0..file.groups() {
        found = found.saturating_add(file.group_rows(group)?);
    }
    if found > MAX_ROWS { Err(ParquetFault::TooManyRows { found }) } else { Ok(found) }
}

fn image_column(file: &TableFile, names: &[String]) -> Result<usize, ParquetFault> {
    let found = names
        .iter()
        .find_map(|name| file.flat(&[name], TEXT).or_else(|| file.flat(&[name, IMAGE_BYTES], TEXT)));
    found.ok_or_else(|| missing(file, names, "encoded image"))
}

fn label_column(file: &TableFile, label: &LabelColumn) -> Result<Option<usize>, ParquetFault> {
    let find = |name: &str| file.flat(&[name], TEXT_OR_NUMBER);
    match label {
        LabelColumn::Usual => Ok(LABELS.into_iter().find_map(find)),
        LabelColumn::Ignored => Ok(None),
        LabelColumn::Named(names) => {
            let found = names.iter().find_map(|name| find(name));
            found.map(Some).ok_or_else(|| missing(file, names, "text or whole number"))
        }
    }
}

fn missing(file: &TableFile, names: &[String], kind: &'static str) -> ParquetFault {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let wanted = if quoted.is_empty() { "at all".to_owned() } else { quoted.join(" or ") };
    ParquetFault::NoColumn { wanted, kind, found: file.names() }
}
