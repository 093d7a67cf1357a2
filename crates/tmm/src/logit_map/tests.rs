use lookalike_plugin_api::FeatureRows;

use super::*;
use crate::random::{Stream, seeded};
use crate::whiten::Whitening;

const D: usize = 5;

fn drawn(seed: u64, values: usize) -> Vec<f32> {
    let mut random = seeded(seed, Stream::Order);
    (0..values).map(|_| random.normal()).collect()
}

fn rows(seed: u64, n: usize) -> FeatureRows {
    // Far from the origin and of different spread, as the features of a network are.
    let values = drawn(seed, n * D).into_iter().enumerate();
    FeatureRows::new(D, values.map(|(i, v)| 3.0 + v * (1 + i % D) as f32).collect()).unwrap()
}

fn head() -> DummyHead {
    DummyHead::new(&drawn(1, 2 * D), &[0.1, -0.2], &drawn(2, D), 0.3).unwrap()
}

fn own_whitening() -> Whitening {
    Whitening::fit(&rows(3, 200), || Ok::<_, std::convert::Infallible>(())).unwrap().unwrap()
}

fn whitened(whitening: &Whitening) -> LogitMap {
    let probes = LogitMap::probes(&head()).unwrap();
    let probes = FeatureRows::new(D, whitening.apply(&probes)).unwrap();
    LogitMap::whitened(head(), &probes).unwrap()
}

/// Of the sum of `cotangents` times logits.
fn assert_gradient_agrees(map: &LogitMap) {
    let (at, cotangents, step) = (rows(4, 3), drawn(5, 9), 1e-2);
    let found = map.pullback(&at, &cotangents).unwrap();
    for i in 0..at.values().len() {
        let loss = |by: f32| {
            let mut moved = at.values().to_vec();
            moved[i] += by;
            let logits = map.logits(&FeatureRows::new(D, moved).unwrap()).unwrap();
            logits.values().iter().zip(&cotangents).map(|(z, c)| f64::from(z * c)).sum::<f64>()
        };
        let expected = (loss(step) - loss(-step)) / f64::from(2.0 * step);
        let found = f64::from(found.values()[i]);
        assert!(
            (found - expected).abs() < 2e-3 * (1.0 + expected.abs()),
            "{i}: {found}, expected {expected}"
        );
    }
}

#[test]
fn the_gradient_through_a_raw_head_agrees_with_finite_differences() {
    assert_gradient_agrees(&LogitMap::raw(head()));
}

#[test]
fn the_gradient_through_whitened_rows_agrees_with_finite_differences() {
    assert_gradient_agrees(&whitened(&own_whitening()));
}

#[test]
fn logits_are_those_of_the_whitening_that_was_probed() {
    let (whitening, at) = (own_whitening(), rows(6, 4));
    let mut units = whitening.apply(&at);
    for row in units.chunks_exact_mut(D) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= length);
    }
    let map = whitened(&whitening);
    let expected = LogitMap::raw(head()).logits(&FeatureRows::new(D, units).unwrap()).unwrap();
    for (found, expected) in map.logits(&at).unwrap().values().iter().zip(expected.values()) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
}

#[test]
fn a_row_that_whitens_to_nothing_has_the_bias_for_logits_and_no_gradient() {
    // The whitening is the identity, so the row of zeros is the mean.
    let map = LogitMap::whitened(head(), &LogitMap::probes(&head()).unwrap()).unwrap();
    let zero = FeatureRows::new(D, vec![0.0; D]).unwrap();
    assert_eq!(map.logits(&zero).unwrap().values(), head().bias());
    assert_eq!(map.pullback(&zero, &[1.0; 3]).unwrap(), zero);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let map = LogitMap::raw(head());
    let (short, at) = (FeatureRows::new(2, vec![0.0; 2]).unwrap(), rows(7, 2));
    assert!(matches!(map.logits(&short), Err(LogitMapError::Dimension(_))));
    assert!(matches!(map.pullback(&short, &[0.0; 3]), Err(LogitMapError::Dimension(_))));
    let error = map.pullback(&at, &[0.0; 5]).unwrap_err();
    assert_eq!(error, LogitMapError::Cotangents { found: 5, expected: 6 });
    let error = LogitMap::whitened(head(), &at).unwrap_err();
    assert_eq!(error, LogitMapError::Probes { found: 2, expected: 6 });
}
