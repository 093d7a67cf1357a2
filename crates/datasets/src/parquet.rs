//! Parquet files, read as hostile: the footer's size is checked before it is parsed, no list is allocated by a number
//! that it announces, and what is held of a column is one page and one dictionary, each bounded by a constant and by
//! what its compressed bytes can hold. Nothing in it descends by recursion except through a bounded depth.
//!
//! Of the format no more is understood than it takes: columns of at most one value a row, of binary or whole numbers,
//! plain or with a dictionary. The numbers of fields and encodings are those of the format's own description
//! (apache/parquet-format, `parquet.thrift` and `Encodings.md`).

mod column;
mod fault;
mod footer;
mod hybrid;
mod page;
mod thrift;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec;

use crate::encoded::{check_content, check_count, check_size};
use crate::{DatasetError, Sample, SampleImage, Samples};

pub use fault::ParquetFault;
pub use page::MAX_PAGE_BYTES;

use column::{Column, Value};
use footer::{Footer, Group, Leaf};

/// Which columns of a Parquet file to read.
///
/// # Examples
///
/// ```
/// use lookalike_datasets::ParquetColumns;
///
/// let fine = ParquetColumns { label: vec!["fine_label".to_owned()], ..ParquetColumns::default() };
/// assert_eq!(fine.image[0], "image");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetColumns {
    /// Names for the column of the encoded images; the first that the file has is read. It is binary, or a struct with
    /// a binary field `bytes`, as data sets of Hugging Face have it.
    pub image: Vec<String>,
    /// Names for the column of the labels, texts or whole numbers; the first that the file has is read, and one of them
    /// must be there. Where there are no names, no labels are read.
    pub label: Vec<String>,
}

impl Default for ParquetColumns {
    /// `image`, `img` or `bytes`, and `label`, `labels`, `fine_label` or `class`.
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            image: owned(&["image", "img", "bytes"]),
            label: owned(&["label", "labels", "fine_label", "class"]),
        }
    }
}

/// The images of a Parquet file: encoded bytes in one column, labels in another.
///
/// Keys are the file's name without its extension and the row, `train-00000-of-00001/0000042`; a label is the text or
/// the number in its column, or none where that is null. Samples come in the order of the rows, and row group after row
/// group; in memory is one page of each of the two columns, at most [`MAX_PAGE_BYTES`], with its dictionary. At most
/// [`MAX_SAMPLES`] rows are read. Pages may be uncompressed, or compressed with snappy or gzip.
///
/// # Errors
///
/// [`DatasetError`] when the file cannot be opened, is no Parquet file, or lacks the columns. Among the samples: a row
/// without an image, or with one that is too large or begins like none, is an error of its own; of a row group with a
/// damaged page the rest is lost, and the next group follows.
///
/// [`MAX_SAMPLES`]: crate::MAX_SAMPLES
pub fn parquet_images(path: &Path, columns: &ParquetColumns) -> Result<Samples, DatasetError> {
    let mut file = File::open(path).map_err(|source| DatasetError::Open { path: path.to_owned(), source })?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| DatasetError::FileName { path: path.to_owned() })?.to_owned();
    let footer = Footer::read(&mut file, columns).map_err(|source| DatasetError::Parquet {
        path: path.to_owned(),
        row: 0,
        source,
    })?;
    let length = footer.groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.rows));
    check_count(path, length)?;
    let rows = Rows {
        path: path.to_owned(),
        stem,
        file,
        image: footer.image,
        label: footer.label,
        groups: footer.groups.into_iter(),
        open: None,
        row: 0,
    };
    Ok(Samples::new(rows, Some(length)))
}

struct Rows {
    path: PathBuf,
    stem: String,
    file: File,
    image: Leaf,
    label: Option<Leaf>,
    groups: vec::IntoIter<Group>,
    open: Option<OpenGroup>,
    /// The next row.
    row: u64,
}

struct OpenGroup {
    image: Column,
    label: Option<Column>,
    /// Rows not read yet.
    left: u64,
}

impl Iterator for Rows {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match &mut self.open {
                Some(group) if group.left > 0 => break,
                _ => {
                    let group = self.groups.next()?;
                    self.open = Some(OpenGroup {
                        image: Column::new(group.image, self.image),
                        label: group.label.zip(self.label).map(|(chunk, leaf)| Column::new(chunk, leaf)),
                        left: group.rows,
                    });
                }
            }
        }
        let mut group = self.open.take()?;
        match self.read(&mut group) {
            Ok(sample) => {
                group.left -= 1;
                self.row += 1;
                self.open = Some(group);
                Some(sample)
            }
            Err(source) => {
                let row = self.row;
                self.row += group.left;
                Some(Err(DatasetError::Parquet { path: self.path.clone(), row, source }))
            }
        }
    }
}

impl Rows {
    /// The next row; the outer error is one of the columns, the inner of this row alone.
    fn read(&mut self, group: &mut OpenGroup) -> Result<Result<Sample, DatasetError>, ParquetFault> {
        let (path, row) = (&self.path, self.row);
        let item = || format!("row {row}");
        let image = match group.image.next(&mut self.file)? {
            Some(Value::Bytes(bytes)) => check_size(path, bytes.len() as u64, item)
                .and_then(|()| check_content(path, bytes, item))
                .map(|()| bytes.to_vec()),
            Some(Value::Number(_)) | None => {
                Err(DatasetError::NotAnImage { path: path.clone(), item: item() })
            }
        };
        let label = match &mut group.label {
            None => Ok(None),
            Some(column) => match column.next(&mut self.file)? {
                None => Ok(None),
                Some(Value::Number(number)) => Ok(Some(number.to_string())),
                Some(Value::Bytes(text)) => match std::str::from_utf8(text) {
                    Ok(text) => Ok(Some(text.to_owned())),
                    Err(_) => Err(DatasetError::LabelText { path: path.clone(), row }),
                },
            },
        };
        let key = format!("{}/{row:07}", self.stem);
        Ok(image.and_then(|image| {
            Ok(Sample { key, image: SampleImage::Encoded(image), label: label?, tags: Vec::new() })
        }))
    }
}

#[cfg(test)]
mod tests;
