mod pen;
mod skeleton;

use lookalike_plugin_api::Image;

use crate::random::seeded;
use lookalike_kernels::Random;
use lookalike_kernels::elementary;

/// Height and width of a glyph's image, in pixels.
pub const GLYPH_SIDE: usize = 28;

/// Half the height of a glyph of scale 1, in pixels.
const REACH: f64 = 9.0;

/// A seeded set of synthetic, hand-drawn-like glyphs whose latent factors are known.
///
/// The set has no end: index `i` is always the same glyph, whatever was asked for before. Each run of
/// [`GlyphSet::CLASSES`]`.len()` indices from a multiple of that length holds every class once.
///
/// *Determinism*: seed and index alone decide the glyph, bit for bit on every platform.
///
/// # Examples
///
/// ```
/// use lookalike_datasets::GlyphSet;
///
/// let set = GlyphSet::new(1);
/// let glyph = set.glyph(42);
/// assert_eq!(glyph.image.height(), lookalike_datasets::GLYPH_SIDE);
/// assert_eq!(glyph.name, GlyphSet::CLASSES[glyph.class]);
/// assert_eq!(glyph, set.glyph(42));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlyphSet {
    seed: u64,
}

/// One glyph with everything that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Glyph {
    /// Its class, an index into [`GlyphSet::CLASSES`].
    pub class: usize,
    /// The class's name.
    pub name: &'static str,
    /// How it was drawn.
    pub factors: GlyphFactors,
    /// Its image, [`GLYPH_SIDE`] pixels square, grey, light ink on a dark background.
    pub image: Image,
}

/// The latent factors of a glyph: the ground truth of how alike two glyphs of one class are.
///
/// A set draws each factor evenly from its range, independently of the others. The small shake of the hand is
/// no factor: it is what remains between two glyphs of equal factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GlyphFactors {
    /// Shear: pixels to the right per pixel upwards, in [`GlyphFactors::SLANT`].
    pub slant: f32,
    /// Width of the stroke in pixels, in [`GlyphFactors::STROKE_WIDTH`].
    pub stroke_width: f32,
    /// Turn in degrees, clockwise positive, in [`GlyphFactors::ROTATION`].
    pub rotation: f32,
    /// Shift to the right in pixels, in [`GlyphFactors::SHIFT`].
    pub shift_x: f32,
    /// Shift downwards in pixels, in [`GlyphFactors::SHIFT`].
    pub shift_y: f32,
    /// Size relative to the standard glyph, in [`GlyphFactors::SCALE`].
    pub scale: f32,
    /// Grey level of the background, 0 black to 1 white, in [`GlyphFactors::BACKGROUND`].
    pub background: f32,
    /// Grey level of the ink, 0 black to 1 white, in [`GlyphFactors::INK`].
    pub ink: f32,
}

impl GlyphFactors {
    /// Range of the slant.
    pub const SLANT: (f32, f32) = (-0.3, 0.3);
    /// Range of the stroke width, in pixels.
    pub const STROKE_WIDTH: (f32, f32) = (1.3, 3.0);
    /// Range of the rotation, in degrees.
    pub const ROTATION: (f32, f32) = (-15.0, 15.0);
    /// Range of the shift along each axis, in pixels.
    pub const SHIFT: (f32, f32) = (-2.0, 2.0);
    /// Range of the scale.
    pub const SCALE: (f32, f32) = (0.75, 1.1);
    /// Range of the background level.
    pub const BACKGROUND: (f32, f32) = (0.0, 0.3);
    /// Range of the ink level.
    pub const INK: (f32, f32) = (0.65, 1.0);

    /// How far two sets of factors lie apart: 0 for equal ones, 1 for opposite ends of every range.
    ///
    /// It is the root of the mean over all factors of the squared difference in units of the factor's range. It
    /// says nothing about class: glyphs of different classes are not alike at any distance.
    pub fn distance(&self, other: &Self) -> f32 {
        let pairs = self.named().into_iter().zip(other.named());
        let sum: f32 = pairs
            .map(|((_, a, (least, most)), (_, b, _))| {
                let difference = (a - b) / (most - least);
                difference * difference
            })
            .sum();
        (sum / 8.0).sqrt()
    }

