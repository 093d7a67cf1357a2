//! Where images come from: files, folders, data sets and drawn glyphs, and how a query is spoilt on purpose.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::Context;
use lookalike_datasets::{DatasetKind, Disturbance, GlyphSet, SampleImage, Samples, Split};
use lookalike_engine::plugin_api::Image;
use lookalike_engine::{MAX_ENCODED_BYTES, QueryImage, decode};

use crate::args::{DatasetName, SplitName};

/// Opens a data set by name.
pub(crate) fn open(
    name: DatasetName,
    from: Option<&Path>,
    split: SplitName,
    glyphs: (u64, u64),
) -> anyhow::Result<Samples> {
    let Some(kind) = name.kind() else {
        let (seed, count) = glyphs;
        return Ok(lookalike_datasets::glyphs(seed, count));
    };
    let folder = from.with_context(|| format!("give the folder that holds {kind} with --from DIR"))?;
    Ok(lookalike_datasets::open(kind, folder, split.split())?)
}

impl DatasetName {
    /// The set that files hold; none for what is drawn.
    pub(crate) fn kind(self) -> Option<DatasetKind> {
        match self {
            Self::Mnist => Some(DatasetKind::Mnist),
            Self::Cifar10 => Some(DatasetKind::Cifar10),
            Self::Cifar100 => Some(DatasetKind::Cifar100),
            Self::Gtsrb => Some(DatasetKind::Gtsrb),
            Self::Svhn => Some(DatasetKind::Svhn),
            Self::Glyphs => None,
        }
    }

    /// What it is called.
    pub(crate) fn word(self) -> &'static str {
        self.kind().map_or("glyphs", DatasetKind::name)
    }
}

/// The pixels of a sample; a file is not read when it is larger than any that is accepted.
pub(crate) fn pixels(image: &SampleImage) -> anyhow::Result<Cow<'_, Image>> {
    Ok(match image {
        SampleImage::Decoded(image) => Cow::Borrowed(image),
        SampleImage::Encoded(bytes) => Cow::Owned(decode(bytes)?.image),
        SampleImage::File(path) => {
            let length = fs::metadata(path)?.len();
            anyhow::ensure!(
                length <= MAX_ENCODED_BYTES,
                "it has {length} bytes, the limit is {MAX_ENCODED_BYTES}"
            );
            Cow::Owned(decode(&fs::read(path)?)?.image)
        }
    })
}

impl SplitName {
    fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Test => Split::Test,
            Self::All => Split::All,
        }
    }
}

/// The image that a search asks about.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What it is called: the path or data set position as typed, or the glyph's key.
    pub(crate) name: String,
    /// Its label, where its source knows it.
    pub(crate) label: Option<String>,
    /// As it is searched for.
    pub(crate) query: QueryImage,
    /// The same, decoded and with its disturbances.
    pub(crate) image: Image,
    /// As it was before it was disturbed, if it was.
    pub(crate) original: Option<Image>,
    /// What was done to it.
    pub(crate) disturbances: Vec<Disturbance>,
}

impl Asked {
    /// Finds the image that `text` names: an existing file; `DATASET:SPLIT:INDEX`; or `glyphs:SEED:INDEX`.
    pub(crate) fn find(text: &str, from: Option<&Path>) -> anyhow::Result<Self> {
        let path = Path::new(text);
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["glyphs", seed, index] if !path.exists() => {
                let number = |what, part: &str| whole(what, part).with_context(|| format!("query {text}"));
                let glyph = GlyphSet::new(number("seed", seed)?).glyph(number("index", index)?);
                Ok(Self::decoded(text, Some(glyph.name.to_owned()), glyph.image))
            }
            [kind, split, index] if !path.exists() && kind.parse::<DatasetKind>().is_ok() => {
                Self::of_dataset(text, kind, split, index, from).with_context(|| format!("query {text}"))
            }
            _ => Self::of_file(text, path),
        }
    }

    /// A query of decoded pixels.
    pub(crate) fn decoded(name: &str, label: Option<String>, image: Image) -> Self {
        let query = QueryImage::Decoded(image.clone());
        Self { name: name.to_owned(), label, query, image, original: None, disturbances: Vec::new() }
    }

    fn of_file(name: &str, path: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("query {} cannot be read", path.display());
        let length = fs::metadata(path).with_context(unreadable)?.len();
        anyhow::ensure!(
            length <= MAX_ENCODED_BYTES,
            "query {} has {length} bytes, the limit is {MAX_ENCODED_BYTES}; store a smaller image",
            path.display()
        );
        let bytes = fs::read(path).with_context(unreadable)?;
        let image = decode(&bytes).with_context(|| format!("query {}", path.display()))?.image;
        let query = QueryImage::Encoded(bytes);
        Ok(Self {
            name: name.to_owned(),
            label: None,
            query,
            image,
            original: None,
            disturbances: Vec::new(),
        })
    }

    fn of_dataset(
        name: &str,
        kind: &str,
        split: &str,
        index: &str,
        from: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let split = match split {
            "train" => Split::Train,
            "test" => Split::Test,
            _ => anyhow::bail!("\"{split}\" is no part of a data set; use train or test"),
        };
        let index = whole("index", index)?;
        let folder = from.context("give the folder that holds the data set with --from DIR")?;
        let mut samples = lookalike_datasets::open(kind.parse()?, folder, split)?;
        let skip = usize::try_from(index).context("the index is too large")?;
        let sample = samples.nth(skip).with_context(|| format!("the set has no image {index}"))??;
        let image = pixels(&sample.image)?.into_owned();
        Ok(Self::decoded(name, sample.label, image))
    }

    /// The same query after disturbances, one after the other.
    pub(crate) fn disturbed(mut self, disturbances: &[Disturbance], seed: u64) -> Self {
        for disturbance in disturbances {
            let spoilt = disturbance.apply(&self.image, seed);
            let before = std::mem::replace(&mut self.image, spoilt);
            self.original.get_or_insert(before);
            self.query = QueryImage::Decoded(self.image.clone());
            self.disturbances.push(*disturbance);
        }
        self
    }
}

fn whole(what: &str, text: &str) -> anyhow::Result<u64> {
    text.parse().with_context(|| format!("the {what} \"{text}\" is no whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glyph_is_a_query_by_seed_and_index_and_keeps_its_original_when_disturbed() {
        let asked = Asked::find("glyphs:3:5", None).unwrap();
        let glyph = GlyphSet::new(3).glyph(5);
        assert_eq!(asked.label.as_deref(), Some(glyph.name));
        assert_eq!(asked.image, glyph.image);

        let spoilt = asked.disturbed(&[Disturbance::Brightness(0.5), Disturbance::Rotate(5.0)], 0);
        assert_eq!(spoilt.original, Some(glyph.image));
        assert_eq!(spoilt.disturbances.len(), 2);
        assert!(Asked::find("glyphs:3:many", None).is_err());
        let error = Asked::find("mnist:test:1", None).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "query mnist:test:1: give the folder that holds the data set with --from DIR"
        );
    }
}
