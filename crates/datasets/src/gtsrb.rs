mod table;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lookalike_plugin_api::{Image, ImageError};

use crate::ppm::read_ppm;
use crate::sample::Part;
use crate::{DatasetError, Sample, SampleImage, Samples, Split};
use table::{Row, read_table};

/// Largest class number of the set.
const MOST_CLASS: u32 = 42;

/// The German Traffic Sign Recognition Benchmark from its official tree, in `folder` or in `GTSRB` below it:
/// `Final_Training/Images/000CC` with a table `GT-000CC.csv` in each, and `Final_Test/Images` with the table
/// `GT-final_test.csv` there, beside it or in the root.
///
/// Images are cropped to the `Roi` columns (the right and lower bound excluded, which leaves the five pixels of
/// border that the set promises). Where an image was resized since and its size is no longer that of the table, the
/// region is scaled with it. Keys are `gtsrb/train/00003/00002_00007` and `gtsrb/test/00042`, labels `0` to `42`
/// without padding; the tag `split` says which part and, of training images, `track` the sign that was filmed.
///
/// The tables are read at once, images one by one.
///
/// # Errors
///
/// [`DatasetError`] when a folder or table of the split is missing or a table makes no sense, with its line. A
/// broken image is an error of its sample, and the next one follows.
pub fn gtsrb(folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    let inner = folder.join("GTSRB");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let mut signs = Vec::new();
    for part in split.parts() {
        match part {
            Part::Train => training_signs(&folder, &mut signs)?,
            Part::Test => test_signs(&folder, &mut signs)?,
        }
    }
    let length = signs.len() as u64;
    Ok(Samples::new(signs.into_iter().map(Sign::read), Some(length)))
}

/// One image that a table lists.
struct Sign {
    folder: PathBuf,
    part: Part,
    /// The training folder's name.
    class: Option<String>,
    row: Row,
}

fn training_signs(folder: &Path, signs: &mut Vec<Sign>) -> Result<(), DatasetError> {
    let images = folder.join("Final_Training").join("Images");
    let mut classes = Vec::new();
    for class in 0..=MOST_CLASS {
        let name = format!("{class:05}");
        if images.join(&name).is_dir() {
            classes.push((class, name));
        }
    }
    if classes.is_empty() {
        let expected = "\"Final_Training/Images/00000\" or another class folder".to_owned();
        return Err(DatasetError::Missing { folder: folder.to_owned(), expected });
    }
    for (class, name) in classes {
        let folder = images.join(&name);
        let rows = read_table(&folder.join(format!("GT-{name}.csv")), class..=class)?;
        signs.extend(rows.into_iter().map(|row| Sign {
            folder: folder.clone(),
            part: Part::Train,
            class: Some(name.clone()),
            row,
        }));
    }
    Ok(())
}

fn test_signs(folder: &Path, signs: &mut Vec<Sign>) -> Result<(), DatasetError> {
    let images = folder.join("Final_Test").join("Images");
    let places = [folder, &folder.join("Final_Test"), &images];
    let table = places.iter().map(|place| place.join("GT-final_test.csv")).find(|path| path.is_file());
    let table = table.ok_or_else(|| DatasetError::Missing {
        folder: folder.to_owned(),
        expected: "\"GT-final_test.csv\" (nor do its folders Final_Test and Final_Test/Images)".to_owned(),
    })?;
    // Fails with the folder's name where the images are missing altogether.
    fs::read_dir(&images).map_err(|source| DatasetError::Open { path: images.clone(), source })?;
    let rows = read_table(&table, 0..=MOST_CLASS)?;
    signs.extend(rows.into_iter().map(|row| Sign {
        folder: images.clone(),
        part: Part::Test,
        class: None,
        row,
    }));
    Ok(())
}

impl Sign {
    fn read(self) -> Result<Sample, DatasetError> {
        let path = self.folder.join(&self.row.file);
        let image = read_ppm(&path)?;
        let stem = self.row.file.strip_suffix(".ppm").unwrap_or(&self.row.file);
        let key = match &self.class {
            Some(class) => format!("gtsrb/{}/{class}/{stem}", self.part.word()),
            None => format!("gtsrb/{}/{stem}", self.part.word()),
        };
        let mut tags = vec![self.part.tag()];
        if let (Some(_), Some((track, _))) = (&self.class, stem.split_once('_')) {
            tags.push(("track".to_owned(), track.to_owned()));
        }
        let image =
            crop(&image, &self.row).map_err(|source| DatasetError::Shape { path, offset: 0, source })?;
        Ok(Sample { key, image: SampleImage::Decoded(image), label: Some(self.row.class.to_string()), tags })
    }
}

/// The part of `image` inside the row's region.
fn crop(image: &Image, row: &Row) -> Result<Image, ImageError> {
    let columns = scale(&row.columns, row.width, image.width());
    let rows = scale(&row.rows, row.height, image.height());
    let lines = image.samples().chunks_exact(image.width() * image.channels());
    let samples = lines
        .skip(rows.start)
        .take(rows.len())
        .flat_map(|line| &line[columns.start * image.channels()..columns.end * image.channels()])
        .copied()
        .collect();
    Image::new(rows.len(), columns.len(), image.channels(), samples)
}

/// `range` of a side of `from` pixels on the same side of `to` pixels: at least one pixel, within the side.
fn scale(range: &Range<usize>, from: usize, to: usize) -> Range<usize> {
    let place = |bound: usize| (2 * bound * to + from) / (2 * from);
    let start = place(range.start).min(to - 1);
    start..place(range.end).clamp(start + 1, to)
}

#[cfg(test)]
mod tests;
