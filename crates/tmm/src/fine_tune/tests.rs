use super::*;
use crate::random::{Stream, seeded};
use lookalike_kernels::Random32;

/// A small problem with every term: C = 3, d = 5, 7 exemplars, 2 positives.
struct Case {
    head: DummyHead,
    positives: FeatureRows,
    query: FeatureRows,
    triggered: FeatureRows,
    clean: FeatureRows,
    labels: Vec<usize>,
}

fn rows(random: &mut Random32, n: usize) -> FeatureRows {
    FeatureRows::new(5, (0..n * 5).map(|_| random.normal()).collect()).unwrap()
}

fn case() -> Case {
    let mut random = seeded(11, Stream::DummyRow);
    let numbers: Vec<f32> = (0..20).map(|_| random.normal()).collect();
    Case {
        head: DummyHead::new(&numbers[..15], &[0.1, -0.2, 0.3], &numbers[15..], 0.05).unwrap(),
        positives: rows(&mut random, 2),
        query: rows(&mut random, 1),
        triggered: rows(&mut random, 7),
        clean: rows(&mut random, 7),
        labels: vec![0, 1, 2, 0, 1, 2, 2],
    }
}

impl Case {
    fn rows(&self) -> TrainingRows<'_> {
        TrainingRows {
            positives: &self.positives,
            query: Some((&self.query, 1)),
            triggered: &self.triggered,
            clean: Some(&self.clean),
            labels: &self.labels,
        }
    }
}

fn schedule(order: &[Vec<usize>]) -> Schedule<'_> {
    Schedule { order, batch: 3, learning_rate: 0.01, consolidation: None }
}

/// The loss in f64, straight from its definition.
fn plain_loss(weight: &[f64], bias: &[f64], terms: &[Term<'_>]) -> f64 {
    let d = weight.len() / bias.len();
    let cross_entropy = |term: &Term<'_>| {
        let logits: Vec<f64> = weight
            .chunks_exact(d)
            .zip(bias)
            .map(|(line, bias)| bias + line.iter().zip(term.row).map(|(w, x)| w * f64::from(*x)).sum::<f64>())
            .collect();
        logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[term.class]
    };
    terms.iter().map(|term| f64::from(term.share) * cross_entropy(term)).sum()
}

#[test]
fn the_closed_form_gradient_agrees_with_finite_differences() {
    let case = case();
    let rows = case.rows();
    let mut terms = Vec::new();
    rows.terms(&[0, 3, 6], 4, &mut terms);
    let mut gradient = Gradient::new(&case.head);
    let loss = gradient.of(&case.head, &terms);
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let (weight, bias) = (wide(case.head.weight()), wide(case.head.bias()));
    assert!((loss - plain_loss(&weight, &bias, &terms)).abs() < 1e-5);
    let step = 1e-4;
    for i in 0..weight.len() + bias.len() {
        let shifted = |by: f64| {
            let (mut weight, mut bias) = (weight.clone(), bias.clone());
            match i.checked_sub(weight.len()) {
                Some(i) => bias[i] += by,
                None => weight[i] += by,
            }
            plain_loss(&weight, &bias, &terms)
        };
        let expected = (shifted(step) - shifted(-step)) / (2.0 * step);
        let found = gradient.weight.iter().chain(&gradient.bias).nth(i).unwrap();
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{i}: {found} {expected}");
    }
}

