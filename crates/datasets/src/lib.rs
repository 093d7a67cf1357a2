//! Image data sets as streams of samples: readers of the common formats, and a synthetic set of glyphs.
//!
//! A reader checks magic and sizes before it allocates, keeps one record in memory at a time, and says in which
//! file and at which byte or line something is wrong. [`GlyphSet`] draws a set without any file, with known
//! factors of variation, and [`Disturbance`] spoils an image in a controlled way.
//!
//! What the crate does not do: it fetches nothing, resizes nothing, and does not decode the files of an image
//! folder.

mod byte_source;
mod cifar;
mod disturb;
mod elementary;
mod error;
mod folder;
mod glyph;
mod glyph_samples;
mod gtsrb;
mod kind;
mod mnist;
mod ppm;
mod random;
mod sample;
#[cfg(test)]
mod test_data;

pub use cifar::{cifar10, cifar100};
pub use disturb::Disturbance;
pub use error::DatasetError;
pub use folder::{IMAGE_EXTENSIONS, image_folder};
pub use glyph::{GLYPH_SIDE, Glyph, GlyphFactors, GlyphSet};
pub use glyph_samples::glyphs;
pub use gtsrb::gtsrb;
pub use kind::{DatasetKind, UnknownDataset, open};
pub use mnist::mnist;
pub use sample::{Sample, SampleImage, Samples, Split};
