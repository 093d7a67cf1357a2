mod query_class;

use lookalike_plugin_api::FeatureRows;
use lookalike_vision::{Model, ModelError, Pixels};
use thiserror::Error;

pub use self::query_class::{QueryClass, QueryClassError};
use crate::random::{Use, seeded};
use lookalike_kernels::Random;

/// Most steps of one attack.
pub const MOST_ATTACK_STEPS: usize = 10_000;

/// The changes of an image that an attack may make; sizes are in pixel values of 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ball {
    /// Every value by at most this much.
    LInf(f32),
    /// All values together by at most this Euclidean norm.
    L2(f32),
}

/// Projected gradient descent (Madry et al. 2018), upwards: from a random point of the ball, steps along the gradient's
/// sign (`L-inf`) or direction (`L2`), each brought back into the ball and to 0..=1.
///
/// *Determinism*: image, settings and seed decide everything that the gradient does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attack {
    /// What may be changed; a size of 0 changes nothing.
    pub ball: Ball,
    /// Steps, at most [`MOST_ATTACK_STEPS`].
    pub steps: usize,
    /// Length of a step in the ball's norm; a quarter of the ball or less is usual.
    pub step_size: f32,
    /// Decides the start.
    pub seed: u64,
}

/// What an attack found.
#[derive(Debug, Clone, PartialEq)]
pub struct Attacked {
    /// The best point on the way, in the ball and in 0..=1.
    pub pixels: Pixels,
    /// Its loss.
    pub loss: f32,
    /// The loss at the start and after each step.
    pub trace: Vec<f32>,
}

/// Why an attack cannot be made. `E` is the error of the loss that is attacked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttackError<E: std::error::Error + 'static> {
    /// A size is negative or not finite.
    #[error("the attack's {name} is {found}, it must be finite and 0 at least")]
    Size {
        /// Which size.
        name: &'static str,
        /// Its value.
        found: f32,
    },
    /// There are too many steps.
    #[error("the attack has {found} steps, the limit is {MOST_ATTACK_STEPS}")]
    Steps {
        /// Steps asked for.
        found: usize,
    },
    /// The image leaves 0..=1.
    #[error("value {position} of the image is {found}; an attack needs pixels in 0 to 1")]
    Range {
        /// Its place.
        position: usize,
        /// The value.
        found: f32,
    },
    /// The gradient has another shape than the image.
    #[error("the gradient has {found} values, the image has {expected}")]
    Gradient {
        /// Values given.
        found: usize,
        /// Values needed.
        expected: usize,
    },
    /// The loss or its gradient is NaN or infinite.
    #[error("the loss or its gradient is not finite at step {step}")]
    NotFinite {
        /// Steps taken before.
        step: usize,
    },
    /// The loss failed.
    #[error("the loss that is attacked cannot be computed")]
    Loss(#[source] E),
}

/// Looks for the point near `image` where `loss` is largest.
///
/// `loss` gives its value at an image and its gradient with respect to the pixels, in their order. It is asked
/// `steps + 1` times.
///
/// # Errors
///
/// [`AttackError`] when the settings or the image are out of range, or when the loss fails or is not finite.
pub fn attack<E: std::error::Error + 'static>(
    image: &Pixels,
    settings: &Attack,
    mut loss: impl FnMut(&Pixels) -> Result<(f32, Vec<f32>), E>,
) -> Result<Attacked, AttackError<E>> {
    settings.check(image)?;
    let mut at = image.clone();
    settings.ball.start(at.values_mut(), &mut seeded(settings.seed, Use::Attack, 0));
    settings.ball.project(at.values_mut(), image.values());
    let mut best = (f32::NEG_INFINITY, at.clone());
    let mut trace = Vec::with_capacity(settings.steps + 1);
    for step in 0..=settings.steps {
        let (value, gradient) = loss(&at).map_err(AttackError::Loss)?;
        if gradient.len() != image.values().len() {
            return Err(AttackError::Gradient { found: gradient.len(), expected: image.values().len() });
        }
        if !value.is_finite() || gradient.iter().any(|slope| !slope.is_finite()) {
            return Err(AttackError::NotFinite { step });
        }
        trace.push(value);
        if value > best.0 {
            best = (value, at.clone());
        }
        if step < settings.steps {
            settings.ball.step(at.values_mut(), &gradient, settings.step_size);
            settings.ball.project(at.values_mut(), image.values());
        }
    }
    let (loss, pixels) = best;
    Ok(Attacked { pixels, loss, trace })
}

