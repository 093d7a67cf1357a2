use std::error::Error;

use lookalike_plugin_api::Budget;
use lookalike_vision::{Model, Pixels};

use super::descent::{Descent, Flatness};
use super::{Trigger, TriggerError, ensure_shapes, loss_and_gradient};
use crate::random::{Stream, seeded};

/// Images in one update unless said otherwise: those of the reference's run of equation 2.
pub const DEFAULT_GLOBAL_BATCH: usize = 32;
/// Largest number of images in one update.
pub const MOST_GLOBAL_BATCH: usize = 1024;
/// Epochs without progress after which the search ends, unless said otherwise; this project's choice.
pub const DEFAULT_GLOBAL_PATIENCE: usize = 3;
/// Largest number of images that one trigger is fitted to.
pub const MOST_GLOBAL_IMAGES: usize = 1 << 20;

/// What a lender of images gives: as many as it was asked for, as the network's input, or why it cannot.
pub type LentImages = Result<Vec<Pixels>, Box<dyn Error + Send + Sync>>;

/// How [`optimise_global_trigger`] searches.
#[derive(Debug, Clone, Copy)]
pub struct GlobalSearch<'a> {
    /// Updates at most. The paper has 300 for one query (section 4.3.2) and gives no number for many images.
    pub steps: usize,
    /// Learning rate of Adam, above 0. The paper has 0.015 (section 4.3.2).
    pub learning_rate: f64,
    /// Images in one update, 1..=[`MOST_GLOBAL_BATCH`]; see [`DEFAULT_GLOBAL_BATCH`].
    pub batch: usize,
    /// Stop after this many epochs in a row without a gain of [`FLAT_GAIN`](crate::FLAT_GAIN) in their mean loss; 0
    /// never stops early. See [`DEFAULT_GLOBAL_PATIENCE`].
    pub patience: usize,
    /// Seed of the batches.
    pub seed: u64,
    /// As [`TriggerSearch::mask`](crate::TriggerSearch::mask).
    pub mask: Option<&'a Pixels>,
}

/// Equation 2 over any number of images: one trigger that leaves the logits of all as they are, by seeded batches.
///
/// `lend` gives the images of the listed numbers, ascending and below `images` (1..=[`MOST_GLOBAL_IMAGES`]), as the
/// network's input; each is asked for once an epoch, and no more than a batch is held. An epoch is one pass over all
/// images in an order of its own; what is left of it when no whole batch fits is a smaller batch. With no more images
/// than a batch takes, this is [`optimise_trigger`](crate::optimise_trigger), to the bit.
///
/// One update is one step of the budget; when it runs out, the trigger reached so far is returned.
///
/// *Determinism*: equal images, numbers and settings give equal bits, for any number of threads.
///
/// # Errors
///
/// [`TriggerError`].
pub fn optimise_global_trigger(
    model: &Model,
    images: usize,
    lend: &mut dyn FnMut(&[usize]) -> LentImages,
    start: Pixels,
    search: &GlobalSearch<'_>,
    budget: &Budget,
) -> Result<Trigger, TriggerError> {
    for (what, found, most) in
        [("the batch", search.batch, MOST_GLOBAL_BATCH), ("the number of images", images, MOST_GLOBAL_IMAGES)]
    {
        if found == 0 || found > most {
            return Err(TriggerError::Setting { what, found, most });
        }
    }
    ensure_shapes(&start, search.mask, &[])?;
    let shape_of = start.clone();
    let mut descent = Descent::new(start, search.learning_rate, search.mask);
    let mut random = seeded(search.seed, Stream::Order);
    let mut flat = Flatness::default();
    // Kept where one batch is all there is.
    let mut lent = None;
    while descent.updates() < search.steps {
        let order = random.permutation(images);
        let mut sum = 0.0;
        let mut seen = 0;
        for numbers in order.chunks(search.batch) {
            if descent.updates() == search.steps {
                return Ok(descent.finish());
            }
            if let Some(reason) = budget.spend(1) {
                descent.stop(reason);
                return Ok(descent.finish());
            }
            let (batch, clean) = if let Some(kept) = lent.take() {
                kept
            } else {
                let batch = borrowed(numbers, lend)?;
                ensure_shapes(&shape_of, None, &batch)?;
                let clean = model.logits(&batch)?;
                (batch, clean)
            };
            let applied = descent.applied(0)?;
            let (loss, gradient) = loss_and_gradient(model, &batch, clean.values(), &applied)?;
            descent.step(0, loss, gradient)?;
            sum += f64::from(loss) * batch.len() as f64;
            seen += batch.len();
            if seen == images && images <= search.batch {
                lent = Some((batch, clean));
            }
        }
        if flat.lasts((sum / images as f64) as f32, search.patience) {
            break;
        }
    }
    Ok(descent.finish())
}

