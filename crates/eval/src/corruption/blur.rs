use lookalike_kernels::elementary;

use crate::corruption::raster::{Raster, bell, to_sample};
use lookalike_kernels::Random;

/// Radius of the disk, and deviation of the blur that softens its edge.
const DISK: [(f64, f64); 5] = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)];
/// Deviation of the blur, and passes of swaps.
const GLASS: [(f64, usize); 5] = [(0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)];
/// How far a swap goes.
const FAR: usize = 1;
/// Radius and deviation.
const MOTION: [(f64, f64); 5] = [(6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)];
/// Largest zoom in steps of a hundredth.
const ZOOM: [u8; 5] = [5, 10, 15, 20, 25];
/// Deviations up to which a Gaussian is taken.
const REACH: f64 = 4.0;

pub(super) fn defocus(raster: &Raster, level: usize) -> Raster {
    let (radius, softness) = DISK[level];
    let reach = radius.ceil() as i64 + 1;
    let in_disk = |down: i64, right: i64| ((down * down + right * right) as f64) <= radius * radius;
    let area = (-reach..=reach)
        .flat_map(|down| (-reach..=reach).map(move |right| (down, right)))
        .filter(|&(down, right)| in_disk(down, right))
        .count();
    let soft = bell(softness, 1);
    let mut kernel = Vec::new();
    for down in -reach..=reach {
        for right in -reach..=reach {
            let part = |&(y, a): &(i64, f32)| -> f32 {
                let hit = soft.iter().filter(|(x, _)| in_disk(down + y, right + x));
                hit.map(|(_, b)| a * b).sum()
            };
            let weight = soft.iter().map(part).sum::<f32>() / area as f32;
            if weight > 0.0 {
                kernel.push((down, right, weight));
            }
        }
    }
    raster.filtered(&kernel)
}

/// Blurred, then each pixel from the last on changes places with one above or to the left of it or stays, then blurred
/// again.
pub(super) fn glass(raster: &Raster, level: usize, random: &mut Random) -> Raster {
    let (deviation, passes) = GLASS[level];
    let mut raster = raster.blurred(deviation, REACH);
    raster.values.iter_mut().for_each(|value| *value = f32::from(to_sample(*value)) / 255.0);
    for _ in 0..passes {
        for row in (FAR..raster.height).rev() {
            for column in (FAR..raster.width).rev() {
                let (up, left) = (random.below(FAR + 1), random.below(FAR + 1));
                let from = (row * raster.width + column) * raster.channels;
                let to = ((row - up) * raster.width + column - left) * raster.channels;
                for channel in 0..raster.channels {
                    raster.values.swap(from + channel, to + channel);
                }
            }
        }
    }
    raster.blurred(deviation, REACH)
}

pub(super) fn motion(raster: &Raster, level: usize, random: &mut Random) -> Raster {
    let (radius, deviation) = MOTION[level];
    let degrees = random.between(-45.0, 45.0);
    moved(raster, radius, deviation, degrees)
}

/// Half a Gaussian along a direction, as of a camera that is moved while the shutter closes.
pub(super) fn moved(raster: &Raster, radius: f64, deviation: f64, degrees: f64) -> Raster {
    let (sine, cosine) = elementary::sin_cos(degrees.to_radians());
    let steps = 2 * radius.ceil() as i64;
    let half: Vec<(i64, f32)> = bell(deviation, steps).into_iter().filter(|(at, _)| *at >= 0).collect();
    let total: f32 = half.iter().map(|(_, weight)| weight).sum();
    let offset = |at: i64, part: f64| (at as f64 * part).round() as i64;
    let kernel: Vec<(i64, i64, f32)> =
        half.into_iter().map(|(at, weight)| (offset(at, sine), offset(at, cosine), weight / total)).collect();
    raster.filtered(&kernel)
}

/// The mean of the image and its zooms from 1 on.
pub(super) fn zoom(raster: &Raster, level: usize) -> Raster {
    let mut sum = raster.clone();
    for step in 0..=ZOOM[level] {
        let zoomed = raster.zoomed(1.0 + f32::from(step) / 100.0);
        sum.values.iter_mut().zip(zoomed.values).for_each(|(sum, value)| *sum += value);
    }
    let count = f32::from(ZOOM[level]) + 2.0;
    sum.values.iter_mut().for_each(|value| *value /= count);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Use;
    use crate::random::seeded;

    fn dot() -> Raster {
        let mut at = 0;
        Raster::plane(9, 9, || {
            at += 1;
            if at == 41 { 1.0 } else { 0.0 }
        })
    }

    #[test]
    fn a_disk_of_radius_one_spreads_a_dot_over_a_plus() {
        let spread = defocus(&dot(), 3);
        // The softening moves next to nothing: a bell of deviation 0.2 has exp(-12.5) beside its middle.
        for place in [40, 39, 41, 31, 49] {
            assert!((spread.values[place] - 0.2).abs() < 1e-4, "{place}: {}", spread.values[place]);
        }
        assert!((spread.values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn glass_only_moves_pixels_where_the_blur_is_nil() {
        let mut at = 0.0;
        let ramp = Raster::plane(8, 8, || {
            at += 1.0;
            at / 255.0
        });
        let behind = glass(&ramp, 0, &mut seeded(3, Use::Corruption, 0));
        let sorted = |raster: &Raster| {
            let mut values: Vec<u8> = raster.values.iter().map(|value| to_sample(*value)).collect();
            values.sort_unstable();
            values
        };
        assert_ne!(behind.values, ramp.values);
        assert_eq!(sorted(&behind), sorted(&ramp));
    }

    #[test]
    fn motion_to_the_right_blurs_along_the_row_only() {
        let spread = moved(&dot(), 6.0, 1.5, 0.0);
        let row: f32 = spread.values[36..45].iter().sum();
        assert!((row - spread.values.iter().sum::<f32>()).abs() < 1e-6 && row > 0.9, "{row}");
    }
}
