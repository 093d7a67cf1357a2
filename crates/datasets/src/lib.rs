//! Image data sets as streams of samples: readers of the common formats, and a synthetic set of glyphs.
//!
//! A reader checks magic and sizes before it allocates, keeps one record in memory at a time (of a Parquet file a page
//! of each column), and says in which file and at which byte, line, row or member something is wrong. [`GlyphSet`]
//! draws a set without any file, with known factors of variation, and [`Disturbance`] spoils an image in a controlled
//! way.
//!
//! What the crate does not do: it fetches nothing, though [`SOURCES`] says where the official files are and
//! [`SourceFile::verify`] whether one arrived whole; it resizes nothing, and does not decode encoded images, be they
//! in a folder, an archive or a table.

mod archive;
mod byte_source;
mod cifar;
mod disturb;
mod encoded;
mod error;
mod folder;
mod glyph;
mod glyph_samples;
mod gtsrb;
mod kind;
mod limits;
mod mat;
mod mnist;
mod parquet;
mod ppm;
mod random;
mod sample;
mod source;
mod svhn;
#[cfg(test)]
mod test_data;

pub use archive::tar_images;
pub use cifar::{cifar10, cifar100};
pub use disturb::Disturbance;
pub use error::DatasetError;
pub use folder::{image_folder, unlabelled_folder};
pub use glyph::{GLYPH_SIDE, Glyph, GlyphFactors, GlyphSet};
pub use glyph_samples::glyphs;
pub use gtsrb::gtsrb;
pub use kind::{DatasetKind, UnknownDataset, open};
pub use limits::{IMAGE_EXTENSIONS, MAX_IMAGE_BYTES, MAX_SAMPLES};
pub use lookalike_parquet::{LabelColumn, ParquetFault, TableColumns};
pub use mnist::mnist;
pub use parquet::parquet_images;
pub use sample::{Sample, SampleImage, Samples, Split};
pub use source::{Digest, Packing, SOURCES, Source, SourceFile, VerifyError, source};
pub use svhn::{svhn, svhn_extra};
