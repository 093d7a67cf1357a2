use lookalike_vision::{Model, Pixels};

use super::TriggerError;

/// Images that one trigger is fitted to.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) images: &'a [Pixels],
    /// Their logits without a trigger, row by row.
    pub(super) clean: &'a [f32],
    /// As it is laid over them, in their shape and not zero everywhere.
    pub(super) trigger: &'a Pixels,
}

/// The loss of equations 2 and 8 for each group, `MSE(f(x + tau), f(x)) + 1 / ||tau||_F^2` with the mean over images
/// and classes, and its gradient with respect to the group's trigger. All images go through the network together.
pub(super) fn losses_and_gradients(
    model: &Model,
    groups: &[Group<'_>],
) -> Result<Vec<(f32, Vec<f32>)>, TriggerError> {
    let batch: Vec<Pixels> = groups
        .iter()
        .flat_map(|group| group.images.iter().map(|image| added(image, group.trigger)))
        .collect();
    let mut differences = Vec::with_capacity(groups.len());
    let (_, gradients) = model.pullback(&batch, &mut |logits| {
        let mut cotangent = Vec::with_capacity(logits.values().len());
        let mut logits = logits.values().iter();
        for group in groups {
            let share = 1.0 / group.clean.len() as f32;
            let mut difference = 0.0;
            for (then, now) in group.clean.iter().zip(logits.by_ref()) {
                let moved = now - then;
                difference += f64::from(moved * moved);
                cotangent.push(2.0 * share * moved);
            }
            differences.push(difference * f64::from(share));
        }
        cotangent
    })?;
    let mut gradients = gradients.iter();
    let found = groups.iter().zip(differences).map(|(group, difference)| {
        let square: f64 = group.trigger.values().iter().map(|v| f64::from(v * v)).sum();
        // d/dtau of 1 / ||tau||^2 is -2 tau / ||tau||^4.
        let pull = (-2.0 / (square * square)) as f32;
        let mut gradient: Vec<f32> = group.trigger.values().iter().map(|value| pull * value).collect();
        for of_image in gradients.by_ref().take(group.images.len()) {
            gradient.iter_mut().zip(of_image.values()).for_each(|(sum, slope)| *sum += slope);
        }
        ((difference + 1.0 / square) as f32, gradient)
    });
    Ok(found.collect())
}

/// [`losses_and_gradients`] of one trigger.
pub(crate) fn loss_and_gradient(
    model: &Model,
    images: &[Pixels],
    clean: &[f32],
    trigger: &Pixels,
) -> Result<(f32, Vec<f32>), TriggerError> {
    let mut found = losses_and_gradients(model, &[Group { images, clean, trigger }])?;
    found.pop().ok_or(TriggerError::NoImage)
}

fn added(image: &Pixels, trigger: &Pixels) -> Pixels {
    let mut sum = image.clone();
    sum.values_mut().iter_mut().zip(trigger.values()).for_each(|(value, trigger)| *value += trigger);
    sum
}
