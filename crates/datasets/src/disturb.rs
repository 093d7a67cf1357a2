use std::fmt;

use lookalike_plugin_api::Image;

use crate::random::seeded;
use lookalike_kernels::elementary::{self, to_sample};

/// Widest blur, as a deviation in pixels: beyond it the kernel would be wider than any picture is worth.
const MAX_BLUR: f64 = 64.0;

/// A controlled way to spoil an image.
///
/// Sizes that make no sense (negative, infinite, NaN) count as 0, and shares above 1 as 1, so that applying one
/// never fails. Where an image is moved, its edge pixels are repeated outwards.
///
/// # Examples
///
/// ```
/// use lookalike_datasets::{Disturbance, GlyphSet};
///
/// let image = GlyphSet::new(1).glyph(0).image;
/// let noisy = Disturbance::GaussianNorm(5.0).apply(&image, 7);
/// assert_ne!(noisy, image);
/// assert_eq!(noisy, Disturbance::GaussianNorm(5.0).apply(&image, 7));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Disturbance {
    /// Every sample times this factor.
    Brightness(f32),
    /// Normal noise whose L2 norm over all samples, black 0 and white 1, is this before clamping.
    GaussianNorm(f32),
    /// This share of the pixels, 0 to 1, becomes black or white, each as likely.
    SaltAndPepper(f32),
    /// Moved right and down by this many pixels.
    Shift(i32, i32),
    /// A Gaussian blur of this deviation in pixels.
    Blur(f32),
    /// Turned clockwise about the centre by this many degrees, with bilinear interpolation.
    Rotate(f32),
}

impl Disturbance {
    /// A spoilt copy of `image`, of the same shape, rounded and clamped to 8 bits.
    ///
    /// *Determinism*: the same on every platform. The seed matters to the random disturbances only.
    pub fn apply(&self, image: &Image, seed: u64) -> Image {
        let samples = match *self {
            Self::Brightness(factor) => {
                let factor = sensible(factor);
                image.samples().iter().map(|&v| to_sample(f64::from(v) * factor)).collect()
            }
            Self::GaussianNorm(norm) => gaussian(image.samples(), sensible(norm), seed),
            Self::SaltAndPepper(share) => salt_and_pepper(image, sensible(share), seed),
            Self::Shift(right, down) => shift(image, i64::from(right), i64::from(down)),
            Self::Blur(deviation) => blur(image, sensible(deviation).min(MAX_BLUR)),
            Self::Rotate(degrees) => {
                rotate(image, if degrees.is_finite() { f64::from(degrees % 360.0) } else { 0.0 })
            }
        };
        reshaped(image, samples)
    }
}

/// A few words for a table: `brightness x 0.6`, `shift 1,0 px`.
impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brightness(factor) => write!(f, "brightness x {factor}"),
            Self::GaussianNorm(norm) => write!(f, "gaussian noise of norm {norm}"),
            Self::SaltAndPepper(share) => write!(f, "salt and pepper {} %", share * 100.0),
            Self::Shift(right, down) => write!(f, "shift {right},{down} px"),
            Self::Blur(deviation) => write!(f, "blur {deviation} px"),
            Self::Rotate(degrees) => write!(f, "rotate {degrees} deg"),
        }
    }
}

/// `samples` in the shape of `image`.
fn reshaped(image: &Image, samples: Vec<u8>) -> Image {
    Image::new(image.height(), image.width(), image.channels(), samples)
        .expect("every disturbance gives one sample for each of the image's")
}

fn sensible(size: f32) -> f64 {
    if size.is_finite() { f64::from(size.max(0.0)) } else { 0.0 }
}

fn gaussian(samples: &[u8], norm: f64, seed: u64) -> Vec<u8> {
    let mut random = seeded(seed, 0);
    let noise: Vec<f64> = samples.iter().map(|_| random.normal()).collect();
    let length = noise.iter().map(|v| v * v).sum::<f64>().sqrt();
    let scale = if length > 0.0 { norm * 255.0 / length } else { 0.0 };
    samples.iter().zip(noise).map(|(&v, n)| to_sample(f64::from(v) + n * scale)).collect()
}

