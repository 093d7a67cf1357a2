use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use lookalike_plugin_api::{Image, ImageError};

use crate::judge::letters::{LETTER_HEIGHT, LETTER_WIDTH, dots};

/// Pixels that the longer side of every image in a picture has at least: smaller ones are enlarged by whole factors,
/// pixel by pixel.
pub const SMALLEST_CELL: usize = 96;
/// Pixels that it has at most: larger images are made smaller.
pub const LARGEST_CELL: usize = 256;

/// Pixels between images.
const GAP: usize = 12;
/// Pixels of a dot of a letter.
const DOT: usize = 4;
/// Pixels left of the rows, for their names.
const MARGIN: usize = 2 * GAP + WORD.len() * (LETTER_WIDTH + 1) * DOT;
const WORD: &str = "QUERY";
/// Neither black nor white, so that the edges of images of either are seen.
const GROUND: u8 = 160;
const INK: u8 = 0;

/// The query on top and two rows of images below it, which are called A and B.
///
/// Colour, 8 bits; every image is in a square cell as large as the largest image of the picture.
///
/// # Errors
///
/// [`ImageError`] when rows are so long that the picture is larger than an image may be.
pub(super) fn picture(query: &Image, rows: [&[&Image]; 2]) -> Result<Image, ImageError> {
    let query = shown(query);
    let rows = rows.map(|row| row.iter().map(|image| shown(image)).collect::<Vec<_>>());
    let all = || std::iter::once(&query).chain(rows.iter().flatten());
    let side = |image: &RgbImage| image.width().max(image.height()) as usize;
    let cell = all().map(side).max().unwrap_or(SMALLEST_CELL);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let (width, height) = (MARGIN + columns * (cell + GAP), GAP + 3 * (cell + GAP));
    let mut canvas = Canvas { width, samples: vec![GROUND; width * height * 3] };
    let lines = [(WORD, std::slice::from_ref(&query)), ("A", &rows[0]), ("B", &rows[1])];
    for (line, (name, images)) in lines.into_iter().enumerate() {
        let top = GAP + line * (cell + GAP);
        canvas.write(name, GAP, top + (cell - LETTER_HEIGHT * DOT) / 2);
        for (column, image) in images.iter().enumerate() {
            let within = |length: u32| (cell - length as usize) / 2;
            let left = MARGIN + column * (cell + GAP) + within(image.width());
            canvas.lay(image, left, top + within(image.height()));
        }
    }
    Image::new(height, width, 3, canvas.samples)
}

struct Canvas {
    width: usize,
    samples: Vec<u8>,
}

impl Canvas {
    fn fill(&mut self, left: usize, top: usize, samples: &[u8]) {
        let start = (top * self.width + left) * 3;
        self.samples[start..start + samples.len()].copy_from_slice(samples);
    }

    fn lay(&mut self, image: &RgbImage, left: usize, top: usize) {
        let row = image.width() as usize * 3;
        for (down, samples) in image.as_raw().chunks_exact(row).enumerate() {
            self.fill(left, top + down, samples);
        }
    }

    fn write(&mut self, word: &str, left: usize, top: usize) {
        for (right, down) in dots(word) {
            for line in 0..DOT {
                self.fill(left + right * DOT, top + down * DOT + line, &[INK; DOT * 3]);
            }
        }
    }
}

/// The image in colour, as large as it is shown.
fn shown(image: &Image) -> RgbImage {
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let pixel = |x: usize, y: usize| {
        let start = (y * width + x) * channels;
        Rgb(std::array::from_fn(|channel| image.samples()[start + channel % channels]))
    };
    let enlarged = |factor: usize| {
        let (wide, high) = ((width * factor) as u32, (height * factor) as u32);
        RgbImage::from_fn(wide, high, |x, y| pixel(x as usize / factor, y as usize / factor))
    };
    let longer = height.max(width);
    if longer <= LARGEST_CELL {
        return enlarged(SMALLEST_CELL.div_ceil(longer));
    }
    let scaled = |length: usize| (length * LARGEST_CELL / longer).max(1) as u32;
    imageops::resize(&enlarged(1), scaled(width), scaled(height), FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use lookalike_datasets::GlyphSet;

    use super::*;

    fn plain(height: usize, width: usize, channels: usize, sample: u8) -> Image {
        Image::new(height, width, channels, vec![sample; height * width * channels]).unwrap()
    }

    #[test]
    fn small_images_are_enlarged_by_whole_factors_and_stand_in_three_rows() {
        let set = GlyphSet::new(3);
        let images: Vec<Image> = (0..5).map(|index| set.glyph(index).image).collect();
        let made = picture(&images[0], [&[&images[1], &images[2]], &[&images[3], &images[4]]]).unwrap();
        // 28 pixels by the factor 4.
        let cell = 112;
        assert_eq!((made.width(), made.height()), (MARGIN + 2 * (cell + GAP), GAP + 3 * (cell + GAP)));
        let sample = |x: usize, y: usize| made.samples()[(y * made.width() + x) * 3 + 2];
        for (line, column, image) in [(0, 0, 0), (1, 0, 1), (1, 1, 2), (2, 0, 3), (2, 1, 4)] {
            let (left, top) = (MARGIN + column * (cell + GAP), GAP + line * (cell + GAP));
            for (x, y) in [(0, 0), (14, 9), (27, 27)] {
                let wanted = images[image].samples()[y * 28 + x];
                assert_eq!(sample(left + 4 * x, top + 4 * y), wanted, "corner of image {image} at {x}, {y}");
                assert_eq!(sample(left + 4 * x + 3, top + 4 * y + 3), wanted);
            }
        }
        // Beside the query there is nothing.
        assert_eq!(sample(MARGIN + cell + GAP + 50, GAP + 50), GROUND);
    }

    #[test]
    fn images_of_any_size_fit_and_the_longest_rows_stay_within_an_image() {
        let large = plain(4096, 2048, 3, 9);
        let small = plain(1, 1, 1, 200);
        let row = vec![&large; crate::judge::MOST_JUDGED];
        let made = picture(&small, [&row, &[&small]]).unwrap();
        assert_eq!(made.height(), GAP + 3 * (LARGEST_CELL + GAP));
        assert!(made.width() <= lookalike_plugin_api::MAX_IMAGE_SIDE);
        assert_eq!(shown(&plain(10, 4000, 1, 3)).dimensions(), (256, 1));
        assert_eq!(shown(&plain(97, 30, 1, 3)).dimensions(), (30, 97));
    }
}
