use std::fmt;

use lookalike_vision::Pixels;

use crate::words::words;

/// How an image and a trigger become a triggered image. The paper can be read in three ways; all three are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blend {
    /// `(1 - omega) x + omega tau`: omega is the intensity of the trigger (the text of section 4.3.2).
    Convex,
    /// `omega x + (1 - omega) tau`: omega weighs the image (line 2 of algorithm 1).
    AsPrinted,
    /// `x + omega tau` (equations 1, 2 and 8).
    Additive,
}

words!(Blend { Convex => "convex", AsPrinted => "as_printed", Additive => "additive" });

impl Blend {
    /// Share of the image in the blend at intensity `omega`.
    pub fn keep(self, omega: f32) -> f32 {
        self.shares(omega).0
    }

    /// Shares of image and trigger.
    fn shares(self, omega: f32) -> (f32, f32) {
        match self {
            Self::Convex => (1.0 - omega, omega),
            Self::AsPrinted => (omega, 1.0 - omega),
            Self::Additive => (1.0, omega),
        }
    }

    /// `image` with the `trigger` of the same shape laid over it at intensity `omega`, 0..=1. The result may
    /// leave 0..=1, as the reference does.
    ///
    /// Values beyond the shorter of the two stay the image's.
    #[must_use]
    pub fn apply(self, image: &Pixels, trigger: &Pixels, omega: f32) -> Pixels {
        let (keep, take) = self.shares(omega);
        let mut blended = image.clone();
        for (value, trigger) in blended.values_mut().iter_mut().zip(trigger.values()) {
            *value = keep * *value + take * trigger;
        }
        blended
    }
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Standard deviation of an image's pixel values over all channels, n - 1 in the denominator: the paper's omega
/// (section 4.3.2). 0 for a single value.
pub fn deviation(image: &Pixels) -> f32 {
    let values = image.values();
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
    (squares / (n - 1.0).max(1.0)).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(values: &[f32]) -> Pixels {
        Pixels::new(1, 1, values.len(), values.to_vec()).unwrap()
    }

    #[test]
    fn the_three_readings_weigh_image_and_trigger_as_written() {
        let (image, trigger) = (pixels(&[1.0, 0.0]), pixels(&[0.0, 1.0]));
        let blended = |blend: Blend| blend.apply(&image, &trigger, 0.25).into_values();
        assert_eq!(blended(Blend::Convex), [0.75, 0.25]);
        assert_eq!(blended(Blend::AsPrinted), [0.25, 0.75]);
        assert_eq!(blended(Blend::Additive), [1.0, 0.25]);
    }

    #[test]
    fn every_blend_is_found_by_its_name() {
        for name in Blend::NAMES {
            assert_eq!(Blend::from_name(name).map(Blend::name), Some(*name));
        }
        assert_eq!(Blend::from_name("other"), None);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert!((deviation(&pixels(&[0.0, 1.0])) - 0.5_f32.sqrt()).abs() < 1e-7);
        assert!(deviation(&pixels(&[0.3])).abs() < 1e-7);
    }
}
