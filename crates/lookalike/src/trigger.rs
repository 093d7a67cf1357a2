//! A trigger that many searches share, fitted to images of a collection.

use std::collections::BinaryHeap;

use lookalike_engine::{Collection, decode};
use lookalike_plugin_api::{Budget, ExemplarId};
use lookalike_store::ReadError;
use lookalike_tmm::{
    DEFAULT_GLOBAL_BATCH, DEFAULT_GLOBAL_PATIENCE, GlobalSearch, LentImages, StoredTrigger, TriggerKind,
    TriggerStart, optimise_global_trigger, patch_mask,
};
use lookalike_vision::{Model, Pixels};
use thiserror::Error as ThisError;

use crate::error::Error;

/// Records in a page of the collection's list.
const PAGE: usize = 1000;

/// How a trigger is fitted to a collection (equation 2 of the method, over a sample of its images).
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalFit {
    /// [`TriggerKind::Global`], all pixels; or [`TriggerKind::VariablePatch`], a corner of 3 x 3.
    pub kind: TriggerKind,
    /// Images that are drawn from the collection for it; fewer where it has fewer.
    pub images: u64,
    /// Updates at most. Fitting ends earlier when the loss is flat.
    pub steps: u32,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Seed of the start, the sample and the order.
    pub seed: u64,
}

impl Default for GlobalFit {
    /// A global trigger on 1,024 images, with at most 300 updates at 0.015: what the paper has for one query
    /// (section 4.3.2).
    fn default() -> Self {
        Self { kind: TriggerKind::Global, images: 1024, steps: 300, learning_rate: 0.015, seed: 0 }
    }
}

impl GlobalFit {
    /// As the triggers were fitted that rankings were evaluated with: 256 images and 100 updates, by when the loss is
    /// flat.
    pub fn evaluated(seed: u64) -> Self {
        Self { images: 256, steps: 100, seed, ..Self::default() }
    }
}

/// What [`fit_trigger`] found.
#[derive(Debug, Clone)]
pub struct FittedTrigger {
    /// The trigger.
    pub trigger: StoredTrigger,
    /// Images that it was fitted to.
    pub images: u64,
    /// The loss before the first update; `None` when none was made.
    pub first_loss: Option<f32>,
    /// Whether the loss was flat before the last update.
    pub stopped_early: bool,
}

/// Fits a trigger to a sample of the collection's images. Equal keys, images and settings give an equal trigger, in
/// whatever order the images were stored. `progress` is called with the updates made, and how many there are at most.
///
/// # Errors
///
/// [`Error::NothingToFit`] when the collection is empty; [`Error::Fit`] when an image cannot be read, or a number became
/// infinite.
pub fn fit_trigger(
    model: &Model,
    collection: &Collection,
    fit: &GlobalFit,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<FittedTrigger, Error> {
    let sample = sampled(collection, fit.images, fit.seed)?;
    if sample.is_empty() {
        return Err(Error::NothingToFit { collection: collection.name().to_owned() });
    }
    let start = TriggerStart::Uniform.pixels(model, fit.seed)?;
    let mask = (fit.kind == TriggerKind::VariablePatch).then(|| patch_mask(&start));
    let search = GlobalSearch {
        steps: fit.steps as usize,
        learning_rate: fit.learning_rate,
        batch: DEFAULT_GLOBAL_BATCH,
        patience: DEFAULT_GLOBAL_PATIENCE,
        seed: fit.seed,
        mask: mask.as_ref(),
    };
    let mut updates = 0;
    let mut lend = |numbers: &[usize]| -> LentImages {
        progress(updates, u64::from(fit.steps));
        updates += 1;
        let lent = numbers.iter().map(|&number| prepared(collection, model, sample[number]));
        lent.collect()
    };
    let found =
        optimise_global_trigger(model, sample.len(), &mut lend, start, &search, &Budget::unlimited())?;
    Ok(FittedTrigger {
        images: sample.len() as u64,
        first_loss: found.trace.first().copied(),
        stopped_early: found.trace.len() < search.steps,
        trigger: StoredTrigger::found(&found, fit.kind, model, fit.seed)?,
    })
}

/// An exemplar was deleted after it was drawn.
#[derive(Debug, ThisError)]
#[error("an exemplar was deleted meanwhile; fit the trigger again")]
struct Deleted;

/// An exemplar as the network's input.
fn prepared(
    collection: &Collection,
    model: &Model,
    id: ExemplarId,
) -> Result<Pixels, Box<dyn std::error::Error + Send + Sync>> {
    let encoded = collection.image(id)?.ok_or(Deleted)?;
    Ok(model.prepare(&decode(&encoded)?.image))
}

/// At most `size` exemplars, the same for equal keys and seed, in whatever order they were stored.
fn sampled(collection: &Collection, size: u64, seed: u64) -> Result<Vec<ExemplarId>, ReadError> {
    let mut drawn: BinaryHeap<([u8; 32], ExemplarId)> = BinaryHeap::new();
    let mut after: Option<String> = None;
    loop {
        let page = collection.list(after.as_deref(), PAGE)?;
        for record in page.entries {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(record.key.as_bytes());
            drawn.push((*hasher.finalize().as_bytes(), record.id));
            if drawn.len() as u64 > size {
                drawn.pop();
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(drawn.into_sorted_vec().into_iter().map(|(_, id)| id).collect());
        }
    }
}
