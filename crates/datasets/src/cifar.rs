mod names;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lookalike_plugin_api::Image;

use crate::byte_source::ByteSource;
use crate::sample::Part;
use crate::{DatasetError, Sample, SampleImage, Samples, Split};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// Longest list of class names that is read.
const MOST_NAMES_BYTES: u64 = 1 << 16;

/// CIFAR-10 from its binary files, each plain or gzip: `data_batch_1.bin` to `data_batch_5.bin`, as many of them as
/// are there, and `test_batch.bin`, in `folder` or in `cifar-10-batches-bin` below it.
///
/// Keys are `cifar10/train/1/00042` (batch 1) and `cifar10/test/00042`; labels are the words in `batches.meta.txt`,
/// or the official ten without it; the tag `split` says which part.
///
/// # Errors
///
/// [`DatasetError`] when no file of the split is there or the list of names is not one of ten. That a file ends
/// inside a record or holds a wrong label shows while its samples are read.
pub fn cifar10(folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    let folder = &unpacked(folder, "cifar-10-batches-bin");
    let names = class_names(folder, "batches.meta.txt", &names::CIFAR10)?;
    let mut files = Vec::new();
    for &part in split.parts() {
        let batches: &[(&str, &str)] = match part {
            Part::Train => &[
                ("data_batch_1.bin", "cifar10/train/1"),
                ("data_batch_2.bin", "cifar10/train/2"),
                ("data_batch_3.bin", "cifar10/train/3"),
                ("data_batch_4.bin", "cifar10/train/4"),
                ("data_batch_5.bin", "cifar10/train/5"),
            ],
            Part::Test => &[("test_batch.bin", "cifar10/test")],
        };
        let before = files.len();
        for (file, prefix) in batches {
            if let Some(source) = ByteSource::find(folder, &[file])? {
                files.push(Batch::new(
                    source,
                    prefix,
                    part,
                    vec![Field { name: "class", names: names.clone() }],
                ));
            }
        }
        if files.len() == before {
            let expected = format!("\"{}\" or \"{0}.gz\"", batches[0].0);
            return Err(DatasetError::Missing { folder: folder.clone(), expected });
        }
    }
    Ok(samples(files))
}

/// CIFAR-100 from its binary files `train.bin` and `test.bin`, plain or gzip, in `folder` or in `cifar-100-binary`
/// below it.
///
/// Keys are `cifar100/train/00042` and `cifar100/test/00042`; the label is the fine class, the tag `coarse` the coarse
/// one, both as words from `fine_label_names.txt` and `coarse_label_names.txt`, or the official words without
/// them; the tag `split` says which part.
///
/// # Errors
///
/// As [`cifar10`].
pub fn cifar100(folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    let folder = &unpacked(folder, "cifar-100-binary");
    let coarse = class_names(folder, "coarse_label_names.txt", &names::CIFAR100_COARSE)?;
    let fine = class_names(folder, "fine_label_names.txt", &names::CIFAR100_FINE)?;
    let mut files = Vec::new();
    for &part in split.parts() {
        let (file, prefix) = match part {
            Part::Train => ("train.bin", "cifar100/train"),
            Part::Test => ("test.bin", "cifar100/test"),
        };
        let source = ByteSource::find_required(folder, &[file])?;
        let fields = vec![
            Field { name: "coarse", names: coarse.clone() },
            Field { name: "fine", names: fine.clone() },
        ];
        files.push(Batch::new(source, prefix, part, fields));
    }
    Ok(samples(files))
}

fn samples(files: Vec<Batch>) -> Samples {
    let length = files.iter().map(|file| file.source.length_hint() / file.record.len() as u64).sum();
    Samples::new(files.into_iter().flatten(), Some(length))
}

/// The folder that the official archive makes, where `folder` has one.
fn unpacked(folder: &Path, archive: &str) -> PathBuf {
    let inner = folder.join(archive);
    if inner.is_dir() { inner } else { folder.to_owned() }
}

fn class_names(folder: &Path, file: &str, official: &[&str]) -> Result<Vec<String>, DatasetError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Ok(official.iter().map(|name| (*name).to_owned()).collect());
    }
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(MOST_NAMES_BYTES).read_to_string(&mut text))
        .map_err(|source| DatasetError::Open { path: path.clone(), source })?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() != official.len() {
        return Err(DatasetError::Names { path, found: names.len(), expected: official.len() });
    }
    Ok(names)
}

/// One label byte of a record.
struct Field {
    name: &'static str,
    names: Vec<String>,
}

/// One file of records: the label bytes, then the red, green and blue plane.
struct Batch {
    source: ByteSource,
    prefix: &'static str,
    part: Part,
    /// The label bytes in order; the last one is the label, those before it are tags.
    fields: Vec<Field>,
    record: Vec<u8>,
    /// Index of the next record; `None` once nothing more can be read.
    next: Option<u64>,
}

impl Batch {
    fn new(source: ByteSource, prefix: &'static str, part: Part, fields: Vec<Field>) -> Self {
        let record = vec![0; fields.len() + 3 * PLANE];
        Self { source, prefix, part, fields, record, next: Some(0) }
    }

    fn sample(&self, index: u64) -> Result<Sample, DatasetError> {
        let start = self.source.offset() - self.record.len() as u64;
        let (labels, planes) = self.record.split_at(self.fields.len());
        let mut tags = vec![self.part.tag()];
        let mut label = None;
        for (place, (field, &found)) in self.fields.iter().zip(labels).enumerate() {
            let word = field.names.get(usize::from(found)).ok_or_else(|| DatasetError::Label {
                path: self.source.path().to_owned(),
                offset: start + place as u64,
                found,
                most: (field.names.len() - 1) as u8,
            })?;
            if let Some((name, word)) = label.replace((field.name.to_owned(), word.clone())) {
                tags.push((name, word));
            }
        }
        let interleaved =
            (0..PLANE).flat_map(|i| [planes[i], planes[PLANE + i], planes[2 * PLANE + i]]).collect();
        let image = Image::new(SIDE, SIDE, 3, interleaved).map_err(|source| DatasetError::Shape {
            path: self.source.path().to_owned(),
            offset: start,
            source,
        })?;
        Ok(Sample {
            key: format!("{}/{index:05}", self.prefix),
            image: SampleImage::Decoded(image),
            label: label.map(|(_, word)| word),
            tags,
        })
    }
}

impl Iterator for Batch {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Taken out, so that an error of reading ends the file.
        let index = self.next.take()?;
        let read = match self.source.fill_or_end(&mut self.record) {
            // A file without a single record is no batch.
            Ok(false) if index == 0 => self.source.fill(&mut self.record),
            Ok(false) => return None,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            return Some(Err(error));
        }
        self.next = Some(index + 1);
        Some(self.sample(index))
    }
}

#[cfg(test)]
mod tests;
