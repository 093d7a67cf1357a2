use crate::corruption::blur::moved;
use crate::corruption::plasma::plasma;
use crate::corruption::raster::Raster;
use lookalike_kernels::Random;

/// What snow is made of.
struct Snow {
    /// Mean and deviation of the noise that becomes flakes.
    flakes: (f64, f64),
    zoom: f32,
    /// Below this there is no flake.
    threshold: f32,
    /// Radius and deviation of the fall.
    fall: (f64, f64),
    /// Share of the image as it is; the rest is the whitened one.
    image: f32,
}

const SNOW: [Snow; 5] = [
    Snow { flakes: (0.1, 0.2), zoom: 1.0, threshold: 0.6, fall: (8.0, 3.0), image: 0.95 },
    Snow { flakes: (0.1, 0.2), zoom: 1.0, threshold: 0.5, fall: (10.0, 4.0), image: 0.9 },
    Snow { flakes: (0.15, 0.3), zoom: 1.75, threshold: 0.55, fall: (10.0, 4.0), image: 0.9 },
    Snow { flakes: (0.25, 0.3), zoom: 2.25, threshold: 0.6, fall: (12.0, 6.0), image: 0.85 },
    Snow { flakes: (0.3, 0.3), zoom: 1.25, threshold: 0.65, fall: (14.0, 12.0), image: 0.8 },
];
/// Factor of the image, factor of the frost.
const FROST: [(f32, f32); 5] = [(1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)];
/// Amount, and how fast the finer clouds fade.
const FOG: [(f32, f64); 5] = [(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)];
const BRIGHTNESS: [f32; 5] = [0.05, 0.1, 0.15, 0.2, 0.3];

/// Weights of red, green and blue in grey, from ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// The colour of ice.
const ICE: [f32; 3] = [0.82, 0.92, 1.0];
/// Least and largest side of a landscape, powers of two; it tiles over larger images.
const LANDSCAPE: [usize; 2] = [32, 512];

fn grey(pixel: &[f32]) -> f32 {
    match pixel {
        [red, green, blue] => LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue,
        _ => pixel[0],
    }
}

/// Whitened, with two layers of flakes, the second being the first turned round.
pub(super) fn snow(raster: &Raster, level: usize, random: &mut Random) -> Raster {
    let Snow { flakes, zoom, threshold, fall, image } = &SNOW[level];
    let noise = Raster::plane(raster.height, raster.width, || flakes.0 + flakes.1 * random.normal());
    let mut layer = noise.zoomed(*zoom);
    for value in &mut layer.values {
        *value = if *value < *threshold { 0.0 } else { value.min(1.0) };
    }
    let layer = moved(&layer, fall.0, fall.1, random.between(-135.0, -45.0));
    let mut snowy = raster.clone();
    let turned = layer.values.iter().rev();
    for ((pixel, flake), other) in
        snowy.values.chunks_exact_mut(raster.channels).zip(&layer.values).zip(turned)
    {
        let white = grey(pixel) * 1.5 + 0.5;
        for value in pixel {
            *value = image * *value + (1.0 - image) * value.max(white) + flake + other;
        }
    }
    snowy
}

/// A texture of ice crystals added to the image: the crests of two landscapes, where they are as high, one finer than
/// the other.
pub(super) fn frost(mut raster: Raster, level: usize, random: &mut Random) -> Raster {
    let (of_image, of_frost) = FROST[level];
    let side = landscape_side(&raster);
    let coarse = plasma(side, 1.6, random);
    let fine = plasma(side, 1.2, random);
    let (width, channels) = (raster.width, raster.channels);
    for (at, pixel) in raster.values.chunks_exact_mut(channels).enumerate() {
        let place = at / width % side * side + at % width % side;
        let crest = |map: &[f32]| 1.0 - (2.0 * map[place] - 1.0).abs();
        let ice = (0.15 + 0.55 * crest(&coarse) + 0.3 * crest(&fine)).min(1.0);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let colour = if channels == 3 { ICE[channel] } else { grey(&ICE) };
            *value = of_image * *value + of_frost * ice * colour;
        }
    }
    raster
}

/// `(x + amount * landscape) * m / (m + amount)`, with m the image's largest value.
pub(super) fn fog(mut raster: Raster, level: usize, random: &mut Random) -> Raster {
    let (amount, decay) = FOG[level];
    let side = landscape_side(&raster);
    let clouds = plasma(side, decay, random);
    let most = raster.values.iter().copied().fold(0.0, f32::max);
    let (width, channels) = (raster.width, raster.channels);
    for (at, pixel) in raster.values.chunks_exact_mut(channels).enumerate() {
        let cloud = amount * clouds[at / width % side * side + at % width % side];
        pixel.iter_mut().for_each(|value| *value = (*value + cloud) * most / (most + amount));
    }
    raster
}

fn landscape_side(raster: &Raster) -> usize {
    raster.height.max(raster.width).clamp(LANDSCAPE[0], LANDSCAPE[1]).next_power_of_two()
}

/// Adds to the value of HSV, which is the largest channel, and keeps hue and saturation: all channels grow by one factor.
pub(super) fn brightness(mut raster: Raster, level: usize) -> Raster {
    for pixel in raster.values.chunks_exact_mut(raster.channels) {
        let value = pixel.iter().copied().fold(0.0, f32::max);
        let brighter = (value + BRIGHTNESS[level]).min(1.0);
        for channel in pixel {
            *channel = if value > 0.0 { *channel * brighter / value } else { brighter };
        }
    }
    raster
}

#[cfg(test)]
mod tests {
    use lookalike_plugin_api::Image;

    use super::*;
    use crate::random::Use;
    use crate::random::seeded;

    #[test]
    fn brightness_adds_to_the_largest_channel_and_keeps_the_hue() {
        let image = Image::new(1, 3, 3, vec![102, 51, 0, 0, 0, 0, 240, 120, 60]).unwrap();
        // Value 0.4 becomes 0.6; black becomes grey 0.2; 240 / 255 reaches 1.
        let brighter = brightness(Raster::of(&image), 3).into_image();
        assert_eq!(brighter.samples(), [153, 77, 0, 51, 51, 51, 255, 128, 64]);
    }

    #[test]
    fn fog_leaves_black_black_and_keeps_the_range() {
        let mut random = seeded(1, Use::Corruption, 0);
        let black = Image::new(4, 4, 1, vec![0; 16]).unwrap();
        assert_eq!(fog(Raster::of(&black), 4, &mut random).into_image(), black);
        let white = Image::new(4, 4, 1, vec![255; 16]).unwrap();
        let foggy = fog(Raster::of(&white), 4, &mut random);
        assert!(foggy.values.iter().all(|v| (0.4..=1.0).contains(v)), "{:?}", foggy.values);
    }
}