/// Looks for the image near `image` whose features are furthest from those of `image`: the loss is the squared Euclidean
/// distance of the two rows.
///
/// # Errors
///
/// As [`attack`], with [`ModelError`] when the image is not the model's input.
pub fn attack_features(
    model: &Model,
    image: &Pixels,
    settings: &Attack,
) -> Result<Attacked, AttackError<ModelError>> {
    let clean = model.features(std::slice::from_ref(image)).map_err(AttackError::Loss)?;
    attack(image, settings, |at| {
        let mut away = |features: &FeatureRows| {
            features.values().iter().zip(clean.values()).map(|(now, was)| 2.0 * (now - was)).collect()
        };
        let (features, gradient) = model.feature_pullback(std::slice::from_ref(at), &mut away)?;
        let apart = features.values().iter().zip(clean.values()).map(|(now, was)| (now - was).powi(2)).sum();
        Ok((apart, gradient.into_iter().next().map(Pixels::into_values).unwrap_or_default()))
    })
}

impl Attack {
    fn check<E: std::error::Error + 'static>(&self, image: &Pixels) -> Result<(), AttackError<E>> {
        let (Ball::LInf(radius) | Ball::L2(radius)) = self.ball;
        for (name, found) in [("radius", radius), ("step size", self.step_size)] {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(AttackError::Size { name, found });
            }
        }
        if self.steps > MOST_ATTACK_STEPS {
            return Err(AttackError::Steps { found: self.steps });
        }
        match image.values().iter().position(|value| !(0.0..=1.0).contains(value)) {
            Some(position) => Err(AttackError::Range { position, found: image.values()[position] }),
            None => Ok(()),
        }
    }
}

impl Ball {
    /// Moves the centre to a random point: evenly over the cube, in a random direction by an even share of the radius.
    fn start(self, at: &mut [f32], random: &mut Random) {
        match self {
            Self::LInf(radius) => {
                at.iter_mut()
                    .for_each(|value| *value += (f64::from(radius) * random.between(-1.0, 1.0)) as f32);
            }
            Self::L2(radius) => {
                let direction: Vec<f32> = at.iter().map(|_| random.normal() as f32).collect();
                add_scaled(at, &direction, radius * random.unit() as f32);
            }
        }
    }

    fn step(self, at: &mut [f32], gradient: &[f32], size: f32) {
        match self {
            Self::LInf(_) => {
                for (value, slope) in at.iter_mut().zip(gradient) {
                    // The sign of a zero is not zero.
                    *value += if *slope == 0.0 { 0.0 } else { size * slope.signum() };
                }
            }
            Self::L2(_) => add_scaled(at, gradient, size),
        }
    }

    /// The ball first: moving a value to 0..=1, where the centre lies, only brings it nearer to the centre.
    fn project(self, at: &mut [f32], centre: &[f32]) {
        match self {
            Self::LInf(radius) => {
                for (value, middle) in at.iter_mut().zip(centre) {
                    *value = value.clamp(middle - radius, middle + radius).clamp(0.0, 1.0);
                }
            }
            Self::L2(radius) => {
                let squares = at.iter().zip(centre).map(|(value, middle)| f64::from(value - middle).powi(2));
                let distance = squares.sum::<f64>().sqrt();
                let scale = if distance > f64::from(radius) { f64::from(radius) / distance } else { 1.0 };
                for (value, middle) in at.iter_mut().zip(centre) {
                    let moved = f64::from(*middle) + f64::from(*value - middle) * scale;
                    *value = (moved as f32).clamp(0.0, 1.0);
                }
            }
        }
    }
}

/// Adds `direction`, brought to the length `size`; a zero direction adds nothing.
fn add_scaled(at: &mut [f32], direction: &[f32], size: f32) {
    let length = direction.iter().map(|part| f64::from(*part).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        let scale = f64::from(size) / length;
        at.iter_mut().zip(direction).for_each(|(value, part)| *value += (f64::from(*part) * scale) as f32);
    }
}

#[cfg(test)]
mod tests;
