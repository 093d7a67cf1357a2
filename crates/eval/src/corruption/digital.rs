use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use lookalike_plugin_api::Image;

use crate::corruption::raster::Raster;
use lookalike_kernels::Random;

const CONTRAST: [f32; 5] = [0.75, 0.5, 0.4, 0.3, 0.15];
/// Size of the small stretches, their smoothing, and how far the corners of the affine map go, each as a share of the
/// shorter side.
const ELASTIC: [(f64, f64, f64); 5] =
    [(0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)];
/// Sides of which the elastic lengths are shares, at most: the smoothing of larger ones would take for ever.
const MOST_ELASTIC: usize = 64;
/// Percent of the sides that are left.
const PIXELS: [usize; 5] = [95, 90, 85, 75, 65];
const QUALITY: [u8; 5] = [80, 65, 58, 50, 40];

/// Every channel is drawn towards its mean.
pub(super) fn contrast(mut raster: Raster, level: usize) -> Raster {
    let pixels = (raster.height * raster.width) as f64;
    for channel in 0..raster.channels {
        let of_channel = raster.values.iter().skip(channel).step_by(raster.channels);
        let mean = (of_channel.map(|value| f64::from(*value)).sum::<f64>() / pixels) as f32;
        for value in raster.values.iter_mut().skip(channel).step_by(raster.channels) {
            *value = (*value - mean) * CONTRAST[level] + mean;
        }
    }
    raster
}

pub(super) fn elastic(raster: &Raster, level: usize, random: &mut Random) -> Raster {
    let (amount, smoothing, corners) = ELASTIC[level];
    let side = raster.height.min(raster.width).min(MOST_ELASTIC) as f64;
    let bent = affine(raster, corners * side, random);
    let mut stretch = || {
        let noise = Raster::plane(raster.height, raster.width, || random.between(-1.0, 1.0));
        noise.blurred(smoothing * side, 3.0).values
    };
    if amount == 0.0 {
        return bent;
    }
    let (right, down) = (stretch(), stretch());
    let amount = (amount * side) as f32;
    bent.map(|row, column, channel| {
        let at = bent.place(row, column) / bent.channels;
        bent.between(row as f32 + amount * down[at], column as f32 + amount * right[at], channel)
    })
}

/// The affine map that moves each of three corners of a square in the middle by up to `far` pixels along each axis.
fn affine(raster: &Raster, far: f64, random: &mut Random) -> Raster {
    let (middle_x, middle_y) = ((raster.width / 2) as f64, (raster.height / 2) as f64);
    let half = (raster.height.min(raster.width) / 3) as f64;
    let from = [(half, half), (half, -half), (-half, -half)];
    let to = from.map(|(x, y)| (x + random.between(-far, far), y + random.between(-far, far)));
    // Every pixel is looked up where it came from: the map takes the moved corners back.
    let edge =
        |corners: [(f64, f64); 3], at: usize| (corners[at].0 - corners[0].0, corners[at].1 - corners[0].1);
    let ((ax, ay), (bx, by)) = (edge(to, 1), edge(to, 2));
    let ((cx, cy), (dx, dy)) = (edge(from, 1), edge(from, 2));
    let area = ax * by - ay * bx;
    if area.abs() < 1e-9 {
        return raster.clone();
    }
    raster.map(|row, column, channel| {
        let (x, y) = (column as f64 - middle_x - to[0].0, row as f64 - middle_y - to[0].1);
        let (along_a, along_b) = ((x * by - y * bx) / area, (y * ax - x * ay) / area);
        let from_x = middle_x + from[0].0 + along_a * cx + along_b * dx;
        let from_y = middle_y + from[0].1 + along_a * cy + along_b * dy;
        raster.between(from_y as f32, from_x as f32, channel)
    })
}

/// Fewer pixels, each the mean of those whose centres it covers, shown in the old size.
pub(super) fn pixelate(raster: &Raster, level: usize) -> Raster {
    let fewer = |side: usize| (side * PIXELS[level] / 100).max(1);
    let (rows, columns) = (fewer(raster.height), fewer(raster.width));
    // The pixels whose centres lie in cell `at` of `cells`: those p with at <= (p + 1/2) cells / side < at + 1.
    let covered = |at: usize, cells: usize, side: usize| {
        let first = |at: usize| (2 * at * side).saturating_sub(cells).div_ceil(2 * cells);
        first(at)..first(at + 1).min(side)
    };
    let mut cells = Vec::with_capacity(rows * columns * raster.channels);
    for row in 0..rows {
        for column in 0..columns {
            let (down, right) = (covered(row, rows, raster.height), covered(column, columns, raster.width));
            let area = (down.len() * right.len()) as f32;
            for channel in 0..raster.channels {
                let places = down.clone().flat_map(|y| right.clone().map(move |x| y * raster.width + x));
                let sum: f32 = places.map(|at| raster.values[at * raster.channels + channel]).sum();
                cells.push(sum / area);
            }
        }
    }
    let cell = |at: i64, cells: usize, side: usize| {
        ((2 * usize::try_from(at).unwrap_or(0) + 1) * cells / (2 * side)).min(cells - 1)
    };
    raster.map(|row, column, channel| {
        let (row, column) = (cell(row, rows, raster.height), cell(column, columns, raster.width));
        cells[(row * columns + column) * raster.channels + channel]
    })
}

pub(super) fn jpeg(image: &Image, level: usize) -> Image {
    let mut bytes = Vec::new();
    let colour = if image.channels() == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    JpegEncoder::new_with_quality(&mut bytes, QUALITY[level])
        .encode(image.samples(), image.width() as u32, image.height() as u32, colour)
        .expect("an image's sides are within those of a JPEG, and memory takes every byte");
    let decoded =
        image::load(Cursor::new(bytes), ImageFormat::Jpeg).expect("what was encoded can be decoded");
    let samples =
        if image.channels() == 1 { decoded.into_luma8().into_raw() } else { decoded.into_rgb8().into_raw() };
    Image::new(image.height(), image.width(), image.channels(), samples).expect("a JPEG keeps the shape")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::seeded;

    #[test]
    fn contrast_draws_every_channel_to_its_mean() {
        let image = Image::new(1, 2, 3, vec![0, 50, 100, 200, 50, 0]).unwrap();
        let flat = contrast(Raster::of(&image), 1).into_image();
        assert_eq!(flat.samples(), [50, 50, 75, 150, 50, 25]);
    }

    #[test]
    fn pixels_are_the_means_of_what_they_cover() {
        let image = Image::new(1, 4, 1, vec![10, 20, 30, 80]).unwrap();
        // 0.75 x 4 = 3 cells of 4/3 pixels: the centres 0.5 | 1.5, 2.5 | 3.5.
        let coarse = pixelate(&Raster::of(&image), 3).into_image();
        assert_eq!(coarse.samples(), [10, 25, 25, 80]);
    }

    #[test]
    fn a_map_that_moves_no_corner_leaves_the_image() {
        let image = Image::new(9, 7, 1, (0..63).collect()).unwrap();
        let mut random = seeded(1, crate::random::Use::Corruption, 0);
        assert_eq!(affine(&Raster::of(&image), 0.0, &mut random).into_image(), image);
        assert_ne!(affine(&Raster::of(&image), 2.0, &mut random).into_image(), image);
    }
}
