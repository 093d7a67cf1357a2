use std::fmt;

use lookalike_plugin_api::Image;

use crate::resample::resample;

/// Changes whenever [`Pixels::from_image`] gives other values for the same image, and with it the fingerprint of
/// every model.
pub(crate) const RESAMPLING_VERSION: u32 = 1;

/// Weights of red, green and blue in grey, from ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// A network's input: `channels` planes of `height` x `width` values, plane by plane, row by row.
///
/// An image gives values in 0..=1; a blend may leave that range.
#[derive(Clone, PartialEq)]
pub struct Pixels {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Pixels {
    /// Pixels of the given shape.
    ///
    /// # Errors
    ///
    /// [`PixelsError`] when the values do not fill the shape or the shape is empty.
    pub fn new(channels: usize, height: usize, width: usize, values: Vec<f32>) -> Result<Self, PixelsError> {
        let expected = channels.checked_mul(height).and_then(|n| n.checked_mul(width));
        if values.is_empty() || expected != Some(values.len()) {
            return Err(PixelsError { found: values.len(), channels, height, width });
        }
        Ok(Self { channels, height, width, values })
    }

    /// Pixels whose values are known to fill the shape.
    pub(crate) fn from_valid_values(channels: usize, height: usize, width: usize, values: Vec<f32>) -> Self {
        Self { channels, height, width, values }
    }

    /// An image as the input of a network with 1 or 3 channels: grey from colour by luma or colour from grey by
    /// repeating, resized bilinearly with antialiasing, scaled to 0..=1. An image of the right shape is only scaled.
    pub(crate) fn from_image(image: &Image, channels: usize, height: usize, width: usize) -> Self {
        let planes: Vec<Vec<f32>> = match (image.channels(), channels) {
            (3, 1) => vec![
                image.samples().as_chunks().0.iter().map(|rgb: &[u8; 3]| luma(rgb.map(f32::from))).collect(),
            ],
            (found, _) => (0..found)
                .map(|channel| {
                    image.samples().iter().skip(channel).step_by(found).copied().map(f32::from).collect()
                })
                .collect(),
        };
        let from = [image.height(), image.width()];
        let mut values = Vec::with_capacity(channels * height * width);
        for plane in planes {
            values.extend(resample(plane, from, [height, width]).into_iter().map(|sample| sample / 255.0));
        }
        if channels == 3 && image.channels() == 1 {
            values = values.repeat(3);
        }
        Self { channels, height, width, values }
    }

    /// Planes.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows of a plane.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Values in a row of a plane.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, `[channels, height, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, position by position with the channels side by side.
    pub(crate) fn channels_last(&self) -> impl Iterator<Item = f32> {
        let positions = self.height * self.width;
        let at = move |position: usize| self.values.iter().skip(position).step_by(positions).copied();
        (0..positions).flat_map(at)
    }

    /// All values, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// All values, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

fn luma(rgb: [f32; 3]) -> f32 {
    rgb.iter().zip(LUMA).map(|(sample, weight)| sample * weight).sum()
}

/// Prints the shape only.
impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} x {} x {})", self.channels, self.height, self.width)
    }
}

/// Why values do not make [`Pixels`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} pixel values do not fill {channels} planes of {height} x {width}")]
pub struct PixelsError {
    /// Values given.
    pub found: usize,
    /// Planes asked for.
    pub channels: usize,
    /// Rows asked for.
    pub height: usize,
    /// Columns asked for.
    pub width: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_planes_in_0_to_1() {
        let image = Image::new(1, 2, 3, vec![255, 0, 51, 0, 102, 255]).unwrap();
        let pixels = Pixels::from_image(&image, 3, 1, 2);
        assert_eq!(pixels.values(), [1.0, 0.0, 0.0, 0.4, 0.2, 1.0]);
    }

    #[test]
    fn grey_repeats_as_colour_and_colour_is_weighed_as_grey() {
        let grey = Image::new(1, 1, 1, vec![51]).unwrap();
        assert_eq!(Pixels::from_image(&grey, 3, 1, 1).values(), [0.2; 3]);
        let green = Image::new(1, 1, 3, vec![0, 255, 0]).unwrap();
        assert_eq!(Pixels::from_image(&green, 1, 1, 1).values(), [0.587]);
    }

    #[test]
    fn values_that_do_not_fill_the_shape_are_refused() {
        let error = Pixels::new(3, 2, 2, vec![0.0; 11]).unwrap_err();
        assert_eq!(error.to_string(), "11 pixel values do not fill 3 planes of 2 x 2");
        assert!(Pixels::new(0, 0, 0, vec![]).is_err());
    }
}
