use lookalike_plugin_api::CancelFlag;
use lookalike_vision::{Layer, Model};

use super::*;
use crate::fine_tune::{TrainingRows, fine_tune};
use crate::fisher::Fisher;
use crate::random::{Stream, seeded};
use crate::score::{ScoreKind, score};
use crate::tiny;

/// A small problem with every term: three classes, 9 exemplars, 2 positives.
struct Case {
    model: Model,
    head: DummyHead,
    positives: Vec<Pixels>,
    query: Pixels,
    triggered: Vec<Pixels>,
    clean: Vec<Pixels>,
    labels: Vec<usize>,
}

fn case() -> Case {
    let model = tiny::model();
    let own = model.head();
    let mut random = seeded(3, Stream::DummyRow);
    let row: Vec<f32> = (0..own.dimension()).map(|_| random.between(-0.2, 0.2)).collect();
    let head = DummyHead::new(own.weight(), own.bias(), &row, 0.05).unwrap();
    let pixels = |seeds: std::ops::Range<u64>| seeds.map(tiny::pixels).collect();
    Case {
        model,
        head,
        positives: pixels(0..2),
        query: tiny::pixels(2),
        triggered: pixels(10..19),
        clean: pixels(20..29),
        labels: vec![0, 1, 2, 0, 1, 2, 2, 1, 0],
    }
}

impl Case {
    fn images(&self) -> TrainingImages<'_> {
        TrainingImages {
            positives: &self.positives,
            query: Some((&self.query, 1)),
            triggered: &self.triggered,
            clean: Some(&self.clean),
            labels: &self.labels,
        }
    }

    fn run(
        &self,
        layer: Layer,
        schedule: &Schedule<'_>,
        budget: &Budget,
    ) -> (Vec<f32>, DummyHead, FineTuned) {
        let (mut tuned, mut head) = (self.model.tunable(layer).unwrap(), self.head.clone());
        let done = fine_tune_layer(&mut tuned, &mut head, &self.images(), schedule, budget).unwrap();
        (tuned.weights().to_vec(), head, done)
    }
}

fn schedule(order: &[Vec<usize>]) -> Schedule<'_> {
    Schedule { order, batch: 4, learning_rate: 0.002, consolidation: None }
}

#[test]
fn head_and_layer_together_lower_the_loss_and_leave_the_model_as_it_is() {
    let case = case();
    let digest = case.model.weights_digest().unwrap();
    let order = vec![(0..9).collect::<Vec<_>>(); 20];
    let schedule = Schedule { learning_rate: 0.005, ..schedule(&order) };
    for layer in [Layer::Layer1, Layer::Layer2, Layer::Layer3, Layer::Layer4] {
        let (mut tuned, mut head) = (case.model.tunable(layer).unwrap(), case.head.clone());
        let budget = Budget::unlimited();
        let done = fine_tune_layer(&mut tuned, &mut head, &case.images(), &schedule, &budget).unwrap();
        assert_eq!((done.trace.len(), done.completion), (60, Completion::Complete));
        assert!(done.trace[57] < 0.5 * done.trace[0], "{layer}: {:?}", done.trace);
        let positives =
            score(&head, &tuned.features(&case.positives).unwrap(), ScoreKind::LogProbability).unwrap();
        let exemplars =
            score(&head, &tuned.features(&case.triggered).unwrap(), ScoreKind::LogProbability).unwrap();
        let nearest = exemplars.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(positives.iter().all(|score| *score > nearest), "{layer}: {positives:?} {exemplars:?}");
    }
    assert_eq!(case.model.weights_digest().unwrap(), digest);
}

#[test]
fn a_layer_that_stands_still_leaves_the_fine_tuning_of_the_head_alone() {
    let case = case();
    let budget = Budget::unlimited();
    let features = |images: &[Pixels]| case.model.features(images).unwrap();
    let (positives, query) = (features(&case.positives), features(std::slice::from_ref(&case.query)));
    let (triggered, clean) = (features(&case.triggered), features(&case.clean));
    let own = case.model.head();
    let fisher = Fisher::of_head(own.weight(), own.bias(), &clean).unwrap();
    let order = vec![vec![3, 1, 2, 0, 8, 6, 5, 4, 7]; 4];
    for consolidation in [None, Some(Consolidation { strength: 100.0, fisher: &fisher })] {
        let schedule = Schedule { consolidation, ..schedule(&order) };
        let rows = TrainingRows {
            positives: &positives,
            query: Some((&query, 1)),
            triggered: &triggered,
            clean: Some(&clean),
            labels: &case.labels,
        };
        let mut alone = case.head.clone();
        let expected = fine_tune(&mut alone, &rows, &schedule, &budget).unwrap();
        let (mut layer, mut head) = (case.model.tunable(Layer::Layer3).unwrap(), case.head.clone());
        let rates = Rates { head: schedule.learning_rate, layer: 0.0 };
        let found = tune(&mut layer, &mut head, &case.images(), (&schedule, rates), &budget).unwrap();
        let close = |found: &[f32], expected: &[f32]| {
            let pairs = found.iter().zip(expected);
            found.len() == expected.len()
                && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4 * b.abs().max(1.0))
        };
        assert!(close(&found.trace, &expected.trace), "{:?} {:?}", found.trace, expected.trace);
        assert!(close(head.weight(), alone.weight()) && close(head.bias(), alone.bias()));
        assert_eq!(layer.features(&case.triggered).unwrap(), triggered);
    }
}

