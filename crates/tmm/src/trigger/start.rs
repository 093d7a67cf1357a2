use lookalike_vision::{Model, Pixels};

use super::{TriggerError, shape};
use crate::random::{Stream, seeded};

/// Mean of a Gaussian start: that of a uniform one, so that the two begin with the same strength.
const GAUSSIAN_MEAN: f32 = 0.5;
/// Standard deviation of a Gaussian start: that of a uniform one, the root of 1/12.
const GAUSSIAN_DEVIATION: f32 = 0.288_675_13;

/// Where the search for a trigger begins. The paper does not say.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerStart {
    /// Every value from the seed, uniform in 0..1, as this project's reference starts.
    Uniform,
    /// Every value from the seed, with mean 1/2 and standard deviation 0.289, those of [`TriggerStart::Uniform`]. Its
    /// values may leave 0..=1.
    Gaussian,
    /// These values.
    Given(Pixels),
}

impl TriggerStart {
    /// The start for `model`, in the shape of its input. *Determinism*: start, shape and seed decide.
    ///
    /// # Errors
    ///
    /// [`TriggerError::Shape`] when given values have another shape.
    pub fn pixels(&self, model: &Model, seed: u64) -> Result<Pixels, TriggerError> {
        let mut start = black(model);
        let mut random = seeded(seed, Stream::Trigger);
        match self {
            Self::Uniform => start.values_mut().iter_mut().for_each(|value| *value = random.unit()),
            Self::Gaussian => {
                for value in start.values_mut() {
                    *value = GAUSSIAN_MEAN + GAUSSIAN_DEVIATION * random.normal();
                }
            }
            Self::Given(given) => {
                let (found, expected) = (shape(given), shape(&start));
                if found != expected {
                    return Err(TriggerError::Shape { what: "the given start", found, expected });
                }
                start.clone_from(given);
            }
        }
        Ok(start)
    }
}

/// Zeros in the shape of the model's input.
pub(crate) fn black(model: &Model) -> Pixels {
    let manifest = model.manifest();
    let [channels, height, width] = [manifest.channels, manifest.height, manifest.width];
    Pixels::new(channels, height, width, vec![0.0; channels * height * width])
        .expect("a loaded model's input has at least one value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;

    #[test]
    fn the_seed_decides_a_drawn_start() {
        let model = tiny::model();
        for start in [TriggerStart::Uniform, TriggerStart::Gaussian] {
            let drawn = |seed| start.pixels(&model, seed).unwrap();
            assert_eq!(drawn(4), drawn(4));
            assert_ne!(drawn(4), drawn(5));
            assert_eq!(shape(&drawn(4)), [1, 8, 8]);
        }
        let uniform = TriggerStart::Uniform.pixels(&model, 4).unwrap();
        assert!(uniform.values().iter().all(|value| (0.0..1.0).contains(value)));
    }

    #[test]
    fn both_drawn_starts_have_one_mean_and_spread() {
        let model = tiny::model();
        for start in [TriggerStart::Uniform, TriggerStart::Gaussian] {
            let drawn: Vec<f32> =
                (0..200).flat_map(|seed| start.pixels(&model, seed).unwrap().into_values()).collect();
            let n = drawn.len() as f32;
            let mean = drawn.iter().sum::<f32>() / n;
            let spread = (drawn.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / n).sqrt();
            assert!(
                (mean - 0.5).abs() < 0.01 && (spread - GAUSSIAN_DEVIATION).abs() < 0.01,
                "{mean} {spread}"
            );
        }
    }

    #[test]
    fn a_given_start_is_taken_as_it_is_or_refused_for_its_shape() {
        let model = tiny::model();
        let given = tiny::pixels(9);
        assert_eq!(TriggerStart::Given(given.clone()).pixels(&model, 1).unwrap(), given);
        let turned = Pixels::new(1, 4, 16, given.into_values()).unwrap();
        let error = TriggerStart::Given(turned).pixels(&model, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the given start has shape [1, 4, 16], the trigger has [1, 8, 8] (channels, height, width)"
        );
    }
}