#[test]
fn the_closed_form_gradient_agrees_with_automatic_differentiation() {
    use burn::tensor::{Device, Tensor, TensorData, activation};

    let case = case();
    let rows = case.rows();
    let mut terms = Vec::new();
    rows.terms(&[0, 3, 6], 4, &mut terms);
    let mut gradient = Gradient::new(&case.head);
    let loss = gradient.of(&case.head, &terms);

    let device = Device::flex();
    let matrix = |values: Vec<f32>, shape: [usize; 2]| {
        Tensor::<2>::from_data(TensorData::new(values, shape), &device).autodiff()
    };
    let weight = matrix(case.head.weight().to_vec(), [4, 5]).require_grad();
    let bias = matrix(case.head.bias().to_vec(), [1, 4]).require_grad();
    let inputs = matrix(terms.iter().flat_map(|term| term.row.to_vec()).collect(), [terms.len(), 5]);
    let mut targets = vec![0.0; terms.len() * 4];
    for (term, targets) in terms.iter().zip(targets.chunks_exact_mut(4)) {
        targets[term.class] = -term.share;
    }
    let logits = inputs.matmul(weight.clone().transpose()) + bias.clone();
    let traced = (activation::log_softmax(logits, 1) * matrix(targets, [terms.len(), 4])).sum();
    let mut gradients = traced.backward();
    assert!((loss - f64::from(traced.into_scalar::<f32>())).abs() < 1e-5);
    for (leaf, found) in [(weight, &gradient.weight), (bias, &gradient.bias)] {
        let expected: Vec<f32> = leaf.grad_remove(&mut gradients).unwrap().into_data().try_to_vec().unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn fine_tuning_draws_the_positives_into_the_dummy_class() {
    let case = case();
    let mut head = case.head.clone();
    let order = vec![(0..7).collect::<Vec<_>>(); 100];
    let tuned = fine_tune(&mut head, &case.rows(), &schedule(&order), &Budget::unlimited()).unwrap();
    assert_eq!(tuned.trace.len(), 300);
    assert!(tuned.trace[299] < 0.5 * tuned.trace[0], "{tuned:?}");
    let positives = crate::score(&head, &case.positives, crate::ScoreKind::LogProbability).unwrap();
    let exemplars = crate::score(&head, &case.triggered, crate::ScoreKind::LogProbability).unwrap();
    let nearest = exemplars.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert!(positives.iter().all(|score| *score > nearest), "{positives:?} {exemplars:?}");
}

#[test]
fn a_strong_consolidation_holds_the_models_own_classes() {
    let case = case();
    let fisher = Fisher { weight: vec![1.0; 15], bias: vec![1.0; 3] };
    let order = vec![(0..7).collect::<Vec<_>>(); 50];
    let moved = |strength: f64| {
        let mut head = case.head.clone();
        let consolidation = Some(Consolidation { strength, fisher: &fisher });
        let schedule = Schedule { consolidation, learning_rate: 0.001, ..schedule(&order) };
        fine_tune(&mut head, &case.rows(), &schedule, &Budget::unlimited()).unwrap();
        let distance = |range: std::ops::Range<usize>| {
            range.map(|i| (head.weight()[i] - case.head.weight()[i]).powi(2)).sum::<f32>().sqrt()
        };
        (distance(0..15), distance(15..20))
    };
    let (free, free_dummy) = moved(0.0);
    let (held, held_dummy) = moved(1000.0);
    assert!(held < 0.2 * free, "{held} {free}");
    assert!(held_dummy > 0.5 * free_dummy, "{held_dummy} {free_dummy}");
}

#[test]
fn equal_arguments_give_equal_bits() {
    let case = case();
    let order = vec![vec![3, 1, 2, 0, 6, 5, 4]];
    let run = || {
        let mut head = case.head.clone();
        fine_tune(&mut head, &case.rows(), &schedule(&order), &Budget::unlimited()).unwrap();
        head
    };
    assert_eq!(run(), run());
}

#[test]
fn a_budget_of_two_updates_makes_two() {
    let case = case();
    let order = vec![(0..7).collect::<Vec<_>>()];
    let budget = Budget::unlimited().with_step_limit(2);
    let tuned = fine_tune(&mut case.head.clone(), &case.rows(), &schedule(&order), &budget).unwrap();
    assert_eq!((tuned.trace.len(), tuned.completion), (2, Completion::StepLimit));
}

#[test]
fn rows_that_do_not_go_together_are_refused() {
    let case = case();
    let order = vec![vec![7]];
    let refuse = |rows: &TrainingRows<'_>, order: &[Vec<usize>]| {
        fine_tune(&mut case.head.clone(), rows, &schedule(order), &Budget::unlimited())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refuse(&case.rows(), &order), "position 7 is past the end, there are 7");
    let labels = [0, 1, 2, 0, 1, 2, 3];
    assert_eq!(
        refuse(&TrainingRows { labels: &labels, ..case.rows() }, &[]),
        "class 3 is past the end, there are 3"
    );
    assert_eq!(
        refuse(&TrainingRows { labels: &labels[1..], ..case.rows() }, &[]),
        "6 labels were given, 7 were expected"
    );
    let none = FeatureRows::empty(5);
    assert_eq!(
        refuse(&TrainingRows { positives: &none, ..case.rows() }, &[]),
        "no row falls into the dummy class; give at least the triggered query"
    );
}
