use lookalike_vision::Pixels;

use crate::random::{Stream, seeded};
use lookalike_kernels::Random32;

/// Largest factor on the brightness, and one over the smallest.
const BRIGHTNESS: f32 = 2.0;
/// Range of the noise's standard deviation, in pixel values of 0..=1.
const NOISE: [f32; 2] = [0.05, 0.3];
/// Largest shift, as a share of each side.
const SHIFT: f32 = 0.07;
/// Range of the blur's standard deviation, as a share of the shorter side.
const BLUR: [f32; 2] = [0.015, 0.045];
/// Largest share of what a blur takes away that sharpening adds.
const SHARPENING: f32 = 1.5;

/// `count` copies of an image as another camera would have taken it: in turn of another brightness, noisy, shifted,
/// and blurred or sharpened, each by a random amount.
///
/// One disturbance at a time, because copies that suffer from all of them look like any image. In both directions,
/// because the image may be the disturbed one: the brighter copy of a dark query is what is looked for.
///
/// Fine-tuning takes them as further members of the dummy class, so that it learns what may change without making
/// another image of it. *Determinism*: image, count and seed decide; the first copies do not depend on the count.
pub fn disturbed_copies(image: &Pixels, count: usize, seed: u64) -> Vec<Pixels> {
    let mut random = seeded(seed, Stream::Positives);
    let copy = |kind| match kind % 4 {
        0 => lit(image, &mut random),
        1 => noisy(image, &mut random),
        2 => shifted(image, &mut random),
        _ => focused(image, &mut random),
    };
    (0..count).map(copy).collect()
}

fn lit(image: &Pixels, random: &mut Random32) -> Pixels {
    let factor = (BRIGHTNESS.ln() * random.between(-1.0, 1.0)).exp();
    let mut copy = image.clone();
    for value in copy.values_mut() {
        *value = (*value * factor).min(1.0);
    }
    copy
}

fn noisy(image: &Pixels, random: &mut Random32) -> Pixels {
    let deviation = random.between(NOISE[0], NOISE[1]);
    let mut copy = image.clone();
    for value in copy.values_mut() {
        *value = (*value + deviation * random.normal()).clamp(0.0, 1.0);
    }
    copy
}

fn shifted(image: &Pixels, random: &mut Random32) -> Pixels {
    let mut distance = |side: usize| (random.between(-SHIFT, SHIFT) * side as f32).round() as isize;
    let (down, right) = (distance(image.height()), distance(image.width()));
    let from = |at: usize, by: isize, side: usize| at.saturating_add_signed(-by).min(side - 1);
    resampled(image, |plane, row, column| {
        plane[from(row, down, image.height()) * image.width() + from(column, right, image.width())]
    })
}

fn focused(image: &Pixels, random: &mut Random32) -> Pixels {
    let side = image.height().min(image.width()) as f32;
    let mut copy = blurred(image, side * random.between(BLUR[0], BLUR[1]));
    if random.unit() < 0.5 {
        let amount = SHARPENING * random.unit();
        for (value, sharp) in copy.values_mut().iter_mut().zip(image.values()) {
            *value = (sharp + amount * (sharp - *value)).clamp(0.0, 1.0);
        }
    }
    copy
}

pub(crate) fn blurred(image: &Pixels, deviation: f32) -> Pixels {
    let reach = (3.0 * deviation).ceil() as isize;
    let bell = |at: isize| (-0.5 * (at as f32 / deviation).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(bell).sum();
    let weights: Vec<(isize, f32)> = (-reach..=reach).map(|at| (at, bell(at) / total)).collect();
    // The border goes on beyond the image.
    let near = |at: usize, by: isize, side: usize| at.saturating_add_signed(by).min(side - 1);
    let (height, width) = (image.height(), image.width());
    let along = resampled(image, |plane, row, column| {
        weights.iter().map(|&(by, weight)| weight * plane[row * width + near(column, by, width)]).sum()
    });
    resampled(&along, |plane, row, column| {
        weights.iter().map(|&(by, weight)| weight * plane[near(row, by, height) * width + column]).sum()
    })
}

/// The image whose value at each row and column of a plane is `value` of that plane.
fn resampled(image: &Pixels, value: impl Fn(&[f32], usize, usize) -> f32) -> Pixels {
    let (plane, width) = (image.height() * image.width(), image.width());
    let mut copy = image.clone();
    for (to, from) in copy.values_mut().chunks_exact_mut(plane).zip(image.values().chunks_exact(plane)) {
        for (at, to) in to.iter_mut().enumerate() {
            *to = value(from, at / width, at % width);
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Pixels {
        Pixels::new(1, 28, 28, (0..784).map(|i| (i % 28) as f32 / 27.0).collect()).unwrap()
    }

    #[test]
    fn copies_depend_on_image_and_seed_alone() {
        let copies = disturbed_copies(&image(), 5, 1);
        assert_eq!(copies, disturbed_copies(&image(), 9, 1)[..5]);
        assert_ne!(copies, disturbed_copies(&image(), 5, 2));
    }

    #[test]
    fn copies_stay_in_range_and_near_the_image() {
        for copy in disturbed_copies(&image(), 32, 3) {
            let apart = copy.values().iter().zip(image().values()).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            assert!(copy.values().iter().all(|value| (-1e-6..=1.000_001).contains(value)));
            assert!(apart < 0.5 * image().values().iter().map(|v| v * v).sum::<f32>(), "{apart}");
        }
    }

    #[test]
    fn an_image_of_one_pixel_has_copies_too() {
        let dot = Pixels::new(3, 1, 1, vec![0.2, 0.5, 0.7]).unwrap();
        assert_eq!(disturbed_copies(&dot, 4, 1).len(), 4);
    }
}
