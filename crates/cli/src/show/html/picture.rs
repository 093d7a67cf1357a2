//! Images inside a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lookalike_engine::encode_png;
use lookalike_engine::plugin_api::Image;
use maud::{Markup, html};

/// Largest side of an image in a page; what is larger is scaled down, so that a page stays small.
const MAX_SIDE: usize = 256;

/// Up to this side pixels are shown as squares instead of being smoothed.
const TINY_SIDE: usize = 64;

/// A PNG image as an address that holds it.
#[derive(Debug)]
pub(crate) struct Picture {
    address: String,
    tiny: bool,
}

impl Picture {
    pub(crate) fn of(image: &Image) -> anyhow::Result<Self> {
        let tiny = image.height().max(image.width()) <= TINY_SIDE;
        let png = match shrunk(image)? {
            Some(smaller) => encode_png(&smaller)?,
            None => encode_png(image)?,
        };
        Ok(Self { address: format!("data:image/png;base64,{}", STANDARD.encode(png)), tiny })
    }

    /// The image element; `description` stands for the image where it is not seen.
    pub(crate) fn tag(&self, description: &str) -> Markup {
        html! { img.tiny[self.tiny] src=(self.address) alt=(description); }
    }
}

/// The image reduced by a whole factor so that it fits; `None` when it fits as it is.
fn shrunk(image: &Image) -> anyhow::Result<Option<Image>> {
    let factor = image.height().max(image.width()).div_ceil(MAX_SIDE);
    if factor <= 1 {
        return Ok(None);
    }
    let (height, width) = (image.height().div_ceil(factor), image.width().div_ceil(factor));
    let mut samples = Vec::with_capacity(height * width * image.channels());
    for y in 0..height {
        for x in 0..width {
            samples.extend((0..image.channels()).map(|channel| average(image, [y, x], factor, channel)));
        }
    }
    Ok(Some(Image::new(height, width, image.channels(), samples)?))
}

/// Mean of the square of `factor` pixels a side at place `[y, x]`, as far as it lies inside.
fn average(image: &Image, [y, x]: [usize; 2], factor: usize, channel: usize) -> u8 {
    let rows = y * factor..((y + 1) * factor).min(image.height());
    let (left, right) = (x * factor, ((x + 1) * factor).min(image.width()));
    let count = rows.len() * (right - left);
    let sum: usize = rows
        .flat_map(|row| {
            (left..right).map(move |column| (row * image.width() + column) * image.channels() + channel)
        })
        .map(|place| usize::from(image.samples()[place]))
        .sum();
    ((sum + count / 2) / count) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_image_is_averaged_and_a_small_one_is_left_alone() {
        let large =
            Image::new(2, 513, 1, (0..2 * 513).map(|i| if i % 3 == 0 { 30 } else { 0 }).collect()).unwrap();
        let small = shrunk(&large).unwrap().unwrap();
        assert_eq!((small.height(), small.width()), (1, 171));
        assert!(small.samples().iter().all(|sample| *sample == 10));
        assert_eq!(shrunk(&small).unwrap(), None);
    }
}
