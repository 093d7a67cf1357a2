use lookalike_plugin_api::CancelFlag;

use super::*;
use crate::head::DummyHead;
use crate::tiny;

const SEARCH: CertificateSearch = CertificateSearch { radius: 0.5, points: 9, seed: 3 };

/// Random logits for three classes and the dummy class; the bias puts the tiny queries into the dummy class.
fn map(model: &Model, bias: f32) -> LogitMap {
    let (mut random, d) = (seeded(8, Stream::DummyRow), model.head().dimension());
    let row: Vec<f32> = (0..d).map(|_| random.normal()).collect();
    let own = model.head();
    LogitMap::raw(DummyHead::new(own.weight(), own.bias(), &row, bias).unwrap())
}

fn certified(bias: f32, search: &CertificateSearch) -> Certificate {
    let model = tiny::model();
    certify(&model, &map(&model, bias), &tiny::pixels(1), search, &Budget::unlimited()).unwrap()
}

fn logits(model: &Model, map: &LogitMap, at: Pixels) -> Vec<f32> {
    map.logits(&model.features(&[at]).unwrap()).unwrap().into_values()
}

fn length(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn the_estimate_for_a_linear_map_is_its_exact_norm() {
    let slope = Pixels::new(1, 2, 2, vec![2.0, -4.0, 4.0, 0.0]).unwrap();
    let flat = Pixels::new(1, 2, 2, vec![1.0, 0.0, 0.0, 0.0]).unwrap();
    let mut linear =
        |points: &[Pixels]| Ok(points.iter().flat_map(|_| [flat.clone(), slope.clone()]).collect());
    let found = steepest(&flat, &SEARCH, &Budget::unlimited(), &mut linear).unwrap();
    assert_eq!((found.length.to_bits(), found.points), (6.0_f64.to_bits(), 9));
}

#[test]
fn the_points_are_the_query_and_others_spread_over_the_ball() {
    let centre = tiny::pixels(1);
    let mut distances = Vec::new();
    let mut look = |points: &[Pixels]| {
        for point in points {
            let steps = point.values().iter().zip(centre.values()).map(|(a, b)| f64::from(a - b));
            distances.push(length(steps));
        }
        Ok(Vec::new())
    };
    let search = CertificateSearch { points: 200, ..SEARCH };
    steepest(&centre, &search, &Budget::unlimited(), &mut look).unwrap();
    assert_eq!((distances.len(), distances[0].to_bits()), (200, 0.0_f64.to_bits()));
    assert!(distances.iter().all(|distance| *distance < 0.5 + 1e-5));
    let near = distances.iter().filter(|distance| **distance < 0.25).count();
    assert!((70..130).contains(&near), "{near} of 200 in the inner half");
}

#[test]
fn the_estimate_at_the_query_itself_is_the_steeper_of_two_finite_differences() {
    let model = tiny::model();
    let (map, query) = (map(&model, 0.0), tiny::pixels(1));
    let search = CertificateSearch { points: 1, ..SEARCH };
    let found = certify(&model, &map, &query, &search, &Budget::unlimited()).unwrap();
    let other = strongest(&logits(&model, &map, query.clone())[..3]);
    let slope = |class: usize| {
        length((0..64).map(|i| {
            let at = |by: f32| {
                let mut moved = query.clone();
                moved.values_mut()[i] += by;
                f64::from(logits(&model, &map, moved)[class])
            };
            (at(1e-3) - at(-1e-3)) / 2e-3
        }))
    };
    let (expected, estimate) = (slope(3).max(slope(other)), found.lipschitz_estimate.unwrap());
    assert!((estimate - expected).abs() < 0.02 * expected, "{estimate}, expected {expected}");
}

#[test]
fn the_bound_is_the_margin_over_twice_the_estimate() {
    let model = tiny::model();
    let (map, query) = (map(&model, 5.0), tiny::pixels(1));
    let found = certified(5.0, &SEARCH);
    let z = logits(&model, &map, query.clone());
    let margin = z[3] - z[..3].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!((found.margin.to_bits(), found.completion), (margin.to_bits(), Completion::Complete));
    let bound = found.bound_estimate().unwrap();
    let expected = f64::from(margin) / 2.0 / found.lipschitz_estimate.unwrap();
    assert!((bound - expected).abs() < 1e-12, "{bound}, expected {expected}");
}

#[test]
fn a_query_moved_by_less_than_the_bound_stays_in_the_dummy_class() {
    let model = tiny::model();
    let (map, query) = (map(&model, 5.0), tiny::pixels(1));
    let found = certified(5.0, &CertificateSearch { radius: 2.0, points: 40, seed: 3 });
    let within = found.bound_estimate().unwrap().min(found.radius);
    let mut random = seeded(77, Stream::Directions);
    for _ in 0..20 {
        let z = logits(&model, &map, moved(&query, &direction(&mut random, 64), within));
        assert_eq!(strongest(&z), 3, "{z:?}");
    }
}

#[test]
fn a_query_outside_the_dummy_class_has_no_bound() {
    let found = certified(-50.0, &SEARCH);
    assert!(found.margin < 0.0 && found.lipschitz_estimate.is_some());
    assert_eq!(found.bound_estimate(), None);
}

#[test]
fn the_seed_decides_and_more_points_never_find_less() {
    let estimate = |points, seed| {
        let search = CertificateSearch { points, seed, radius: 2.0 };
        certified(0.0, &search).lipschitz_estimate.unwrap()
    };
    assert_eq!(estimate(9, 3).to_bits(), estimate(9, 3).to_bits());
    assert_ne!(estimate(9, 3).to_bits(), estimate(9, 4).to_bits());
    assert!(estimate(9, 3) <= estimate(20, 3));
}

#[test]
fn a_budget_that_runs_out_leaves_the_estimate_of_the_points_seen() {
    let model = tiny::model();
    let map = map(&model, 5.0);
    let certify = |budget: Budget| certify(&model, &map, &tiny::pixels(1), &SEARCH, &budget).unwrap();
    let found = certify(Budget::unlimited().with_step_limit(5));
    assert_eq!((found.points, found.completion), (4, Completion::StepLimit));
    assert_eq!(
        found.lipschitz_estimate,
        certified(5.0, &CertificateSearch { points: 4, ..SEARCH }).lipschitz_estimate
    );
    let cancel = CancelFlag::default();
    cancel.cancel();
    let found = certify(Budget::unlimited().with_cancel(cancel));
    assert_eq!((found.points, found.completion), (0, Completion::Cancelled));
    assert_eq!((found.lipschitz_estimate, found.bound_estimate()), (None, None));
}

#[test]
fn searches_that_ask_for_nothing_and_heads_of_other_models_are_refused() {
    let model = tiny::model();
    let refused = |search: CertificateSearch, map: &LogitMap| {
        certify(&model, map, &tiny::pixels(1), &search, &Budget::unlimited()).unwrap_err()
    };
    let own = map(&model, 0.0);
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            refused(CertificateSearch { radius, ..SEARCH }, &own),
            CertificateError::Radius { .. }
        ));
    }
    assert!(matches!(refused(CertificateSearch { points: 0, ..SEARCH }, &own), CertificateError::Points));
    let other = LogitMap::raw(DummyHead::new(&[1.0; 3], &[0.0], &[0.0; 3], 0.0).unwrap());
    assert!(matches!(refused(SEARCH, &other), CertificateError::Logits(LogitMapError::Dimension(_))));
}