fn salt_and_pepper(image: &Image, share: f64, seed: u64) -> Vec<u8> {
    let mut random = seeded(seed, 0);
    let mut samples = image.samples().to_vec();
    for pixel in samples.chunks_exact_mut(image.channels()) {
        let (hit, white) = (random.unit() < share, random.unit() < 0.5);
        if hit {
            pixel.fill(if white { 255 } else { 0 });
        }
    }
    samples
}

fn shift(image: &Image, right: i64, down: i64) -> Vec<u8> {
    let mut samples = Vec::with_capacity(image.samples().len());
    for y in (0_i64..).take(image.height()) {
        for x in (0_i64..).take(image.width()) {
            for channel in 0..image.channels() {
                samples.push(sample(image, x - right, y - down, channel));
            }
        }
    }
    samples
}

fn rotate(image: &Image, degrees: f64) -> Vec<u8> {
    let (sine, cosine) = elementary::sin_cos(degrees.to_radians());
    let (middle_x, middle_y) = ((image.width() - 1) as f64 / 2.0, (image.height() - 1) as f64 / 2.0);
    let mut samples = Vec::with_capacity(image.samples().len());
    for y in 0..image.height() {
        for x in 0..image.width() {
            let (dx, dy) = (x as f64 - middle_x, y as f64 - middle_y);
            let (from_x, from_y) = (middle_x + cosine * dx + sine * dy, middle_y - sine * dx + cosine * dy);
            for channel in 0..image.channels() {
                samples.push(to_sample(bilinear(image, from_x, from_y, channel)));
            }
        }
    }
    samples
}

fn bilinear(image: &Image, x: f64, y: f64, channel: usize) -> f64 {
    let (left, top) = (x.floor(), y.floor());
    let (u, v) = (x - left, y - top);
    let at = |dx: i64, dy: i64| f64::from(sample(image, left as i64 + dx, top as i64 + dy, channel));
    (at(0, 0) * (1.0 - u) + at(1, 0) * u) * (1.0 - v) + (at(0, 1) * (1.0 - u) + at(1, 1) * u) * v
}

/// The sample at a place that may lie outside: the nearest edge pixel then.
fn sample(image: &Image, x: i64, y: i64, channel: usize) -> u8 {
    let (x, y) = (inside(x, image.width()), inside(y, image.height()));
    image.samples()[(y * image.width() + x) * image.channels() + channel]
}

/// The place in `0..side` nearest to `place`.
fn inside(place: i64, side: usize) -> usize {
    usize::try_from(place).unwrap_or(0).min(side - 1)
}

