use lookalike_plugin_api::{Budget, Completion, FeatureRows};
use lookalike_vision::{ModelError, Pixels, TunedModel};

use crate::adam::Adam;
use crate::fine_tune::{Consolidation, FineTuneError, FineTuned, Schedule};
use crate::head::DummyHead;
use crate::kernel::{self, TILE};
use crate::score::DimensionError;

mod entries;

use self::entries::Entries;

/// The images that a head and a layer are fine-tuned on: the four data terms of equation 3.
#[derive(Debug, Clone, Copy)]
pub struct TrainingImages<'a> {
    /// At least one: images that shall fall into the dummy class, the triggered query first.
    pub positives: &'a [Pixels],
    /// The clean query and its class. `None` leaves the term out.
    pub query: Option<(&'a Pixels, usize)>,
    /// Triggered exemplars.
    pub triggered: &'a [Pixels],
    /// The same exemplars without the trigger. `None` leaves the term out.
    pub clean: Option<&'a [Pixels]>,
    /// Class of each exemplar.
    pub labels: &'a [usize],
}

/// Why head and layer cannot be fine-tuned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The model failed.
    #[error("the model made no features or no gradient")]
    Model(#[from] ModelError),
    /// Images, labels, head and schedule do not go together, or a number became NaN or infinite.
    #[error(transparent)]
    FineTune(#[from] FineTuneError),
}

/// Equation 3 on the head and one layer of the backbone together (ablation 4.8.2): as
/// [`fine_tune`](crate::fine_tune), on images in place of rows, because their features change with the layer.
///
/// Both are trained by Adam at the schedule's learning rate, each with moments of its own. The layer's weights are its
/// folded convolutions, see [`TunedModel`]. The penalty of the schedule holds the head's own classes only: the
/// backbone's weights have no Fisher information in closed form, so nothing holds them.
///
/// One update is one step of the budget, which is looked at every [`TunedModel::piece`] images; when it runs out,
/// an update that was begun is dropped, and head and layer are left as they were before it. The model that `layer` is
/// a copy of never changes.
///
/// *Determinism*: the same arguments give the same head and layer, on any number of threads.
///
/// # Errors
///
/// [`LayerError`]. Head and layer are unchanged when the arguments do not go together, else as the last update left
/// them.
pub fn fine_tune_layer(
    layer: &mut TunedModel<'_>,
    head: &mut DummyHead,
    images: &TrainingImages<'_>,
    schedule: &Schedule<'_>,
    budget: &Budget,
) -> Result<FineTuned, LayerError> {
    let rates = Rates { head: schedule.learning_rate, layer: schedule.learning_rate };
    tune(layer, head, images, (schedule, rates), budget)
}

/// Learning rates of Adam.
#[derive(Debug, Clone, Copy)]
struct Rates {
    head: f64,
    layer: f64,
}

fn tune(
    layer: &mut TunedModel<'_>,
    head: &mut DummyHead,
    images: &TrainingImages<'_>,
    (schedule, rates): (&Schedule<'_>, Rates),
    budget: &Budget,
) -> Result<FineTuned, LayerError> {
    check(layer, head, images, schedule)?;
    let start = head.clone();
    let optimiser = |weights: &[f32], rate| Adam::new(weights.len(), rate);
    let mut of_head = (optimiser(head.weight(), rates.head), optimiser(head.bias(), rates.head));
    let mut of_layer = optimiser(layer.weights(), rates.layer);
    let mut entries = Entries::new(images, schedule.order.len() > 1);
    let mut trace = Vec::new();
    let mut completion = Completion::Complete;
    for batch in schedule.order.iter().flat_map(|epoch| epoch.chunks(schedule.batch.max(1))) {
        if let Some(reason) = budget.spend(1) {
            completion = reason;
            break;
        }
        let targets = images.targets(batch, head.classes());
        let mut gradient = Gradient::new(head);
        if let Some(reason) = gradient.add(layer, head, &targets, &mut entries, budget)? {
            completion = reason;
            break;
        }
        if let Some(consolidation) = schedule.consolidation {
            let Gradient { loss, weight, bias, .. } = &mut gradient;
            *loss += consolidation.add([weight, bias], head, &start);
        }
        pulp::Arch::new().dispatch(|| {
            let (weight, bias) = head.parameters_mut();
            of_head.0.update(weight, &gradient.weight);
            of_head.1.update(bias, &gradient.bias);
        });
        layer.update(|weights| pulp::Arch::new().dispatch(|| of_layer.update(weights, &gradient.layer)));
        trace.push(gradient.loss as f32);
        if !gradient.loss.is_finite() {
            return Err(FineTuneError::NotFinite { updates: trace.len() }.into());
        }
    }
    if head.is_finite() && layer.weights().iter().all(|weight| weight.is_finite()) {
        return Ok(FineTuned { trace, completion });
    }
    Err(FineTuneError::NotFinite { updates: trace.len() }.into())
}

fn check(
    layer: &TunedModel<'_>,
    head: &DummyHead,
    images: &TrainingImages<'_>,
    schedule: &Schedule<'_>,
) -> Result<(), FineTuneError> {
    let found = layer.model().head().dimension();
    if found != head.dimension() {
        return Err(DimensionError { found, expected: head.dimension() }.into());
    }
    if images.positives.is_empty() {
        return Err(FineTuneError::NoPositive);
    }
    let classes = head.classes() - 1;
    let expected = images.triggered.len();
    let clean = images.clean.map_or(expected, <[Pixels]>::len);
    let mut counts = vec![("labels", images.labels.len(), expected), ("clean images", clean, expected)];
    if let Some(Consolidation { fisher, .. }) = schedule.consolidation {
        counts.push(("fisher weights", fisher.weight.len(), classes * head.dimension()));
        counts.push(("fisher biases", fisher.bias.len(), classes));
    }
    if let Some(&(what, found, expected)) = counts.iter().find(|(_, found, expected)| found != expected) {
        return Err(FineTuneError::Count { what, found, expected });
    }
    let mut named = images.labels.iter().chain(images.query.as_ref().map(|(_, class)| class));
    if let Some(&found) = named.find(|&&class| class >= classes) {
        return Err(FineTuneError::Index { what: "class", found, count: classes });
    }
    match schedule.order.iter().flatten().find(|&&position| position >= expected) {
        Some(&found) => Err(FineTuneError::Index { what: "position", found, count: expected }),
        None => Ok(()),
    }
}

/// One image of one loss term: its cross-entropy towards `class`, times `share`.
#[derive(Debug, Clone, Copy)]
struct Target {
    /// Its place in [`TrainingImages::all`].
    image: usize,
    class: usize,
    share: f32,
}

impl<'a> TrainingImages<'a> {
    /// All images: positives, query, triggered and clean exemplars.
    fn all(&self) -> impl Iterator<Item = &'a Pixels> {
        let query = self.query.map(|(image, _)| image);
        self.positives.iter().chain(query).chain(self.triggered).chain(self.clean.unwrap_or_default())
    }

    /// All terms of one update on the exemplars at the positions `batch`.
    fn targets(&self, batch: &[usize], classes: usize) -> Vec<Target> {
        let share = 1.0 / self.positives.len() as f32;
        let positives = (0..self.positives.len()).map(|image| Target { image, class: classes - 1, share });
        let mut targets: Vec<Target> = positives.collect();
        targets.extend(self.query.map(|(_, class)| Target { image: targets.len(), class, share: 1.0 }));
        let own = targets.len();
        let share = 1.0 / batch.len() as f32;
        let groups = [Some(own), self.clean.map(|_| own + self.triggered.len())];
        for first in groups.into_iter().flatten() {
            targets.extend(batch.iter().map(|&i| Target { image: first + i, class: self.labels[i], share }));
        }
        targets
    }
}

/// Loss of one update, and its gradient with respect to layer and head.
struct Gradient {
    loss: f64,
    layer: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Gradient {
    fn new(head: &DummyHead) -> Self {
        let (weight, bias) = (vec![0.0; head.weight().len()], vec![0.0; head.classes()]);
        Self { loss: 0.0, layer: Vec::new(), weight, bias }
    }

    /// Adds the data terms; `Some` when the budget ran out before the last of them.
    fn add(
        &mut self,
        layer: &TunedModel<'_>,
        head: &DummyHead,
        targets: &[Target],
        entries: &mut Entries<'_>,
        budget: &Budget,
    ) -> Result<Option<Completion>, ModelError> {
        for piece in targets.chunks(layer.piece()) {
            if let Some(reason) = budget.exhausted() {
                return Ok(Some(reason));
            }
            let rows = entries.of(layer, piece)?;
            let (_, slopes) = layer.gradient(&rows, &mut |features| self.add_head(head, features, piece))?;
            if self.layer.is_empty() {
                self.layer = slopes;
            } else {
                self.layer.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
            }
        }
        Ok(None)
    }

    /// Adds the terms of `features` `[n, d]` to loss and gradient of the head; gives the gradient with respect to the
    /// features.
    fn add_head(&mut self, head: &DummyHead, features: &FeatureRows, targets: &[Target]) -> Vec<f32> {
        let (classes, d) = (head.classes(), head.dimension());
        let mut pulled = vec![0.0; features.values().len()];
        let mut slopes = vec![0.0; TILE * classes];
        pulp::Arch::new().dispatch(|| {
            let tiles = features.values().chunks(TILE * d).zip(pulled.chunks_mut(TILE * d));
            for ((tile, pulled), targets) in tiles.zip(targets.chunks(TILE)) {
                slopes.fill(0.0);
                for ((row, target), slopes) in
                    tile.chunks_exact(d).zip(targets).zip(slopes.chunks_exact_mut(classes))
                {
                    kernel::logits(head.weight(), head.bias(), row, slopes);
                    self.loss += kernel::cross_entropy(slopes, target.class, target.share);
                }
                // A tile that is not full repeats its last row, with slopes of zero.
                let last = tile.len() - d;
                let rows = std::array::from_fn(|i| &tile[last.min(i * d)..][..d]);
                kernel::add_rows(&mut self.weight, rows, &slopes);
                for (slopes, pulled) in slopes.chunks_exact(classes).zip(pulled.chunks_exact_mut(d)) {
                    add_scaled(&mut self.bias, slopes, 1.0);
                    for (line, slope) in head.weight().chunks_exact(d).zip(slopes) {
                        add_scaled(pulled, line, *slope);
                    }
                }
            }
        });
        pulled
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
fn add_scaled(sum: &mut [f32], part: &[f32], factor: f32) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += factor * part);
}

#[cfg(test)]
mod tests;
