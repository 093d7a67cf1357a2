use plugin_api::CancelFlag;

use super::*;
use crate::{patch_mask, tiny};

fn search() -> TriggerSearch<'static> {
    TriggerSearch { steps: 30, learning_rate: 0.015, patience: 0, mask: None }
}

fn find(search: &TriggerSearch<'_>, budget: &Budget) -> Trigger {
    let model = tiny::model();
    let query = model.prepare(&tiny::image(1));
    optimise_trigger(&model, &[query], tiny::pixels(2), search, budget).unwrap()
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    let model = tiny::model();
    let images = [1, 2].map(|seed| model.prepare(&tiny::image(seed)));
    let clean = model.logits(&images).unwrap();
    // A small trigger, so that both parts of the loss weigh in the gradient.
    let mut trigger = tiny::pixels(3);
    trigger.values_mut().iter_mut().for_each(|value| *value = 0.3 * *value - 0.1);
    let (_, gradient) = loss_and_gradient(&model, &images, &clean, &trigger).unwrap();
    let step = 1e-3;
    let mut differences = Vec::new();
    for i in 0..gradient.len() {
        let loss = |by: f32| {
            let mut shifted = trigger.clone();
            shifted.values_mut()[i] += by;
            loss_and_gradient(&model, &images, &clean, &shifted).unwrap().0
        };
        differences.push((loss(step) - loss(-step)) / (2.0 * step));
    }
    // Held against the length of the gradient: single differences are coarse in f32 and at the network's kinks.
    let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    let apart = length(&mut gradient.iter().zip(&differences).map(|(a, b)| a - b));
    let whole = length(&mut differences.iter().copied());
    assert!(apart < 0.02 * whole, "{apart} of {whole}");
}

#[test]
fn the_loss_falls() {
    let found = find(&search(), &Budget::unlimited());
    assert_eq!((found.trace.len(), found.completion), (30, Completion::Complete));
    assert!(found.trace[29] < found.trace[0], "{:?}", found.trace);
}

#[test]
fn equal_starts_give_equal_triggers() {
    assert_eq!(find(&search(), &Budget::unlimited()), find(&search(), &Budget::unlimited()));
}

#[test]
fn a_flat_loss_ends_the_search_when_patience_is_asked_for() {
    let slow = TriggerSearch { learning_rate: 1e-6, patience: 3, ..search() };
    let found = find(&slow, &Budget::unlimited());
    // The first loss is progress over nothing, then three updates are not.
    assert_eq!((found.trace.len(), found.completion), (4, Completion::Complete));
}

#[test]
fn a_mask_keeps_the_rest_at_zero() {
    let mask = patch_mask(&tiny::pixels(0));
    let found = find(&TriggerSearch { mask: Some(&mask), ..search() }, &Budget::unlimited());
    let mut inside = 0;
    for (value, mask) in found.pixels.values().iter().zip(mask.values()) {
        assert!(*mask > 0.0 || *value == 0.0);
        inside += usize::from(*value != 0.0);
    }
    assert_eq!(inside, 9);
}

#[test]
fn a_budget_that_runs_out_leaves_the_trigger_reached_so_far() {
    let found = find(&search(), &Budget::unlimited().with_step_limit(5));
    assert_eq!((found.trace.len(), found.completion), (5, Completion::StepLimit));
    let cancel = CancelFlag::default();
    cancel.cancel();
    let found = find(&search(), &Budget::unlimited().with_cancel(cancel));
    assert_eq!((found.trace.len(), found.completion), (0, Completion::Cancelled));
    assert_eq!(found.pixels, tiny::pixels(2));
}

#[test]
fn images_of_another_shape_are_refused() {
    let model = tiny::model();
    let small = Pixels::new(1, 2, 2, vec![0.0; 4]).unwrap();
    let error =
        optimise_trigger(&model, &[small], tiny::pixels(2), &search(), &Budget::unlimited()).unwrap_err();
    assert_eq!(error.to_string(), "image has 4 values, the trigger has 64");
}
