//! Labelled images in memory.

use lookalike_plugin_api::{Digest, Image};

use super::augment::Moved;
use super::error::{MAX_SET_BYTES, TrainError};
use super::gradient::Labelled;
use crate::manifest::{ModelManifest, Normalisation};
use crate::pixels::Pixels;
use lookalike_kernels::Random32;

/// Labelled images of one size in memory, a byte per sample.
///
/// An image of another size is resized once, as [`Model::prepare`](crate::Model::prepare) does it, and rounded to
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainSet {
    /// Channels, height, width.
    shape: [usize; 3],
    /// Plane by plane, image by image.
    samples: Vec<u8>,
    classes: Vec<usize>,
}

/// One image of the size of a [`TrainSet`], so that many can be prepared beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainImage {
    shape: [usize; 3],
    samples: Vec<u8>,
}

impl TrainImage {
    /// `image` as a network with an input of `channels` x `height` x `width` sees it.
    #[expect(clippy::cast_sign_loss, reason = "a sample is not negative, and the cast saturates")]
    pub fn new(image: &Image, [channels, height, width]: [usize; 3]) -> Self {
        let pixels = Pixels::from_image(image, channels, height, width);
        let samples = pixels.values().iter().map(|value| (value * 255.0).round() as u8).collect();
        Self { shape: [channels, height, width], samples }
    }
}

impl TrainSet {
    /// An empty set of images of `channels` x `height` x `width`.
    pub fn new(shape: [usize; 3]) -> Self {
        Self { shape, samples: Vec::new(), classes: Vec::new() }
    }

    /// Bytes that `count` images of this shape take; the largest number where it does not fit.
    pub fn bytes_for(shape: [usize; 3], count: u64) -> u64 {
        shape.iter().fold(count, |bytes, &side| bytes.saturating_mul(side as u64))
    }

    /// Adds an image of `class`.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] when the image was made for another size, [`TrainError::Memory`] when the set would hold
    /// more than [`MAX_SET_BYTES`].
    pub fn push(&mut self, image: &TrainImage, class: usize) -> Result<(), TrainError> {
        if image.shape != self.shape {
            return Err(TrainError::Shape { found: image.shape, expected: self.shape });
        }
        let count = self.classes.len() as u64 + 1;
        if Self::bytes_for(self.shape, count) > MAX_SET_BYTES {
            return Err(TrainError::Memory { images: count });
        }
        self.samples.extend_from_slice(&image.samples);
        self.classes.push(class);
        Ok(())
    }

    /// A set of all `images` for the input of `manifest`.
    ///
    /// # Errors
    ///
    /// [`TrainError::Memory`] when they take more than [`MAX_SET_BYTES`].
    pub fn of(manifest: &ModelManifest, images: &[(Image, usize)]) -> Result<Self, TrainError> {
        let mut set = Self::new([manifest.channels, manifest.height, manifest.width]);
        for (image, class) in images {
            set.push(&TrainImage::new(image, set.shape), *class)?;
        }
        Ok(set)
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Channels, height and width of all images.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The class of each image, in the order in which they came.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// Gives every class the number that `renumber` says.
    pub fn renumber(&mut self, renumber: impl Fn(usize) -> usize) {
        self.classes.iter_mut().for_each(|class| *class = renumber(*class));
    }

    /// Takes `share` of the images out, chosen by `seed`: gives those that are left, and those that were taken, both in
    /// the order in which they came.
    ///
    /// A share outside 0..=1 counts as the nearest of these.
    #[expect(clippy::cast_sign_loss, reason = "a share of a length is not negative")]
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        let taken = (self.len() as f64 * share.clamp(0.0, 1.0)).round() as usize;
        let mut order: Vec<usize> = (0..self.len()).collect();
        Random32::new(seed ^ SPLIT).shuffle(&mut order);
        let (taken, left) = order.split_at_mut(taken);
        taken.sort_unstable();
        left.sort_unstable();
        (self.only(left), self.only(taken))
    }

    fn only(&self, places: &[usize]) -> Self {
        let samples = places.iter().flat_map(|&place| self.image(place)).copied().collect();
        let classes = places.iter().map(|&place| self.classes[place]).collect();
        Self { shape: self.shape, samples, classes }
    }

