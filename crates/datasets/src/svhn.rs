use std::path::Path;

use lookalike_plugin_api::Image;

use crate::encoded::check_count;
use crate::mat::{Array, Store, arrays};
use crate::sample::Part;
use crate::{DatasetError, Sample, SampleImage, Samples, Split};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = CHANNELS * PLANE;

/// The digit 0 is labelled with this number in the files.
const ZERO: u8 = 10;

/// The Street View House Numbers, cropped to one digit each, from the official MATLAB files `train_32x32.mat` and
/// `test_32x32.mat` in `folder`.
///
/// Keys are `svhn/train/000042` and `svhn/test/000042` in file order, labels `0` to `9` (the files' label 10 is the
/// digit 0), the tag `split` says which part.
///
/// The labels, a byte each, are read at once; the images are inflated one by one. No more than [`MAX_SAMPLES`] of them
/// are read from a file.
///
/// # Errors
///
/// [`DatasetError`] when a file is missing, is not of MATLAB level 5, or its variables are not `X` of 32 x 32 x 3 x n
/// bytes and `y` of n numbers. Damage inside the images shows while samples are read, at the latest after the last one.
///
/// [`MAX_SAMPLES`]: crate::MAX_SAMPLES
pub fn svhn(folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    let parts = split.parts().iter().map(|part| match part {
        Part::Train => Digits::open(folder, "train", "train_32x32.mat"),
        Part::Test => Digits::open(folder, "test", "test_32x32.mat"),
    });
    Ok(samples(parts.collect::<Result<_, _>>()?))
}

/// The additional, easier training digits of [`svhn`], from `extra_32x32.mat`: keys `svhn/extra/000042`, the tag
/// `split` is `extra`.
///
/// # Errors
///
/// As [`svhn`].
pub fn svhn_extra(folder: &Path) -> Result<Samples, DatasetError> {
    Ok(samples(vec![Digits::open(folder, "extra", "extra_32x32.mat")?]))
}

fn samples(parts: Vec<Digits>) -> Samples {
    let length = parts.iter().map(|part| part.labels.len() as u64).sum();
    Samples::new(parts.into_iter().flatten(), Some(length))
}

/// One file: its labels, and its images from the next one on.
struct Digits {
    images: Array,
    labels: Vec<u8>,
    /// Where the first label stands and how many bytes each has.
    label_places: (u64, usize),
    split: &'static str,
    /// Index of the next sample; `None` once nothing more can be read.
    next: Option<usize>,
}

impl Digits {
    fn open(folder: &Path, split: &'static str, file: &str) -> Result<Self, DatasetError> {
        let path = &folder.join(file);
        if !path.is_file() {
            let expected = format!("\"{file}\"");
            return Err(DatasetError::Missing { folder: folder.to_owned(), expected });
        }
        let mut images = None;
        let mut labels = None;
        for array in arrays(path, &["X", "y"])? {
            let place = if array.name == "X" { &mut images } else { &mut labels };
            *place = Some(array);
        }
        let images = checked_images(path, images)?;
        let count = images.bytes / RECORD as u64;
        let mut labels = checked_labels(path, labels, count)?;
        let label_places = (labels.source.offset(), labels.store.size());
        let labels = read_labels(&mut labels, count)?;
        Ok(Self { images, labels, label_places, split, next: Some(0) })
    }

    fn read(&mut self, index: usize) -> Result<Sample, DatasetError> {
        let start = self.images.source.offset();
        let mut record = [0; RECORD];
        self.images.source.fill(&mut record)?;
        self.next = Some(index + 1);
        let label = match self.labels[index] {
            ZERO => 0,
            label @ 0..ZERO => label,
            found => {
                return Err(DatasetError::Label {
                    path: self.images.source.path().to_owned(),
                    offset: self.label_places.0 + (index * self.label_places.1) as u64,
                    found,
                    most: ZERO,
                });
            }
        };
        // The first dimension, rows, runs fastest in the file.
        let pixel = |row: usize, column: usize| {
            (0..CHANNELS).map(move |channel| channel * PLANE + column * SIDE + row)
        };
        let places = (0..SIDE).flat_map(|row| (0..SIDE).flat_map(move |column| pixel(row, column)));
        let image = Image::new(SIDE, SIDE, CHANNELS, places.map(|place| record[place]).collect()).map_err(
            |source| DatasetError::Shape {
                path: self.images.source.path().to_owned(),
                offset: start,
                source,
            },
        )?;
        Ok(Sample {
            key: format!("svhn/{}/{index:06}", self.split),
            image: SampleImage::Decoded(image),
            label: Some(label.to_string()),
            tags: vec![("split".to_owned(), self.split.to_owned())],
        })
    }
}

impl Iterator for Digits {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Taken out, so that an error inside a record ends the file.
        let index = self.next.take()?;
        if index < self.labels.len() {
            return Some(self.read(index));
        }
        self.images.expect_end(index as u64).err().map(Err)
    }
}

/// Holds `X` to its shape.
fn checked_images(path: &Path, array: Option<Array>) -> Result<Array, DatasetError> {
    let refused = |found| DatasetError::Variable {
        path: path.to_owned(),
        variable: "X",
        found,
        expected: "32 x 32 x 3 x n bytes",
    };
    let array = array.ok_or_else(|| refused("missing".to_owned()))?;
    let count = match array.dimensions[..] {
        // The last dimension of a single image is dropped.
        [32, 32, 3] => Some(1),
        [32, 32, 3, count] => Some(count),
        _ => None,
    };
    let count = count.filter(|count| array.store == Store::Uint8 && array.bytes == count * RECORD as u64);
    check_count(path, count.ok_or_else(|| refused(shape(&array)))?)?;
    Ok(array)
}

/// Holds `y` to its shape.
fn checked_labels(path: &Path, array: Option<Array>, count: u64) -> Result<Array, DatasetError> {
    let refused = |found| DatasetError::Variable {
        path: path.to_owned(),
        variable: "y",
        found,
        expected: "a column of n numbers",
    };
    let array = array.ok_or_else(|| refused("missing".to_owned()))?;
    let labels = match array.dimensions[..] {
        [labels, 1] | [1, labels] => Some(labels),
        _ => None,
    };
    let labels = labels.filter(|labels| array.bytes == labels * array.store.size() as u64);
    let labels = labels.ok_or_else(|| refused(shape(&array)))?;
    if labels == count {
        return Ok(array);
    }
    Err(DatasetError::CountMismatch {
        images_path: path.to_owned(),
        images: count,
        labels_path: path.to_owned(),
        labels,
    })
}

fn read_labels(array: &mut Array, count: u64) -> Result<Vec<u8>, DatasetError> {
    let mut labels = Vec::new();
    let mut value = vec![0; array.store.size()];
    for _ in 0..count {
        array.source.fill(&mut value)?;
        let label = array.store.small(&value);
        labels.push(label.ok_or_else(|| array.expected("a label from 1 to 10 before this byte"))?);
    }
    array.expect_end(count)?;
    Ok(labels)
}

/// What an array is, for people.
fn shape(array: &Array) -> String {
    let sides: Vec<String> = array.dimensions.iter().map(u64::to_string).collect();
    format!("{} of {:?} in {} bytes", sides.join(" x "), array.store, array.bytes)
}

#[cfg(test)]
mod tests;