/// The images of these numbers, asked for in ascending order.
fn borrowed(
    numbers: &[usize],
    lend: &mut dyn FnMut(&[usize]) -> LentImages,
) -> Result<Vec<Pixels>, TriggerError> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let batch = lend(&numbers).map_err(TriggerError::Images)?;
    if batch.len() != numbers.len() {
        return Err(TriggerError::Lent { found: batch.len(), expected: numbers.len() });
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use lookalike_plugin_api::Completion;

    use super::*;
    use crate::tiny;
    use crate::trigger::{TriggerSearch, optimise_trigger};

    fn images(count: u64) -> Vec<Pixels> {
        let model = tiny::model();
        (0..count).map(|seed| model.prepare(&tiny::image(seed))).collect()
    }

    fn search() -> GlobalSearch<'static> {
        GlobalSearch { steps: 30, learning_rate: 0.015, batch: 4, patience: 0, seed: 3, mask: None }
    }

    /// The trigger, and the numbers that were asked for, batch by batch.
    fn fit(
        images: &[Pixels],
        search: &GlobalSearch<'_>,
        budget: &Budget,
    ) -> Result<(Trigger, Vec<Vec<usize>>), TriggerError> {
        let mut asked = Vec::new();
        let mut lend = |numbers: &[usize]| {
            asked.push(numbers.to_vec());
            Ok(numbers.iter().map(|&number| images[number].clone()).collect())
        };
        let start = tiny::pixels(2);
        let found = optimise_global_trigger(&tiny::model(), images.len(), &mut lend, start, search, budget)?;
        Ok((found, asked))
    }

    #[test]
    fn every_epoch_sees_every_image_once_and_never_more_than_a_batch() {
        let (found, asked) = fit(&images(10), &search(), &Budget::unlimited()).unwrap();
        assert_eq!(found.trace.len(), 30);
        for epoch in asked.chunks(3) {
            assert_eq!(epoch.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
            let mut seen = epoch.concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(asked[0], asked[3]);
    }

    #[test]
    fn the_mean_loss_over_all_images_falls() {
        let images = images(10);
        let (found, _) = fit(&images, &search(), &Budget::unlimited()).unwrap();
        let model = tiny::model();
        let clean = model.logits(&images).unwrap();
        let loss = |trigger: &Pixels| loss_and_gradient(&model, &images, clean.values(), trigger).unwrap().0;
        assert!(loss(&found.pixels) < 0.8 * loss(&tiny::pixels(2)));
    }

    #[test]
    fn the_seed_decides_the_batches() {
        let images = images(10);
        let fitted = |seed| fit(&images, &GlobalSearch { seed, ..search() }, &Budget::unlimited()).unwrap();
        assert_eq!(fitted(1), fitted(1));
        assert_ne!(fitted(1).0.pixels, fitted(2).0.pixels);
    }

    #[test]
    fn images_that_fit_one_batch_are_asked_for_once_and_give_the_trigger_of_the_fixed_batch() {
        let images = images(5);
        let (found, asked) =
            fit(&images, &GlobalSearch { batch: 8, ..search() }, &Budget::unlimited()).unwrap();
        assert_eq!(asked, [[0, 1, 2, 3, 4]]);
        let same = TriggerSearch { steps: 30, learning_rate: 0.015, patience: 0, mask: None };
        let start = tiny::pixels(2);
        let at_once = optimise_trigger(&tiny::model(), &images, start, &same, &Budget::unlimited()).unwrap();
        assert_eq!(found, at_once);
    }

    #[test]
    fn flat_epochs_end_the_search() {
        let slow = GlobalSearch { learning_rate: 1e-7, patience: 2, steps: 100, ..search() };
        let (found, _) = fit(&images(10), &slow, &Budget::unlimited()).unwrap();
        // The first epoch is progress over nothing, then two are not; three updates each.
        assert_eq!((found.trace.len(), found.completion), (9, Completion::Complete));
    }

    #[test]
    fn a_budget_that_runs_out_leaves_the_trigger_reached_so_far() {
        let budget = Budget::unlimited().with_step_limit(5);
        let (found, _) = fit(&images(10), &search(), &budget).unwrap();
        assert_eq!((found.trace.len(), found.completion), (5, Completion::StepLimit));
    }

    #[test]
    fn settings_and_lenders_that_do_not_fit_are_refused() {
        let refused = |images: &[Pixels], search| fit(images, &search, &Budget::unlimited()).unwrap_err();
        assert_eq!(
            refused(&images(2), GlobalSearch { batch: 0, ..search() }).to_string(),
            "the batch is 0, 1 to 1024 are accepted"
        );
        assert_eq!(
            refused(&[], search()).to_string(),
            "the number of images is 0, 1 to 1048576 are accepted"
        );
        let other = Pixels::new(1, 2, 2, vec![0.5; 4]).unwrap();
        assert!(matches!(refused(&[other], search()), TriggerError::Shape { what: "image", .. }));
        let mut keeps_them = |_: &[usize]| Ok(Vec::new());
        let (model, start) = (tiny::model(), tiny::pixels(2));
        let error =
            optimise_global_trigger(&model, 2, &mut keeps_them, start, &search(), &Budget::unlimited());
        assert_eq!(error.unwrap_err().to_string(), "0 images came for the trigger, 2 were asked for");
    }
}
