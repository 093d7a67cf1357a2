use std::io;
use std::path::PathBuf;

use lookalike_plugin_api::ImageError;
use thiserror::Error;

use crate::limits::{IMAGE_EXTENSIONS, MAX_IMAGE_BYTES, MAX_SAMPLES};
use lookalike_parquet::ParquetFault;

/// Why a data set or one of its records cannot be read. Offsets count the bytes of the file's content from 0,
/// after decompression where it is compressed, and inside a compressed element of a MATLAB file the bytes of that
/// element; lines count from 1, rows from 0.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder cannot be opened or listed.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Reading failed; a damaged or cut off gzip stream shows up here too.
    #[error("{} cannot be read at byte {offset}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        offset: u64,
        /// What the system or the decompressor says.
        #[source]
        source: io::Error,
    },
    /// The files of a data set are not where they should be.
    #[error("{} holds no {expected}; give the folder that the official archive was unpacked into", folder.display())]
    Missing {
        /// The folder searched.
        folder: PathBuf,
        /// The file that should be there.
        expected: String,
    },
    /// A folder holds no image at all.
    #[error("{} holds no image file ({skipped} other files); known are {}; .parquet and .tar files in it are named by themselves", folder.display(), IMAGE_EXTENSIONS.join(", "))]
    Empty {
        /// The folder.
        folder: PathBuf,
        /// Files that are no images by their names.
        skipped: usize,
    },
    /// The file begins with the wrong number.
    #[error("{} begins with {found:#010x}, expected {expected:#010x}; is it another file of the set?", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// The number found.
        found: u32,
        /// The number that the format prescribes.
        expected: u32,
    },
    /// The file ends too early.
    #[error("{} ends at byte {found}, expected {expected} bytes or more; fetch it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes there are.
        found: u64,
        /// Bytes up to the end of what was being read.
        expected: u64,
    },
    /// The file goes on after its last record.
    #[error("{} goes on at byte {offset} after the {records} records that it announces", path.display())]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Where it should end.
        offset: u64,
        /// Records announced.
        records: u64,
    },
    /// Images and labels differ in number.
    #[error("{} announces {images} images, {} announces {labels} labels", images_path.display(), labels_path.display())]
    CountMismatch {
        /// The file of the images.
        images_path: PathBuf,
        /// Images announced.
        images: u64,
        /// The file of the labels.
        labels_path: PathBuf,
        /// Labels announced.
        labels: u64,
    },
    /// A label is not one of the set's classes.
    #[error("{} has label {found} at byte {offset}, expected 0 to {most}", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Where the label stands.
        offset: u64,
        /// The label.
        found: u8,
        /// The largest label of the set.
        most: u8,
    },
    /// A header announces images that are refused.
    #[error("{} announces an image at byte {offset} that is refused", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where the header ends.
        offset: u64,
        /// What is wrong with the shape.
        #[source]
        source: ImageError,
    },
    /// A file is no binary PPM of 8 bits per sample.
    #[error("{} is no whole binary PPM (P6) with samples up to 255: {found}", path.display())]
    Ppm {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// A table cannot be read as CSV.
    #[error("{} cannot be read as a table", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        #[source]
        source: csv::Error,
    },
    /// A table lacks a column.
    #[error("{} has no column \"{column}\" in line 1", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
    },
    /// A field of a table makes no sense.
    #[error("{}, line {line}: {column} is \"{found}\", expected {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// The field as it stands.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// A list of class names has the wrong length.
    #[error("{} names {found} classes, expected {expected}", path.display())]
    Names {
        /// The file.
        path: PathBuf,
        /// Names found.
        found: usize,
        /// Classes of the set.
        expected: usize,
    },
    /// A file's name is not UTF-8, so it cannot be a key.
    #[error("{} has a name that is not UTF-8; rename it", path.display())]
    FileName {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file is no MATLAB file of level 5, or a damaged one.
    #[error("{} deviates from MATLAB level 5 at byte {offset} of the element at byte {element}: expected {expected}", path.display())]
    Mat {
        /// The file.
        path: PathBuf,
        /// Where the element begins in the file.
        element: u64,
        /// Where it deviates.
        offset: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// A variable of a MATLAB file is missing or of another shape.
    #[error("{}: variable \"{variable}\" is {found}, expected {expected}", path.display())]
    Variable {
        /// The file.
        path: PathBuf,
        /// Its name.
        variable: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A file is no tar archive, or a damaged one.
    #[error("{} is no tar archive at byte {offset}: expected {expected}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Where it deviates.
        offset: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// A member's name leads out of the archive.
    #[error("{}: the name \"{member}\" leads out of the archive; pack it again without \"..\"", path.display())]
    Outside {
        /// The archive.
        path: PathBuf,
        /// The name.
        member: String,
    },
    /// An archive has two members of one name.
    #[error("{}: \"{member}\" is there twice; the second is left out", path.display())]
    Twice {
        /// The archive.
        path: PathBuf,
        /// The name.
        member: String,
    },
    /// A Parquet file, or the rest of one of its row groups, cannot be read.
    #[error("{} cannot be read from row {row} on", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The first row that is lost.
        row: u64,
        /// What is wrong.
        #[source]
        source: ParquetFault,
    },
    /// Something beside the images of an archive or a table is none.
    #[error("{}: {item} is no image; known are {}", path.display(), IMAGE_EXTENSIONS.join(", "))]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// The member or the row.
        item: String,
    },
    /// An encoded image is too large.
    #[error("{}: {item} has {found} bytes, at most {MAX_IMAGE_BYTES} are read; store a smaller image", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The member or the row.
        item: String,
        /// Its bytes.
        found: u64,
    },
    /// A file has too many images, members or rows.
    #[error("{} has {found} samples, at most {MAX_SAMPLES} are read; split the file", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Samples announced, or found so far.
        found: u64,
    },
    /// A label is no text.
    #[error("{}, row {row}: the label is not UTF-8; write it again", path.display())]
    LabelText {
        /// The file.
        path: PathBuf,
        /// The row.
        row: u64,
    },
}
