mod blur;
mod digital;
mod noise;
mod plasma;
mod raster;
mod weather;

use std::fmt;
use std::str::FromStr;

use lookalike_plugin_api::{Image, SplitMix64};
use thiserror::Error;

use crate::random::{Use, seeded};
use raster::Raster;

/// A kind of the common-corruptions benchmark (Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness
/// to Common Corruptions and Perturbations"), written anew after the paper.
///
/// The strengths are those of CIFAR-10-C, as published in the benchmark's `make_cifar_c.py`, for images of about 32
/// pixels a side. They are meant for sides up to 64: a length in pixels stays as it is on a larger image, which is then
/// disturbed less for its size. Of severity 1 to 5:
///
/// | kind | setting | 1 | 2 | 3 | 4 | 5 |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | `gaussian_noise` | deviation | 0.04 | 0.06 | 0.08 | 0.09 | 0.10 |
/// | `shot_noise` | photons at white | 500 | 250 | 100 | 75 | 50 |
/// | `impulse_noise` | share of samples | 0.01 | 0.02 | 0.03 | 0.05 | 0.07 |
/// | `defocus_blur` | disk radius, its smoothing | 0.3, 0.4 | 0.4, 0.5 | 0.5, 0.6 | 1, 0.2 | 1.5, 0.1 |
/// | `glass_blur` | blur, passes (one pixel far) | 0.05, 1 | 0.25, 1 | 0.4, 1 | 0.25, 2 | 0.4, 2 |
/// | `motion_blur` | radius, deviation | 6, 1 | 6, 1.5 | 6, 2 | 8, 2 | 9, 2.5 |
/// | `zoom_blur` | largest zoom, steps of 0.01 | 1.05 | 1.10 | 1.15 | 1.20 | 1.25 |
/// | `snow` | mean | 0.1 | 0.1 | 0.15 | 0.25 | 0.3 |
/// | | deviation | 0.2 | 0.2 | 0.3 | 0.3 | 0.3 |
/// | | zoom, threshold | 1, 0.6 | 1, 0.5 | 1.75, 0.55 | 2.25, 0.6 | 1.25, 0.65 |
/// | | motion radius, deviation | 8, 3 | 10, 4 | 10, 4 | 12, 6 | 14, 12 |
/// | | share of the image | 0.95 | 0.9 | 0.9 | 0.85 | 0.8 |
/// | `frost` | image x, frost x | 1, 0.2 | 1, 0.3 | 0.9, 0.4 | 0.85, 0.4 | 0.75, 0.45 |
/// | `fog` | amount, decay | 0.2, 3 | 0.5, 3 | 0.75, 2.5 | 1, 2 | 1.5, 1.75 |
/// | `brightness` | added to the value | 0.05 | 0.1 | 0.15 | 0.2 | 0.3 |
/// | `contrast` | factor | 0.75 | 0.5 | 0.4 | 0.3 | 0.15 |
/// | `elastic_transform` | amount, smoothing, corners, of a side | 0, -, 0.08 | 0.05, 0.2, 0.07 | 0.08, 0.06, 0.06 | 0.1, 0.04, 0.05 | 0.1, 0.03, 0.03 |
/// | `pixelate` | share of the sides | 0.95 | 0.9 | 0.85 | 0.75 | 0.65 |
/// | `jpeg_compression` | quality | 80 | 65 | 58 | 50 | 40 |
///
/// What differs from the published program: numbers come from this project's generator; samples are rounded, not cut;
/// beyond the border the edge pixel goes on in every kind; zooms are bilinear about the centre; glass blur swaps pixels
/// where that program copies one over the other; frost is a seeded texture in place of photographs; the JPEG encoder is
/// the `image` crate's. In pixels, more severe is not always further away: the table's glass blur smooths more what it
/// shuffles, its elastic transform trades the affine map for small stretches, and its frost dims what it brightens.
/// Numbers are therefore comparable among themselves, not with published CIFAR-10-C results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Corruption {
    /// Normal noise on every sample.
    GaussianNoise,
    /// Poisson noise, as of few photons.
    ShotNoise,
    /// Samples that become black or white.
    ImpulseNoise,
    /// Out of focus: the mean over a disk.
    DefocusBlur,
    /// Behind frosted glass: neighbouring pixels change places.
    GlassBlur,
    /// Moved while exposed, in a random direction.
    MotionBlur,
    /// Moved towards the subject while exposed.
    ZoomBlur,
    /// Falling snow, and the light under it.
    Snow,
    /// Ice on the lens.
    Frost,
    /// Clouds of fog.
    Fog,
    /// More light.
    Brightness,
    /// Less contrast.
    Contrast,
    /// A random affine map, then small random stretches.
    ElasticTransform,
    /// Fewer pixels.
    Pixelate,
    /// Lossy compression.
    JpegCompression,
}

