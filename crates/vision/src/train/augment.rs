//! What is done to an image each time that it is seen.

use lookalike_plugin_api::SplitMix64;

use super::config::Augmentation;

/// How one image is moved. The default leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moved {
    /// Rows and columns of the source that come before the first one that is seen; negative in the padding.
    offset: [isize; 2],
    mirrored: bool,
}

impl Moved {
    /// What `augmentation` makes of image `place` in `epoch`: a function of these and the seed, so that neither the
    /// order of the images nor the number of threads counts.
    pub(super) fn draw(augmentation: Augmentation, seed: u64, epoch: usize, place: usize) -> Self {
        let Augmentation { crop_padding, flip } = augmentation;
        if crop_padding == 0 && !flip {
            return Self::default();
        }
        let of_epoch = SplitMix64::new(seed ^ AUGMENT).bits() ^ epoch as u64;
        let mut random = SplitMix64::new(SplitMix64::new(of_epoch).bits() ^ place as u64);
        let mut shift = || random.below(2 * crop_padding + 1).cast_signed() - crop_padding.cast_signed();
        let offset = [shift(), shift()];
        Self { offset, mirrored: flip && random.below(2) == 1 }
    }

    /// The values, in 0..=1, of an image of `[channels, height, width]` bytes after it was moved.
    pub(super) fn apply(self, samples: &[u8], [_, height, width]: [usize; 3]) -> Vec<f32> {
        if self == Self::default() {
            return samples.iter().copied().map(scaled).collect();
        }
        let inside = |at: usize, offset: isize, length: usize| {
            at.checked_add_signed(offset).filter(|&source| source < length)
        };
        let columns: Vec<Option<usize>> = (0..width)
            .map(|column| if self.mirrored { width - 1 - column } else { column })
            .map(|column| inside(column, self.offset[1], width))
            .collect();
        let mut values = Vec::with_capacity(samples.len());
        for plane in samples.chunks_exact(height * width) {
            for row in 0..height {
                let source = inside(row, self.offset[0], height).map(|row| &plane[row * width..][..width]);
                values.extend(columns.iter().map(|column| match (source, column) {
                    (Some(row), &Some(column)) => scaled(row[column]),
                    (None, _) | (_, None) => 0.0,
                }));
            }
        }
        values
    }
}

fn scaled(sample: u8) -> f32 {
    f32::from(sample) / 255.0
}

/// Keeps these random numbers apart from those of the weights and of the order.
const AUGMENT: u64 = 0xA06A_E47A_7104_0000;

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [1, 2, 3];
    const SAMPLES: [u8; 6] = [51, 102, 153, 204, 255, 0];

    #[test]
    fn a_crop_moves_the_image_and_fills_with_black() {
        let moved = |offset, mirrored| Moved { offset, mirrored }.apply(&SAMPLES, SHAPE);
        assert_eq!(moved([0, 0], false), [0.2, 0.4, 0.6, 0.8, 1.0, 0.0]);
        assert_eq!(moved([1, -1], false), [0.0, 0.8, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(moved([0, 0], true), [0.6, 0.4, 0.2, 0.0, 1.0, 0.8]);
    }

    #[test]
    fn every_place_and_both_directions_are_drawn_about_equally_often() {
        let augmentation = Augmentation { crop_padding: 1, flip: true };
        let mut counts = std::collections::BTreeMap::new();
        for place in 0..1_800 {
            let Moved { offset, mirrored } = Moved::draw(augmentation, 3, 2, place);
            *counts.entry((offset, mirrored)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 18);
        assert!(counts.values().all(|count| (60..140).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_draw_depends_on_seed_epoch_and_image() {
        let augmentation = Augmentation { crop_padding: 8, flip: true };
        let draw = |seed, epoch| {
            (0..8).map(|place| Moved::draw(augmentation, seed, epoch, place)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
        assert_ne!(draw(1, 1)[0], draw(1, 1)[1]);
        assert_eq!(Moved::draw(Augmentation::default(), 1, 1, 1), Moved::default());
    }
}
