//! Parquet tables as samples; `lookalike-parquet` finds the columns and distrusts the file.

use std::fs::File;
use std::path::{Path, PathBuf};

use lookalike_parquet::{ImageTable, LabelValue, TableColumns, TableFault, TableRow};

use crate::encoded::{check_content, check_size};
use crate::{DatasetError, Sample, SampleImage, Samples};

/// The images of a Parquet file: encoded bytes in one column, labels in another.
///
/// The key of a sample is the text in the column `key`, or the file's name without its extension and the row,
/// `train-00000-of-00001/0000042`; a label is the text or the number in its column, or none where that is null. Samples
/// come in the order of the rows, and row group after row group; in memory is one page of each column, at most
/// [`MAX_PAGE_BYTES`](lookalike_parquet::MAX_PAGE_BYTES), with its dictionary. At most
/// [`MAX_ROWS`](lookalike_parquet::MAX_ROWS) rows are read. Pages may be uncompressed, or compressed with snappy or gzip.
///
/// # Errors
///
/// [`DatasetError`] when the file cannot be opened, is no Parquet file, or lacks the columns. Among the samples: a row
/// without an image, or with one that is too large or begins like none, is an error of its own; of a row group with a
/// damaged page the rest is lost, and the next group follows.
pub fn parquet_images(path: &Path, columns: &TableColumns) -> Result<Samples, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Open { path: path.to_owned(), source })?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| DatasetError::FileName { path: path.to_owned() })?.to_owned();
    let damaged = |row, source| DatasetError::Parquet { path: path.to_owned(), row, source };
    let table = ImageTable::open(file, columns).map_err(|source| damaged(0, source))?;
    let length = table.announced();
    let place = Place { path: path.to_owned(), stem };
    let rows = table.map(move |row| match row {
        Ok(row) => place.sample(&row),
        Err(TableFault { row, source }) => {
            Err(DatasetError::Parquet { path: place.path.clone(), row, source })
        }
    });
    Ok(Samples::new(rows, Some(length)))
}

/// The file that rows come from.
struct Place {
    path: PathBuf,
    stem: String,
}

impl Place {
    fn sample(&self, row: &TableRow) -> Result<Sample, DatasetError> {
        let (path, number) = (&self.path, row.number);
        let item = || format!("row {number}");
        let not_an_image = || DatasetError::NotAnImage { path: path.clone(), item: item() };
        let image: &[u8] = row.image.as_deref().ok_or_else(not_an_image)?;
        check_size(path, image.len() as u64, item)?;
        check_content(path, image, item)?;
        let not_text = |_| DatasetError::LabelText { path: path.clone(), row: number };
        let label = match &row.label {
            None => None,
            Some(LabelValue::Number(number)) => Some(number.to_string()),
            Some(LabelValue::Class(name)) => Some(name.clone()),
            Some(LabelValue::Text(text)) => Some(std::str::from_utf8(text).map_err(not_text)?.to_owned()),
        };
        // A key that is no text is as good as none: nothing is stored under it here.
        let own = row.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let key = own.map_or_else(|| format!("{}/{number:07}", self.stem), str::to_owned);
        Ok(Sample { key, image: SampleImage::Encoded(image.to_vec()), label, tags: Vec::new() })
    }
}

#[cfg(test)]
mod tests;