impl Corruption {
    /// All kinds, in the benchmark's order.
    pub const ALL: [Self; 15] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::DefocusBlur,
        Self::GlassBlur,
        Self::MotionBlur,
        Self::ZoomBlur,
        Self::Snow,
        Self::Frost,
        Self::Fog,
        Self::Brightness,
        Self::Contrast,
        Self::ElasticTransform,
        Self::Pixelate,
        Self::JpegCompression,
    ];

    /// The benchmark's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian_noise",
            Self::ShotNoise => "shot_noise",
            Self::ImpulseNoise => "impulse_noise",
            Self::DefocusBlur => "defocus_blur",
            Self::GlassBlur => "glass_blur",
            Self::MotionBlur => "motion_blur",
            Self::ZoomBlur => "zoom_blur",
            Self::Snow => "snow",
            Self::Frost => "frost",
            Self::Fog => "fog",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::ElasticTransform => "elastic_transform",
            Self::Pixelate => "pixelate",
            Self::JpegCompression => "jpeg_compression",
        }
    }

    /// A corrupted copy of `image`, of the same shape.
    ///
    /// *Determinism*: kind, severity, seed and `index`, the image's number in its set, decide every random choice; the
    /// result is the same on every platform.
    pub fn apply(self, image: &Image, severity: Severity, seed: u64, index: u64) -> Image {
        let stream = (self as u64) * 8 + u64::from(severity.get());
        let mut random = seeded(seed ^ SplitMix64::mix(!index), Use::Corruption, stream);
        let raster = Raster::of(image);
        let level = severity.place();
        let corrupted = match self {
            Self::GaussianNoise => noise::gaussian(raster, level, &mut random),
            Self::ShotNoise => noise::shot(image, level, &mut random),
            Self::ImpulseNoise => noise::impulse(raster, level, &mut random),
            Self::DefocusBlur => blur::defocus(&raster, level),
            Self::GlassBlur => blur::glass(&raster, level, &mut random),
            Self::MotionBlur => blur::motion(&raster, level, &mut random),
            Self::ZoomBlur => blur::zoom(&raster, level),
            Self::Snow => weather::snow(&raster, level, &mut random),
            Self::Frost => weather::frost(raster, level, &mut random),
            Self::Fog => weather::fog(raster, level, &mut random),
            Self::Brightness => weather::brightness(raster, level),
            Self::Contrast => digital::contrast(raster, level),
            Self::ElasticTransform => digital::elastic(&raster, level, &mut random),
            Self::Pixelate => digital::pixelate(&raster, level),
            Self::JpegCompression => return digital::jpeg(image, level),
        };
        corrupted.into_image()
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word names no corruption.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{found}\" is no corruption; choose one of {}", Corruption::ALL.map(Corruption::name).join(", "))]
pub struct UnknownCorruption {
    /// The word given.
    pub found: String,
}

impl FromStr for Corruption {
    type Err = UnknownCorruption;

    fn from_str(word: &str) -> Result<Self, UnknownCorruption> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == word);
        named.ok_or_else(|| UnknownCorruption { found: word.to_owned() })
    }
}

/// How strong a corruption is, 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

impl Severity {
    /// All severities, weakest first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The severity of this number; `None` unless it is 1 to 5.
    pub fn new(number: u8) -> Option<Self> {
        (1..=5).contains(&number).then_some(Self(number))
    }

    /// Its number, 1 to 5.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Its place in the tables.
    fn place(self) -> usize {
        usize::from(self.0 - 1)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