#[test]
fn no_update_leaves_the_scores_of_the_head() {
    let case = case();
    let (mut layer, mut head) = (case.model.tunable(Layer::Layer4).unwrap(), case.head.clone());
    fine_tune_layer(&mut layer, &mut head, &case.images(), &schedule(&[]), &Budget::unlimited()).unwrap();
    let expected =
        score(&case.head, &case.model.features(&case.triggered).unwrap(), ScoreKind::LogProbability).unwrap();
    assert_eq!(
        score(&head, &layer.features(&case.triggered).unwrap(), ScoreKind::LogProbability).unwrap(),
        expected
    );
}

#[test]
fn the_loss_of_all_terms_has_the_gradient_that_finite_differences_find() {
    let case = case();
    let layer = case.model.tunable(Layer::Layer2).unwrap();
    let images = case.images();
    let targets = images.targets(&[0, 3, 6], 4);
    let at = |layer: &TunedModel<'_>| {
        let mut gradient = Gradient::new(&case.head);
        let mut entries = Entries::new(&images, true);
        gradient.add(layer, &case.head, &targets, &mut entries, &Budget::unlimited()).unwrap();
        gradient
    };
    let gradient = at(&layer);
    let scale = gradient.layer.iter().map(|slope| f64::from(slope * slope)).sum::<f64>().sqrt();
    // Along the gradient itself the loss rises by the gradient's length.
    let rise = |step: f64| {
        let moved = |step: f64| {
            let mut moved = case.model.tunable(Layer::Layer2).unwrap();
            moved.update(|weights| {
                let pairs = weights.iter_mut().zip(&gradient.layer);
                pairs.for_each(|(weight, slope)| *weight += (step * f64::from(*slope) / scale) as f32);
            });
            at(&moved).loss
        };
        (moved(step) - moved(-step)) / (2.0 * step)
    };
    // A step may cross the kink of a rectifier, and a short one drowns in rounding: one good step is proof.
    let errors = [1e-2, 3e-3, 1e-3, 3e-4].map(|step| (rise(step) - scale).abs() / scale);
    assert!(errors.iter().any(|&error| error < 0.003), "{errors:?} of {scale}");
}

#[test]
fn equal_arguments_give_equal_bits_alone_and_beside_others() {
    let case = case();
    let order = vec![vec![3, 1, 2, 0, 8, 6, 5, 4, 7]; 2];
    let run = || case.run(Layer::Layer4, &schedule(&order), &Budget::unlimited());
    let expected = run();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(run(), expected));
        }
    });
}

#[test]
fn a_budget_of_two_updates_makes_two() {
    let case = case();
    let order = vec![(0..9).collect::<Vec<_>>()];
    let two = Budget::unlimited().with_step_limit(2);
    let (weights, head, done) = case.run(Layer::Layer4, &schedule(&order), &two);
    assert_eq!((done.trace.len(), done.completion), (2, Completion::StepLimit));
    let shorter = vec![(0..8).collect::<Vec<_>>()];
    let (of_two, head_of_two, _) = case.run(Layer::Layer4, &schedule(&shorter), &Budget::unlimited());
    assert_eq!((weights, head), (of_two, head_of_two));
}

#[test]
fn a_cancelled_run_leaves_head_and_layer_as_they_were() {
    let case = case();
    let cancel = CancelFlag::default();
    cancel.cancel();
    let order = vec![(0..9).collect::<Vec<_>>()];
    let budget = Budget::unlimited().with_cancel(cancel);
    let (weights, head, done) = case.run(Layer::Layer1, &schedule(&order), &budget);
    assert_eq!((done.trace.len(), done.completion), (0, Completion::Cancelled));
    assert_eq!(head, case.head);
    assert_eq!(weights, case.model.tunable(Layer::Layer1).unwrap().weights());
}

#[test]
fn images_that_do_not_go_together_are_refused() {
    let case = case();
    let order = vec![vec![9]];
    let refuse = |images: &TrainingImages<'_>, order: &[Vec<usize>]| {
        let (mut layer, mut head) = (case.model.tunable(Layer::Layer4).unwrap(), case.head.clone());
        let run = fine_tune_layer(&mut layer, &mut head, images, &schedule(order), &Budget::unlimited());
        run.unwrap_err().to_string()
    };
    assert_eq!(refuse(&case.images(), &order), "position 9 is past the end, there are 9");
    assert_eq!(
        refuse(&TrainingImages { labels: &[3; 9], ..case.images() }, &[]),
        "class 3 is past the end, there are 3"
    );
    assert_eq!(
        refuse(&TrainingImages { clean: Some(&case.clean[1..]), ..case.images() }, &[]),
        "8 clean images were given, 9 were expected"
    );
    assert_eq!(
        refuse(&TrainingImages { positives: &[], ..case.images() }, &[]),
        "no row falls into the dummy class; give at least the triggered query"
    );
    let wide = [Pixels::new(1, 8, 9, vec![0.0; 72]).unwrap()];
    assert_eq!(
        refuse(&TrainingImages { positives: &wide, ..case.images() }, &[vec![0]]),
        "the model made no features or no gradient"
    );
}

#[test]
fn a_learning_rate_that_breaks_the_numbers_is_an_error_and_no_head() {
    let case = case();
    let order = vec![(0..9).collect::<Vec<_>>(); 2];
    let schedule = Schedule { learning_rate: 1e30, ..schedule(&order) };
    let (mut layer, mut head) = (case.model.tunable(Layer::Layer4).unwrap(), case.head.clone());
    let budget = Budget::unlimited();
    let error = fine_tune_layer(&mut layer, &mut head, &case.images(), &schedule, &budget).unwrap_err();
    assert!(
        matches!(
            error,
            LayerError::FineTune(FineTuneError::NotFinite { .. })
                | LayerError::Model(ModelError::Output(_) | ModelError::Gradient { .. })
        ),
        "{error:?}"
    );
}