fn blur(image: &Image, deviation: f64) -> Vec<u8> {
    if deviation == 0.0 {
        return image.samples().to_vec();
    }
    let radius = (3.0 * deviation).ceil() as i64;
    let weight = |k: i64| elementary::exp(-((k * k) as f64) / (2.0 * deviation * deviation));
    let total: f64 = (-radius..=radius).map(weight).sum();
    let kernel: Vec<(i64, f64)> = (-radius..=radius).map(|k| (k, weight(k) / total)).collect();
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let mut rows = Vec::with_capacity(image.samples().len());
    for y in (0_i64..).take(height) {
        for x in (0_i64..).take(width) {
            for channel in 0..channels {
                rows.push(kernel.iter().map(|&(k, w)| w * f64::from(sample(image, x + k, y, channel))).sum());
            }
        }
    }
    let down = |x: usize, y: i64| -> f64 { rows[inside(y, height) * width * channels + x] };
    let mut samples = Vec::with_capacity(rows.len());
    for y in (0_i64..).take(height) {
        for x in 0..width * channels {
            samples.push(to_sample(kernel.iter().map(|&(k, w)| w * down(x, y + k)).sum()));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(values: [u8; 6]) -> Image {
        Image::new(2, 3, 1, values.to_vec()).unwrap()
    }

    #[test]
    fn brightness_scales_and_clamps() {
        let spoilt = Disturbance::Brightness(1.5).apply(&image([0, 10, 11, 100, 200, 255]), 0);
        assert_eq!(spoilt.samples(), [0, 15, 17, 150, 255, 255]);
    }

    #[test]
    fn a_shift_repeats_the_edge() {
        let spoilt = Disturbance::Shift(1, 0).apply(&image([1, 2, 3, 4, 5, 6]), 0);
        assert_eq!(spoilt.samples(), [1, 1, 2, 4, 4, 5]);
        let spoilt = Disturbance::Shift(0, -1).apply(&image([1, 2, 3, 4, 5, 6]), 0);
        assert_eq!(spoilt.samples(), [4, 5, 6, 4, 5, 6]);
        assert_eq!(
            Disturbance::Shift(i32::MIN, i32::MAX).apply(&image([1, 2, 3, 4, 5, 6]), 0).samples(),
            [3; 6]
        );
    }

    #[test]
    fn noise_has_the_norm_asked_for() {
        let grey = Image::new(64, 64, 1, vec![128; 64 * 64]).unwrap();
        let spoilt = Disturbance::GaussianNorm(5.0).apply(&grey, 3);
        let square: f64 = spoilt.samples().iter().map(|&v| ((f64::from(v) - 128.0) / 255.0).powi(2)).sum();
        assert!((square.sqrt() - 5.0).abs() < 0.02, "{}", square.sqrt());
        assert_ne!(spoilt, Disturbance::GaussianNorm(5.0).apply(&grey, 4));
    }

    #[test]
    fn salt_and_pepper_hits_whole_pixels_in_the_share_asked_for() {
        let grey = Image::new(100, 100, 3, vec![128; 30_000]).unwrap();
        let spoilt = Disturbance::SaltAndPepper(0.05).apply(&grey, 3);
        let hit = spoilt.samples().chunks(3).filter(|p| **p == [0; 3] || **p == [255; 3]).count();
        assert!((400..600).contains(&hit), "{hit} of 10000");
        assert!(spoilt.samples().chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    }

    #[test]
    fn a_quarter_turn_clockwise_moves_left_to_top() {
        let square = Image::new(2, 2, 1, vec![1, 2, 3, 4]).unwrap();
        assert_eq!(Disturbance::Rotate(90.0).apply(&square, 0).samples(), [3, 1, 4, 2]);
        assert_eq!(Disturbance::Rotate(-360.0).apply(&square, 0), square);
    }

    #[test]
    fn blur_keeps_an_even_image_and_spreads_a_dot() {
        let even = Image::new(5, 5, 3, vec![77; 75]).unwrap();
        assert_eq!(Disturbance::Blur(1.3).apply(&even, 0), even);
        let mut samples = vec![0; 25];
        samples[12] = 255;
        let dot = Disturbance::Blur(1.0).apply(&Image::new(5, 5, 1, samples).unwrap(), 0);
        assert_eq!(dot.samples()[12], 41);
        assert_eq!(dot.samples()[11], dot.samples()[7]);
    }

    #[test]
    fn senseless_sizes_leave_the_image_as_it_is() {
        let plain = image([9, 8, 7, 6, 5, 4]);
        for size in [-1.0, f32::NAN, f32::INFINITY] {
            for disturbance in
                [Disturbance::GaussianNorm(size), Disturbance::SaltAndPepper(size), Disturbance::Blur(size)]
            {
                assert_eq!(disturbance.apply(&plain, 1), plain, "{disturbance}");
            }
        }
        assert_eq!(Disturbance::Rotate(f32::NAN).apply(&plain, 1), plain);
    }
}
