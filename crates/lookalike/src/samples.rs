//! Images from readers into a collection.

use std::path::{Path, PathBuf};

use lookalike_datasets::{DatasetError, Sample, SampleImage, image_folder};
use lookalike_engine::{
    Collection, IngestItem, IngestOptions, IngestProgress, IngestReport, ItemImage, TagValue,
};
use lookalike_plugin_api::Budget;

use crate::error::Error;

/// What became of the files of a folder.
#[derive(Debug)]
pub struct FolderReport {
    /// What became of the images.
    pub images: IngestReport,
    /// Files that are no images by their names.
    pub skipped: Vec<PathBuf>,
    /// Sub-folders and names that could not be read.
    pub unreadable: Vec<DatasetError>,
}

/// Stores the images of a folder and its sub-folders, whose names are the labels: `cats/1.jpg` gets the key `cats/1.jpg`
/// and the label `cats`. Running it again changes nothing; images that changed are replaced; a bad file is refused by
/// itself, with the reason in the report.
///
/// # Errors
///
/// [`Error::Folder`] when the folder cannot be listed or holds no image; [`Error::Ingest`] when the model or the disk
/// fails. What was acknowledged stays.
pub fn ingest_folder(
    collection: &Collection,
    folder: &Path,
    options: &IngestOptions,
    budget: &Budget,
    progress: &mut (dyn FnMut(&IngestProgress) + Send),
) -> Result<FolderReport, Error> {
    let samples = image_folder(folder)?;
    let skipped = samples.skipped().to_vec();
    let mut unreadable = Vec::new();
    let items = samples.filter_map(|sample| match sample {
        Ok(sample) => Some(ingest_item(sample)),
        Err(error) => {
            unreadable.push(error);
            None
        }
    });
    let images = collection.ingest_with(items, options, budget, progress)?;
    // In the write modes that acknowledge first, nothing is durable before this.
    collection.flush().map_err(lookalike_engine::IngestError::from)?;
    Ok(FolderReport { images, skipped, unreadable })
}

/// A sample as a collection takes it: what is encoded stays so, and a tag that reads as a number is one.
pub fn ingest_item(sample: Sample) -> IngestItem {
    let tags = sample.tags.into_iter().map(|(name, value)| (name, tag_value(&value))).collect();
    IngestItem { key: sample.key, image: item_image(sample.image), label: sample.label, tags }
}

/// A sample's image as a collection takes it.
pub fn item_image(image: SampleImage) -> ItemImage {
    match image {
        SampleImage::Decoded(image) => ItemImage::Decoded(image),
        SampleImage::Encoded(bytes) => ItemImage::Encoded(bytes),
        SampleImage::File(path) => ItemImage::File(path),
    }
}

/// A number where the text reads as a finite one, else the text.
pub fn tag_value(text: &str) -> TagValue {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => TagValue::Number(number),
        Ok(_) | Err(_) => TagValue::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_number_where_it_reads_as_one() {
        assert_eq!(tag_value("2.5"), 2.5.into());
        assert_eq!(tag_value("nan"), "nan".into());
        assert_eq!(tag_value("2,5"), "2,5".into());
    }
}
