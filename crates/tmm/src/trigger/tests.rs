use lookalike_plugin_api::{CancelFlag, Completion};

use super::loss::losses_and_gradients;
use super::*;
use crate::patch::patch_mask;
use crate::tiny;

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
    let (_, gradient) = loss_and_gradient(&model, &images, clean.values(), &trigger).unwrap();
    let error = relative_error(&gradient, &trigger, |shifted| {
        loss_and_gradient(&model, &images, clean.values(), shifted).unwrap().0
    });
    assert!(error < 0.02, "{error}");
}

/// Relative length of the difference between a gradient and central differences of the loss. Single differences are
/// coarse in `f32` and at the network's kinks.
fn relative_error(gradient: &[f32], trigger: &Pixels, loss: impl Fn(&Pixels) -> f32) -> f32 {
    let step = 1e-3;
    let along = |i: usize, by: f32| {
        let mut shifted = trigger.clone();
        shifted.values_mut()[i] += by;
        loss(&shifted)
    };
    let differences = (0..gradient.len()).map(|i| (along(i, step) - along(i, -step)) / (2.0 * step));
    let (mut apart, mut whole) = (0.0, 0.0);
    for (difference, slope) in differences.zip(gradient) {
        apart += (difference - slope).powi(2);
        whole += difference.powi(2);
    }
    (apart / whole).sqrt()
}

#[test]
fn the_gradients_of_triggers_together_agree_with_finite_differences() {
    let model = tiny::model();
    let images = [1, 2, 3].map(|seed| model.prepare(&tiny::image(seed)));
    let clean = model.logits(&images).unwrap();
    let mut triggers = [3, 4].map(tiny::pixels);
    for trigger in &mut triggers {
        trigger.values_mut().iter_mut().for_each(|value| *value = 0.3 * *value - 0.1);
    }
    let (images, logits) = ([&images[..1], &images[1..]], clean.values().split_at(clean.dimension()));
    let logits = [logits.0, logits.1];
    let group = |of: usize| Group { images: images[of], clean: logits[of], trigger: &triggers[of] };
    let groups = [group(0), group(1)];
    let found = losses_and_gradients(&model, &groups).unwrap();
    for (of, (_, gradient)) in found.iter().enumerate() {
        let error = relative_error(gradient, &triggers[of], |shifted| {
            loss_and_gradient(&model, images[of], logits[of], shifted).unwrap().0
        });
        assert!(error < 0.02, "group {of}: {error}");
    }
}

#[test]
fn the_first_update_under_a_mask_follows_the_gradient_inside_and_nothing_outside() {
    let model = tiny::model();
    let query = [model.prepare(&tiny::image(1))];
    let start = tiny::pixels(2);
    let mask = patch_mask(&start);
    let mut applied = start.clone();
    applied.values_mut().iter_mut().zip(mask.values()).for_each(|(value, mask)| *value *= mask);
    let clean = model.logits(&query).unwrap();
    let (_, gradient) = loss_and_gradient(&model, &query, clean.values(), &applied).unwrap();
    let error = relative_error(&gradient, &applied, |shifted| {
        loss_and_gradient(&model, &query, clean.values(), shifted).unwrap().0
    });
    assert!(error < 0.02, "{error}");
    let one = TriggerSearch { steps: 1, mask: Some(&mask), ..search() };
    let found = optimise_trigger(&model, &query, start, &one, &Budget::unlimited()).unwrap();
    for (at, (after, before)) in found.pixels.values().iter().zip(applied.values()).enumerate() {
        // Adam's first update is a full step against the gradient's sign.
        let step = if mask.values()[at] > 0.0 { -0.015 * gradient[at].signum() } else { 0.0 };
        assert!((after - before - step).abs() < 1e-5, "pixel {at}: {before} to {after}");
    }
}

/// More queries than go through the network at once, and their starts.
fn crowd() -> (Vec<Pixels>, Vec<Pixels>) {
    let model = tiny::model();
    let count = TRIGGERS_TOGETHER as u64 + 8;
    let queries = (0..count).map(|seed| model.prepare(&tiny::image(seed))).collect();
    (queries, (100..100 + count).map(tiny::pixels).collect())
}

fn find_together(search: &TriggerSearch<'_>, budget: &Budget) -> Vec<Trigger> {
    let (queries, starts) = crowd();
    optimise_triggers(&tiny::model(), &queries, starts, search, budget).unwrap()
}

