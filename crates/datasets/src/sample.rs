use std::fmt;
use std::iter::FusedIterator;
use std::path::PathBuf;

use lookalike_plugin_api::Image;

use crate::DatasetError;

/// One image of a data set with what the set knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Stable name, unique in the set: `mnist/train/00042`, or a file's path below the folder with `/` between its
    /// parts.
    pub key: String,
    /// The image.
    pub image: SampleImage,
    /// The class, as a word or a number; `None` where the set does not say.
    pub label: Option<String>,
    /// Further facts as name and value, for instance `split` and `train`; no name twice.
    pub tags: Vec<(String, String)>,
}

/// An image of a [`Sample`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleImage {
    /// Pixels.
    Decoded(Image),
    /// The bytes of an encoded image, at most [`MAX_IMAGE_BYTES`], that begin like one of the known formats; left to
    /// be decoded as a file is.
    ///
    /// [`MAX_IMAGE_BYTES`]: crate::MAX_IMAGE_BYTES
    Encoded(Vec<u8>),
    /// An encoded image file, left to be decoded by whoever stores it, under its own limits.
    File(PathBuf),
}

/// Which part of a data set to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// The training part.
    Train,
    /// The test part.
    Test,
    /// The training part, then the test part.
    All,
}

impl Split {
    pub(crate) fn parts(self) -> &'static [Part] {
        match self {
            Self::Train => &[Part::Train],
            Self::Test => &[Part::Test],
            Self::All => &[Part::Train, Part::Test],
        }
    }
}

/// One part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Test,
}

impl Part {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    pub(crate) fn tag(self) -> (String, String) {
        ("split".to_owned(), self.word().to_owned())
    }
}

/// The samples of a data set, one at a time and in a fixed order.
///
/// An error concerns one file or record. Where what follows can still be read the next call goes on after it, and
/// otherwise the iterator ends; either way a caller that counts errors and carries on comes to an end.
pub struct Samples {
    records: Box<dyn Iterator<Item = Result<Sample, DatasetError>> + Send>,
    length: Option<u64>,
    skipped: Vec<PathBuf>,
}

impl Samples {
    pub(crate) fn new(
        records: impl Iterator<Item = Result<Sample, DatasetError>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self { records: Box::new(records), length, skipped: Vec::new() }
    }

    pub(crate) fn with_skipped(mut self, skipped: Vec<PathBuf>) -> Self {
        self.skipped = skipped;
        self
    }

    /// How many samples the set announces, for a progress bar. It is what headers and tables claim, counted from
    /// the start of the set whatever was read since; a damaged set may yield fewer.
    pub fn len_hint(&self) -> Option<u64> {
        self.length
    }

    /// Files beside the samples that are no images by their names, in order. Only [`image_folder`] has any.
    ///
    /// [`image_folder`]: crate::image_folder
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }
}

impl Iterator for Samples {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.records.next();
        if next.is_none() {
            self.records = Box::new(std::iter::empty());
        }
        next
    }
}

impl FusedIterator for Samples {}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples")
            .field("len_hint", &self.length)
            .field("skipped", &self.skipped.len())
            .finish_non_exhaustive()
    }
}
