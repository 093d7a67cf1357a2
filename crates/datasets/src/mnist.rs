use std::path::Path;

use lookalike_plugin_api::{Image, ImageError, MAX_IMAGE_SIDE};

use crate::byte_source::ByteSource;
use crate::sample::Part;
use crate::{DatasetError, Sample, SampleImage, Samples, Split};

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;
const MOST_LABEL: u8 = 9;

/// MNIST, or a set in its shape, from the four official IDX files, each gzip or plain.
///
/// Keys are `mnist/train/00042` and `mnist/test/00042` in file order, labels `0` to `9`, the tag `split` says which
/// part. The split's files alone need to be there.
///
/// # Errors
///
/// [`DatasetError`] when a file is missing, has the wrong magic, is shorter than its header claims, or when images
/// and labels differ in number or an image's side is larger than [`MAX_IMAGE_SIDE`]. Of a gzip file a wrong claim
/// shows only while its samples are read.
pub fn mnist(folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    let parts =
        split.parts().iter().map(|&part| IdxPair::open(folder, part)).collect::<Result<Vec<_>, _>>()?;
    let length = parts.iter().map(|part| part.count).sum();
    Ok(Samples::new(parts.into_iter().flatten(), Some(length)))
}

/// The images and labels of one part, read side by side.
struct IdxPair {
    images: ByteSource,
    labels: ByteSource,
    part: Part,
    height: usize,
    width: usize,
    count: u64,
    /// Index of the next sample; `None` once nothing more can be read.
    next: Option<u64>,
}

impl IdxPair {
    fn open(folder: &Path, part: Part) -> Result<Self, DatasetError> {
        let (images, labels) = match part {
            Part::Train => (
                ["train-images-idx3-ubyte", "train-images.idx3-ubyte"],
                ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"],
            ),
            Part::Test => (
                ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"],
                ["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"],
            ),
        };
        let mut images = ByteSource::find_required(folder, &images)?;
        let mut labels = ByteSource::find_required(folder, &labels)?;
        expect_magic(&mut images, IMAGES_MAGIC)?;
        expect_magic(&mut labels, LABELS_MAGIC)?;
        let count = u64::from(images.number()?);
        let label_count = u64::from(labels.number()?);
        if count != label_count {
            return Err(DatasetError::CountMismatch {
                images_path: images.path().to_owned(),
                images: count,
                labels_path: labels.path().to_owned(),
                labels: label_count,
            });
        }
        let (height, width) = (images.number()? as usize, images.number()? as usize);
        if !(1..=MAX_IMAGE_SIDE).contains(&height) || !(1..=MAX_IMAGE_SIDE).contains(&width) {
            return Err(DatasetError::Shape {
                path: images.path().to_owned(),
                offset: images.offset(),
                source: ImageError::Side { height, width },
            });
        }
        images.check_length(images.offset() + count * (height * width) as u64)?;
        labels.check_length(labels.offset() + count)?;
        Ok(Self { images, labels, part, height, width, count, next: Some(0) })
    }

    fn read(&mut self, index: u64) -> Result<Sample, DatasetError> {
        let mut samples = vec![0; self.height * self.width];
        let mut label = [0];
        self.images.fill(&mut samples)?;
        self.labels.fill(&mut label)?;
        self.next = Some(index + 1);
        if label[0] > MOST_LABEL {
            return Err(DatasetError::Label {
                path: self.labels.path().to_owned(),
                offset: self.labels.offset() - 1,
                found: label[0],
                most: MOST_LABEL,
            });
        }
        let image = Image::new(self.height, self.width, 1, samples).map_err(|source| {
            DatasetError::Shape { path: self.images.path().to_owned(), offset: self.images.offset(), source }
        })?;
        Ok(Sample {
            key: format!("mnist/{}/{index:05}", self.part.word()),
            image: SampleImage::Decoded(image),
            label: Some(label[0].to_string()),
            tags: vec![self.part.tag()],
        })
    }
}

impl Iterator for IdxPair {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Taken out, so that an error inside a record ends the part.
        let index = self.next.take()?;
        if index < self.count {
            return Some(self.read(index));
        }
        let ends = self.images.expect_end(self.count).and_then(|()| self.labels.expect_end(self.count));
        ends.err().map(Err)
    }
}

fn expect_magic(file: &mut ByteSource, expected: u32) -> Result<(), DatasetError> {
    let found = file.number()?;
    if found == expected {
        return Ok(());
    }
    Err(DatasetError::Magic { path: file.path().to_owned(), found, expected })
}

#[cfg(test)]
mod tests;
