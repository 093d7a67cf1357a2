use std::error::Error;
use std::fmt;

/// Largest side of an [`Image`], in pixels.
pub const MAX_IMAGE_SIDE: usize = 4096;

/// A decoded image: 8-bit samples, 1 or 3 channels, stored height x width x channels.
///
/// # Examples
///
/// ```
/// use lookalike_plugin_api::Image;
///
/// let image = Image::new(2, 3, 1, vec![0, 50, 100, 150, 200, 250])?;
/// assert_eq!((image.height(), image.width(), image.channels()), (2, 3, 1));
/// assert_eq!(image.samples()[5], 250);
/// # Ok::<(), lookalike_plugin_api::ImageError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    samples: Vec<u8>,
}

impl Image {
    /// An image of `height` x `width` pixels with `channels` interleaved samples each.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when a side is not in 1..=[`MAX_IMAGE_SIDE`], when there are neither 1 nor 3 channels, or
    /// when the number of samples is not height x width x channels.
    pub fn new(height: usize, width: usize, channels: usize, samples: Vec<u8>) -> Result<Self, ImageError> {
        let sides = 1..=MAX_IMAGE_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) {
            return Err(ImageError::Side { height, width });
        }
        if channels != 1 && channels != 3 {
            return Err(ImageError::Channels { found: channels });
        }
        let expected = height * width * channels;
        if samples.len() != expected {
            return Err(ImageError::Samples { found: samples.len(), expected });
        }
        Ok(Self { height, width, channels, samples })
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples in a pixel: 1 (grey) or 3 (red, green, blue).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All samples, row by row from the top, pixel by pixel from the left, channels interleaved.
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    /// The samples, without a copy.
    pub fn into_samples(self) -> Vec<u8> {
        self.samples
    }
}

/// Prints the shape only: a megabyte of samples in a log helps nobody.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} x {} x {})", self.height, self.width, self.channels)
    }
}

/// Why samples do not make an [`Image`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// A side is zero or larger than [`MAX_IMAGE_SIDE`].
    Side {
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
    },
    /// Neither grey nor colour.
    Channels {
        /// Channels asked for.
        found: usize,
    },
    /// The samples do not fill the shape.
    Samples {
        /// Samples given.
        found: usize,
        /// Height x width x channels.
        expected: usize,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Side { height, width } => {
                write!(f, "image is {width} x {height} pixels, each side must be 1 to {MAX_IMAGE_SIDE}")
            }
            Self::Channels { found } => {
                write!(f, "image has {found} channels, 1 (grey) or 3 (colour) are accepted")
            }
            Self::Samples { found, expected } => {
                write!(f, "image has {found} samples, its shape needs {expected}")
            }
        }
    }
}

impl Error for ImageError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_outside_the_contract_are_refused() {
        assert_eq!(Image::new(0, 1, 1, vec![]), Err(ImageError::Side { height: 0, width: 1 }));
        assert_eq!(Image::new(1, 4097, 1, vec![0; 4097]), Err(ImageError::Side { height: 1, width: 4097 }));
        assert_eq!(Image::new(1, 1, 4, vec![0; 4]), Err(ImageError::Channels { found: 4 }));
        assert_eq!(Image::new(2, 2, 3, vec![0; 11]), Err(ImageError::Samples { found: 11, expected: 12 }));
    }
}
