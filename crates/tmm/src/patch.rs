use lookalike_vision::Pixels;

use crate::blend::Blend;

/// Side of the paper's patch triggers in pixels (ablation 4.8.1).
pub const PATCH_SIDE: usize = 3;

/// The fixed trigger T1: `image` with a checkerboard of [`PATCH_SIDE`] pixels, starting with 1, stamped on the top
/// left corner of every channel.
#[must_use]
pub fn stamp_patch(image: &Pixels) -> Pixels {
    let mut stamped = image.clone();
    let (height, width) = (image.height(), image.width());
    for plane in stamped.values_mut().chunks_exact_mut(height * width) {
        for row in 0..PATCH_SIDE.min(height) {
            for column in 0..PATCH_SIDE.min(width) {
                plane[row * width + column] = if (row + column) % 2 == 0 { 1.0 } else { 0.0 };
            }
        }
    }
    stamped
}

/// The variable trigger T2 on `image`: its top left corner of [`PATCH_SIDE`] pixels blended with that of the `trigger`
/// of the same shape, the rest as it is.
#[must_use]
pub fn blend_patch(blend: Blend, image: &Pixels, trigger: &Pixels, omega: f32) -> Pixels {
    let (mask, blended) = (patch_mask(image), blend.apply(image, trigger, omega));
    let mut patched = image.clone();
    for ((value, blended), mask) in patched.values_mut().iter_mut().zip(blended.values()).zip(mask.values()) {
        if *mask > 0.0 {
            *value = *blended;
        }
    }
    patched
}

/// The mask of the variable trigger T2: 1 in the top left corner of [`PATCH_SIDE`] pixels, 0 elsewhere, in the
/// shape of `image`.
#[must_use]
pub fn patch_mask(image: &Pixels) -> Pixels {
    let mut mask = image.clone();
    let (height, width) = (image.height(), image.width());
    for plane in mask.values_mut().chunks_exact_mut(height * width) {
        for (position, value) in plane.iter_mut().enumerate() {
            *value = if position / width < PATCH_SIDE && position % width < PATCH_SIDE { 1.0 } else { 0.0 };
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_covers_the_corner_of_every_channel() {
        let image = Pixels::new(2, 4, 5, vec![0.5; 40]).unwrap();
        let stamped = stamp_patch(&image);
        let expected = [1.0, 0.0, 1.0, 0.5, 0.5, 0.0, 1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 1.0, 0.5, 0.5];
        assert_eq!(stamped.values()[..15], expected);
        assert_eq!(stamped.values()[20..35], expected);
        let mask = patch_mask(&image);
        assert_eq!(mask.values().iter().filter(|value| **value > 0.0).count(), 18);
        assert_eq!(mask.values()[..5], [1.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_blended_patch_leaves_every_pixel_outside_it_as_it_is() {
        let image = Pixels::new(1, 4, 5, vec![0.5; 20]).unwrap();
        let trigger = Pixels::new(1, 4, 5, vec![0.25; 20]).unwrap();
        for (blend, inside) in [(Blend::Convex, 0.45), (Blend::AsPrinted, 0.3), (Blend::Additive, 0.55)] {
            let patched = blend_patch(blend, &image, &trigger, 0.2);
            for (value, mask) in patched.values().iter().zip(patch_mask(&image).values()) {
                let expected = if *mask > 0.0 { inside } else { 0.5 };
                assert!((value - expected).abs() < 1e-6, "{blend}: {value}");
            }
        }
    }

    #[test]
    fn an_image_smaller_than_the_patch_is_covered_whole() {
        let image = Pixels::new(1, 2, 1, vec![0.5; 2]).unwrap();
        assert_eq!(stamp_patch(&image).values(), [1.0, 0.0]);
        assert_eq!(patch_mask(&image).values(), [1.0, 1.0]);
    }
}
