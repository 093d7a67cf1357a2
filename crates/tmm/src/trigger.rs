use plugin_api::{Budget, Completion, FeatureRows};
use vision::{Model, ModelError, Pixels};

use crate::Adam;

/// How [`optimise_trigger`] searches.
#[derive(Debug, Clone, Copy)]
pub struct TriggerSearch<'a> {
    /// Updates at most.
    pub steps: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Stop after this many updates in a row without a gain of [`FLAT_GAIN`]; 0 never stops early.
    pub patience: usize,
    /// Values in the shape of the images that the trigger is multiplied with: the variable patch trigger T2.
    pub mask: Option<&'a Pixels>,
}

/// Share of the best loss so far that an update must win to count as progress.
pub const FLAT_GAIN: f32 = 0.01;

/// What [`optimise_trigger`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// The trigger, masked, in the shape of the images. Its values may leave 0..=1.
    pub pixels: Pixels,
    /// Loss before each update.
    pub trace: Vec<f32>,
    /// How the search ended. Stopping for patience is complete.
    pub completion: Completion,
}

/// Why there is no trigger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// The model failed.
    #[error("the model made no logits or no gradient")]
    Model(#[from] ModelError),
    /// Images, start and mask do not have one shape, or there is no image.
    #[error("{what} has {found} values, the trigger has {expected}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its values.
        found: usize,
        /// Values of the start.
        expected: usize,
    },
    /// Loss or trigger became NaN or infinite.
    #[error("the trigger is not finite after {updates} updates; lower the learning rate")]
    NotFinite {
        /// Updates made until then.
        updates: usize,
    },
}

/// Equation 8 (`images` = the query alone) or equation 2 (`images` = a fixed batch): the trigger that leaves the
/// logits of the images as they are.
///
/// Minimises the mean squared difference of the logits of `x + tau` and `x` plus `1 / ||tau||_F^2` from `start`
/// with Adam. The trigger is not clamped. One update is one step of the budget; when it runs out, the trigger
/// reached so far is returned.
///
/// *Determinism*: as the model's gradients.
///
/// # Errors
///
/// [`TriggerError`].
pub fn optimise_trigger(
    model: &Model,
    images: &[Pixels],
    start: Pixels,
    search: &TriggerSearch<'_>,
    budget: &Budget,
) -> Result<Trigger, TriggerError> {
    let expected = start.values().len();
    let shapes = images.iter().map(|image| ("image", image)).chain(search.mask.map(|mask| ("mask", mask)));
    for (what, pixels) in shapes {
        if pixels.values().len() != expected {
            return Err(TriggerError::Shape { what, found: pixels.values().len(), expected });
        }
    }
    if images.is_empty() {
        return Err(TriggerError::Shape { what: "image", found: 0, expected });
    }
    let clean = model.logits(images)?;
    let mut free = start;
    let mut adam = Adam::new(expected, search.learning_rate);
    let mut trace = Vec::new();
    let mut completion = Completion::Complete;
    let mut flat = Flatness { best: f32::INFINITY, updates: 0 };
    for _ in 0..search.steps {
        if let Some(reason) = budget.spend(1) {
            completion = reason;
            break;
        }
        let applied = masked(&free, search.mask);
        let (loss, mut gradient) = loss_and_gradient(model, images, &clean, &applied)?;
        if let Some(mask) = search.mask {
            gradient.iter_mut().zip(mask.values()).for_each(|(slope, mask)| *slope *= mask);
        }
        adam.update(free.values_mut(), &gradient);
        trace.push(loss);
        if !loss.is_finite() || !free.values().iter().all(|value| value.is_finite()) {
            return Err(TriggerError::NotFinite { updates: trace.len() });
        }
        if flat.lasts(loss, search.patience) {
            break;
        }
    }
    Ok(Trigger { pixels: masked(&free, search.mask), trace, completion })
}

fn masked(trigger: &Pixels, mask: Option<&Pixels>) -> Pixels {
    let mut applied = trigger.clone();
    if let Some(mask) = mask {
        applied.values_mut().iter_mut().zip(mask.values()).for_each(|(value, mask)| *value *= mask);
    }
    applied
}

/// How long the loss has not become smaller.
struct Flatness {
    best: f32,
    updates: usize,
}

impl Flatness {
    /// Whether `loss` makes it `patience` updates in a row without progress.
    fn lasts(&mut self, loss: f32, patience: usize) -> bool {
        if loss < self.best * (1.0 - FLAT_GAIN) {
            *self = Self { best: loss, updates: 0 };
        } else {
            self.updates += 1;
        }
        patience > 0 && self.updates >= patience
    }
}

/// The loss at `trigger` and its gradient.
pub(crate) fn loss_and_gradient(
    model: &Model,
    images: &[Pixels],
    clean: &FeatureRows,
    trigger: &Pixels,
) -> Result<(f32, Vec<f32>), TriggerError> {
    let mut batch = images.to_vec();
    for image in &mut batch {
        image.values_mut().iter_mut().zip(trigger.values()).for_each(|(value, trigger)| *value += trigger);
    }
    let mut difference = 0.0;
    let share = 1.0 / clean.values().len() as f32;
    let (_, gradients) = model.pullback(&batch, &mut |logits| {
        let moved: Vec<f32> =
            logits.values().iter().zip(clean.values()).map(|(now, then)| now - then).collect();
        difference = moved.iter().map(|d| f64::from(d * d)).sum::<f64>() * f64::from(share);
        moved.into_iter().map(|d| 2.0 * share * d).collect()
    })?;
    let square: f64 = trigger.values().iter().map(|v| f64::from(v * v)).sum();
    // d/dtau of 1 / ||tau||^2 is -2 tau / ||tau||^4.
    let pull = (-2.0 / (square * square)) as f32;
    let mut gradient: Vec<f32> = trigger.values().iter().map(|value| pull * value).collect();
    for of_image in &gradients {
        gradient.iter_mut().zip(of_image.values()).for_each(|(sum, slope)| *sum += slope);
    }
    Ok(((difference + 1.0 / square) as f32, gradient))
}

#[cfg(test)]
mod tests;
