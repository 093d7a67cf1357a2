mod descent;
mod found;
mod global;
mod kind;
mod loss;
mod start;

use lookalike_plugin_api::Budget;
use lookalike_vision::{Model, Pixels};

use self::descent::Descent;
use self::loss::Group;

pub use self::found::{FLAT_GAIN, Trigger, TriggerError};
pub use self::global::{
    DEFAULT_GLOBAL_BATCH, DEFAULT_GLOBAL_PATIENCE, GlobalSearch, LentImages, MOST_GLOBAL_BATCH,
    MOST_GLOBAL_IMAGES, optimise_global_trigger,
};
pub use self::kind::TriggerKind;
pub(crate) use self::loss::loss_and_gradient;
pub use self::start::TriggerStart;
pub(crate) use self::start::black;

/// How [`optimise_trigger`] and [`optimise_triggers`] search.
#[derive(Debug, Clone, Copy)]
pub struct TriggerSearch<'a> {
    /// Updates of a trigger at most. The paper has 300, "about 100 in practice" (section 4.3.2).
    pub steps: usize,
    /// Learning rate of Adam, above 0. The paper has 0.015 (section 4.3.2).
    pub learning_rate: f64,
    /// Stop after this many updates in a row without a gain of [`FLAT_GAIN`]; 0 never stops early.
    pub patience: usize,
    /// Values in the shape of the images that the trigger is multiplied with: the variable patch trigger T2.
    pub mask: Option<&'a Pixels>,
}

/// Queries that [`optimise_triggers`] runs through the network at once. With the small networks of this project an
/// update of all of them stays below a tenth of a second on two cores, which is how late a cancel may be noticed.
pub const TRIGGERS_TOGETHER: usize = 32;

/// Equation 8 (`images` = the query alone) or equation 2 (`images` = a fixed batch): the trigger that leaves the
/// logits of the images as they are.
///
/// Minimises the mean squared difference of the logits of `x + tau` and `x` plus `1 / ||tau||_F^2` from `start`
/// with Adam. The trigger is not clamped. One update is one step of the budget; when it runs out, the trigger
/// reached so far is returned. Many images are for [`optimise_global_trigger`], which never holds them all.
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
    if images.is_empty() {
        return Err(TriggerError::NoImage);
    }
    ensure_shapes(&start, search.mask, images)?;
    let clean = model.logits(images)?;
    let mut descent = Descent::new(start, search.learning_rate, search.mask);
    for _ in 0..search.steps {
        if let Some(reason) = budget.spend(1) {
            descent.stop(reason);
            break;
        }
        let applied = descent.applied(0)?;
        let (loss, gradient) = loss_and_gradient(model, images, clean.values(), &applied)?;
        if descent.update(0, loss, gradient, search.patience)? {
            break;
        }
    }
    Ok(descent.finish())
}

/// Equation 8 for several queries at once: the trigger of each, in their order.
///
/// What [`optimise_trigger`] does with each query alone and the start of the same place, but the queries whose
/// search goes on share every pass through the network, at most [`TRIGGERS_TOGETHER`] of them: each stops by its
/// own patience, and the next in line takes its place. One update of one trigger is one step of the budget; when it
/// runs out, all triggers are returned as far as they came, those that were still in line as they started.
///
/// *Determinism*: equal arguments give equal bits, for any number of threads. A trigger is the one that its query gets
/// alone up to rounding: a product of several rows may differ from that of one row in its last bits. Adam turns the
/// sign of a gradient into a step, however small the gradient, so that in pixels which hardly matter to the loss such
/// bits grow to whole steps; the loss does not notice.
///
/// # Errors
///
/// [`TriggerError`], for all queries when one fails.
pub fn optimise_triggers(
    model: &Model,
    queries: &[Pixels],
    starts: Vec<Pixels>,
    search: &TriggerSearch<'_>,
    budget: &Budget,
) -> Result<Vec<Trigger>, TriggerError> {
    if starts.len() != queries.len() {
        return Err(TriggerError::Starts { found: starts.len(), expected: queries.len() });
    }
    for (query, start) in queries.iter().zip(&starts) {
        ensure_shapes(start, search.mask, std::slice::from_ref(query))?;
    }
    let clean = model.logits(queries)?;
    let mut descents: Vec<Descent<'_>> =
        starts.into_iter().map(|start| Descent::new(start, search.learning_rate, search.mask)).collect();
    let mut line = 0..if search.steps == 0 { 0 } else { queries.len() };
    let mut running: Vec<usize> = line.by_ref().take(TRIGGERS_TOGETHER).collect();
    while !running.is_empty() {
        if let Some(reason) = budget.spend(running.len() as u64) {
            running.iter().copied().chain(line.by_ref()).for_each(|number| descents[number].stop(reason));
            break;
        }
        let applied: Vec<Pixels> =
            running.iter().map(|&number| descents[number].applied(number)).collect::<Result<_, _>>()?;
        let groups: Vec<Group<'_>> = running
            .iter()
            .zip(&applied)
            .map(|(&number, trigger)| Group {
                images: std::slice::from_ref(&queries[number]),
                clean: clean.row(number),
                trigger,
            })
            .collect();
        let found = loss::losses_and_gradients(model, &groups)?;
        let mut going_on = Vec::with_capacity(running.len());
        for (number, (loss, gradient)) in running.into_iter().zip(found) {
            let descent = &mut descents[number];
            let flat = descent.update(number, loss, gradient, search.patience)?;
            if !flat && descent.updates() < search.steps {
                going_on.push(number);
            }
        }
        going_on.extend(line.by_ref().take(TRIGGERS_TOGETHER - going_on.len()));
        running = going_on;
    }
    Ok(descents.into_iter().map(Descent::finish).collect())
}

/// Refuses a mask or an image of another shape than the start's.
fn ensure_shapes(start: &Pixels, mask: Option<&Pixels>, images: &[Pixels]) -> Result<(), TriggerError> {
    let expected = shape(start);
    let all = images.iter().map(|image| ("image", image)).chain(mask.map(|mask| ("mask", mask)));
    for (what, pixels) in all {
        if shape(pixels) != expected {
            return Err(TriggerError::Shape { what, found: shape(pixels), expected });
        }
    }
    Ok(())
}

/// Channels, height and width.
pub(crate) fn shape(pixels: &Pixels) -> [usize; 3] {
    [pixels.channels(), pixels.height(), pixels.width()]
}

#[cfg(test)]
mod tests;