    /// Digest of shape, pixels and classes in their order.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lookalike training set");
        for size in self.shape.iter().chain(&self.classes) {
            hasher.update(&(*size as u64).to_le_bytes());
        }
        hasher.update(&self.samples);
        Digest(*hasher.finalize().as_bytes())
    }

    /// Mean and standard deviation of each channel over all images, for a manifest. A channel that never varies is not
    /// scaled.
    pub fn normalisation(&self) -> Normalisation {
        let [channels, height, width] = self.shape;
        let (mut mean, mut std) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for channel in 0..channels {
            let mut counts = [0u64; 256];
            let planes = self.samples.chunks_exact(height * width).skip(channel).step_by(channels);
            planes.flatten().for_each(|&sample| counts[usize::from(sample)] += 1);
            let values =
                || counts.iter().zip(0u8..=255).map(|(&n, sample)| (n as f64, f64::from(sample) / 255.0));
            let total = counts.iter().sum::<u64>().max(1) as f64;
            let middle = values().map(|(n, value)| n * value).sum::<f64>() / total;
            let variance = values().map(|(n, value)| n * (value - middle).powi(2)).sum::<f64>() / total;
            mean.push(middle as f32);
            std.push(if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 });
        }
        Normalisation { mean, std }
    }

    /// The first image whose class a model of `classes` classes does not have.
    pub(super) fn first_beyond(&self, classes: usize) -> Option<(usize, usize)> {
        self.classes.iter().copied().enumerate().find(|(_, class)| *class >= classes)
    }

    /// The image at `place` as the network sees it, moved as `moved` says.
    pub(super) fn labelled(&self, place: usize, moved: Moved) -> Labelled {
        let [channels, height, width] = self.shape;
        let values = moved.apply(self.image(place), self.shape);
        let pixels = Pixels::from_valid_values(channels, height, width, values);
        Labelled { pixels, class: self.classes[place] }
    }

    fn image(&self, place: usize) -> &[u8] {
        let length = self.shape.iter().product::<usize>();
        &self.samples[place * length..(place + 1) * length]
    }
}

/// Keeps the split's random numbers apart from those of the weights and of the order.
const SPLIT: u64 = 0x5EED_0F5E_7A51_DE00;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: u8) -> TrainSet {
        let mut set = TrainSet::new([1, 1, 2]);
        for number in 0..count {
            let image = Image::new(1, 2, 1, vec![number, 255 - number]).unwrap();
            set.push(&TrainImage::new(&image, set.shape()), usize::from(number % 3)).unwrap();
        }
        set
    }

    #[test]
    fn an_image_of_the_right_size_keeps_every_sample() {
        let set = set(255);
        for place in 0..255u8 {
            assert_eq!(set.image(usize::from(place)), [place, 255 - place]);
        }
        let Labelled { pixels, class } = set.labelled(51, Moved::default());
        assert_eq!((pixels.values(), class), (&[0.2, 0.8][..], 0));
    }

    #[test]
    fn a_split_is_disjoint_complete_and_decided_by_its_seed() {
        let set = set(50);
        let (left, taken) = set.split(0.2, 7);
        assert_eq!((left.len(), taken.len()), (40, 10));
        let mut all: Vec<u8> = left.samples.iter().chain(&taken.samples).copied().step_by(2).collect();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<u8>>());
        assert_eq!(set.split(0.2, 7), (left.clone(), taken));
        assert_ne!(set.split(0.2, 8).0, left);
    }

    #[test]
    fn the_digest_tells_pixels_and_classes_apart() {
        let (set, mut other) = (set(9), set(9));
        assert_eq!(set.digest(), other.digest());
        other.renumber(|class| 2 - class);
        assert_ne!(set.digest(), other.digest());
    }

    #[test]
    fn the_normalisation_is_that_of_each_channel() {
        let mut set = TrainSet::new([3, 1, 2]);
        let image = Image::new(1, 2, 3, vec![0, 51, 255, 255, 51, 0]).unwrap();
        set.push(&TrainImage::new(&image, set.shape()), 0).unwrap();
        let expected = Normalisation { mean: vec![0.5, 0.2, 0.5], std: vec![0.5, 1.0, 0.5] };
        assert_eq!(set.normalisation(), expected);
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        let image = Image::new(1, 1, 1, vec![0]).unwrap();
        let error = set(1).push(&TrainImage::new(&image, [1, 1, 1]), 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an image was prepared for 1 x 1 pixels of 1 channels, the set has 2 x 1 of 1"
        );
        assert_eq!(TrainSet::bytes_for([3, 32, 32], 50_000), 153_600_000);
    }
}