    /// Every factor as name, value and range, in a fixed order.
    pub fn named(&self) -> [(&'static str, f32, (f32, f32)); 8] {
        [
            ("slant", self.slant, Self::SLANT),
            ("stroke_width", self.stroke_width, Self::STROKE_WIDTH),
            ("rotation", self.rotation, Self::ROTATION),
            ("shift_x", self.shift_x, Self::SHIFT),
            ("shift_y", self.shift_y, Self::SHIFT),
            ("scale", self.scale, Self::SCALE),
            ("background", self.background, Self::BACKGROUND),
            ("ink", self.ink, Self::INK),
        ]
    }

    fn draw(random: &mut Random) -> Self {
        let mut within = |range: (f32, f32)| random.between(f64::from(range.0), f64::from(range.1)) as f32;
        Self {
            slant: within(Self::SLANT),
            stroke_width: within(Self::STROKE_WIDTH),
            rotation: within(Self::ROTATION),
            shift_x: within(Self::SHIFT),
            shift_y: within(Self::SHIFT),
            scale: within(Self::SCALE),
            background: within(Self::BACKGROUND),
            ink: within(Self::INK),
        }
    }
}

impl GlyphSet {
    /// Names of the classes, in class order.
    pub const CLASSES: [&'static str; 12] = skeleton::NAMES;

    /// The set of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The glyph of this index.
    pub fn glyph(&self, index: u64) -> Glyph {
        let class = self.class(index);
        let mut random = seeded(self.seed, index);
        let factors = GlyphFactors::draw(&mut random);
        let image = render(class, &factors, &mut random);
        Glyph { class, name: Self::CLASSES[class], factors, image }
    }

    /// The class of this index, without drawing it.
    pub fn class(&self, index: u64) -> usize {
        let count = Self::CLASSES.len();
        let (round, place) = (index / count as u64, (index % count as u64) as usize);
        let mut order: [usize; Self::CLASSES.len()] = std::array::from_fn(|i| i);
        // The complement keeps the streams of the rounds apart from those of the glyphs.
        let mut random = seeded(!self.seed, round);
        for last in (1..count).rev() {
            order.swap(last, random.below(last + 1));
        }
        order[place]
    }
}

fn render(class: usize, factors: &GlyphFactors, hand: &mut Random) -> Image {
    let place = Placement::new(factors);
    let mut pieces = Vec::new();
    for stroke in skeleton::STROKES[class] {
        let line: Vec<_> = pen::draw(stroke, hand).into_iter().map(|p| place.to_pixels(p)).collect();
        pieces.extend(line.windows(2).map(|pair| (pair[0], pair[1])));
    }
    let (background, ink) = (f64::from(factors.background), f64::from(factors.ink));
    let radius = f64::from(factors.stroke_width) / 2.0;
    let mut samples = Vec::with_capacity(GLYPH_SIDE * GLYPH_SIDE);
    for y in 0..GLYPH_SIDE {
        for x in 0..GLYPH_SIDE {
            let centre = (x as f64 + 0.5, y as f64 + 0.5);
            let nearest =
                pieces.iter().map(|&(a, b)| pen::distance(centre, a, b)).fold(f64::INFINITY, f64::min);
            // The edge falls from full to no ink over one pixel.
            let cover = (radius - nearest + 0.5).clamp(0.0, 1.0);
            let level = background + (ink - background) * cover;
            samples.push(elementary::to_sample(level * 255.0));
        }
    }
    Image::new(GLYPH_SIDE, GLYPH_SIDE, 1, samples).expect("a glyph fills its square")
}

/// Where unit coordinates lie on the image.
struct Placement {
    slant: f64,
    sine: f64,
    cosine: f64,
    reach: f64,
    centre: (f64, f64),
}

impl Placement {
    fn new(factors: &GlyphFactors) -> Self {
        let (sine, cosine) = elementary::sin_cos(f64::from(factors.rotation).to_radians());
        let half = GLYPH_SIDE as f64 / 2.0;
        Self {
            slant: f64::from(factors.slant),
            sine,
            cosine,
            reach: REACH * f64::from(factors.scale),
            centre: (half + f64::from(factors.shift_x), half + f64::from(factors.shift_y)),
        }
    }

    fn to_pixels(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = ((x - self.slant * y) * self.reach, y * self.reach);
        (self.centre.0 + self.cosine * x - self.sine * y, self.centre.1 + self.sine * x + self.cosine * y)
    }
}

#[cfg(test)]
mod tests;