fn find_one_by_one(search: &TriggerSearch<'_>) -> Vec<Trigger> {
    let (queries, starts) = crowd();
    let alone = |(query, start): (&Pixels, Pixels)| {
        let query = std::slice::from_ref(query);
        optimise_trigger(&tiny::model(), query, start, search, &Budget::unlimited()).unwrap()
    };
    queries.iter().zip(starts).map(alone).collect()
}

#[test]
fn triggers_found_together_are_those_found_alone() {
    let mask = patch_mask(&tiny::pixels(0));
    for mask in [None, Some(&mask)] {
        let search = TriggerSearch { mask, ..search() };
        let (together, alone) = (find_together(&search, &Budget::unlimited()), find_one_by_one(&search));
        assert_eq!(together.len(), alone.len());
        for (number, (together, alone)) in together.iter().zip(&alone).enumerate() {
            assert_eq!(together.completion, Completion::Complete);
            assert_eq!(together.trace.len(), 30);
            for (a, b) in together.trace.iter().zip(&alone.trace) {
                assert!((a - b).abs() <= 1e-3 * b.abs(), "query {number}: loss {a}, alone {b}");
            }
            let far = together.pixels.values().iter().zip(alone.pixels.values());
            let far = far.filter(|(a, b)| (*a - *b).abs() > 1e-3).count();
            // Pixels whose gradient is all rounding error may go another way.
            assert!(far <= 1, "query {number}: {far} of 64 pixels differ");
        }
    }
}

#[test]
fn triggers_found_together_are_the_same_whenever_they_are_looked_for() {
    assert_eq!(
        find_together(&search(), &Budget::unlimited()),
        find_together(&search(), &Budget::unlimited())
    );
}

#[test]
fn each_trigger_stops_by_its_own_patience() {
    let patient = TriggerSearch { steps: 200, patience: 2, ..search() };
    let (together, alone) = (find_together(&patient, &Budget::unlimited()), find_one_by_one(&patient));
    let lengths = |found: &[Trigger]| found.iter().map(|found| found.trace.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&together), lengths(&alone));
    let lengths = lengths(&together);
    assert!(lengths.iter().any(|length| *length != lengths[0]), "{lengths:?}");
    assert!(lengths.iter().all(|length| *length < 200), "{lengths:?}");
}

#[test]
fn a_budget_that_runs_out_leaves_every_trigger_as_far_as_it_came() {
    // Enough for three updates of the first, none of those in line.
    let budget = Budget::unlimited().with_step_limit(3 * TRIGGERS_TOGETHER as u64);
    let found = find_together(&search(), &budget);
    assert_eq!(found.len(), TRIGGERS_TOGETHER + 8);
    let (_, starts) = crowd();
    for (number, (found, start)) in found.iter().zip(starts).enumerate() {
        assert_eq!(found.completion, Completion::StepLimit);
        let updates = if number < TRIGGERS_TOGETHER { 3 } else { 0 };
        assert_eq!((found.trace.len(), found.pixels == start), (updates, updates == 0));
    }
}

#[test]
fn no_queries_have_no_triggers_and_no_updates_leave_the_starts() {
    let model = tiny::model();
    let found = optimise_triggers(&model, &[], Vec::new(), &search(), &Budget::unlimited()).unwrap();
    assert!(found.is_empty());
    let none = TriggerSearch { steps: 0, ..search() };
    for (found, start) in find_together(&none, &Budget::unlimited()).into_iter().zip(crowd().1) {
        assert_eq!(found, Trigger { pixels: start, trace: Vec::new(), completion: Completion::Complete });
    }
}

#[test]
fn queries_and_starts_that_do_not_fit_are_refused() {
    let model = tiny::model();
    let (queries, mut starts) = crowd();
    let refused = |starts: Vec<Pixels>| {
        optimise_triggers(&model, &queries, starts, &search(), &Budget::unlimited()).unwrap_err().to_string()
    };
    assert_eq!(refused(Vec::new()), "there are 0 starts for 40 queries; give each query one");
    starts[7].values_mut().fill(0.0);
    assert_eq!(
        refused(starts.clone()),
        "the start of trigger 7 is zero everywhere it may change; start from other values"
    );
    starts[7].values_mut()[0] = f32::NAN;
    assert!(refused(starts).contains("no logits or no gradient"));
    let error = optimise_trigger(&model, &[], tiny::pixels(2), &search(), &Budget::unlimited()).unwrap_err();
    assert_eq!(error.to_string(), "there is no image, a trigger needs at least one");
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
    assert_eq!(
        error.to_string(),
        "image has shape [1, 2, 2], the trigger has [1, 8, 8] (channels, height, width)"
    );
}
