use std::convert::Infallible;

use lookalike_plugin_api::{CancelFlag, SourceError};

use super::*;

const SEARCH: RadiusSearch = RadiusSearch { k: 2, directions: 6, most: 4.0, tolerance: 0.01, seed: 5 };

fn query() -> Pixels {
    Pixels::new(1, 2, 2, vec![0.5; 4]).unwrap()
}

fn distance(disturbed: &Pixels) -> f64 {
    disturbed.values().iter().map(|value| (f64::from(*value) - 0.5).powi(2)).sum::<f64>().sqrt()
}

/// The nearest are 1 and 2, from `threshold` on 1 and 3.
fn changing_at(threshold: f64) -> impl FnMut(&Pixels) -> Result<Vec<ExemplarId>, Infallible> {
    move |disturbed| Ok(if distance(disturbed) < threshold { vec![1, 2, 3] } else { vec![1, 3, 2] })
}

fn measured(search: &RadiusSearch, threshold: f64) -> MeasuredRadius {
    measured_radius(&query(), search, &Budget::unlimited(), changing_at(threshold)).unwrap()
}

#[test]
fn a_known_threshold_is_found_to_the_tolerance() {
    for threshold in [0.03, 1.234, 3.9] {
        let found = measured(&SEARCH, threshold);
        let radius = found.radius.unwrap();
        assert!((threshold - 1e-5..threshold + 0.01).contains(&radius), "{radius}, expected {threshold}");
        assert_eq!((found.directions, found.completion), (6, Completion::Complete));
    }
}

#[test]
fn the_smallest_over_all_directions_is_given() {
    // The ranking changes once the first pixel rises by 0.5, so it depends on the direction how far that is.
    let rank = |disturbed: &Pixels| Ok::<_, Infallible>(vec![1, 2 + u32::from(disturbed.values()[0] > 1.0)]);
    let search = RadiusSearch { directions: 20, ..SEARCH };
    let found = measured_radius(&query(), &search, &Budget::unlimited(), rank).unwrap().radius.unwrap();
    let mut random = seeded(search.seed, Stream::Directions);
    let rises = (0..20).map(|_| direction(&mut random, 4)[0]);
    let nearest = 0.5 / rises.fold(0.0, f64::max);
    assert!((nearest - 1e-5..nearest + 0.01).contains(&found), "{found}, expected {nearest}");
}

#[test]
fn a_ranking_that_never_changes_has_no_radius() {
    let found = measured(&SEARCH, f64::INFINITY);
    assert_eq!((found.radius, found.directions), (None, 6));
    // The query itself, and each direction at the largest distance.
    assert_eq!(found.rankings, 7);
}

#[test]
fn only_the_set_of_the_first_k_counts() {
    let rank = |disturbed: &Pixels| {
        let far = distance(disturbed) > 1.0;
        Ok::<_, Infallible>(if far { vec![2, 1, 4, 3] } else { vec![1, 2, 3, 4] })
    };
    let radius = |k| {
        let search = RadiusSearch { k, ..SEARCH };
        measured_radius(&query(), &search, &Budget::unlimited(), rank).unwrap().radius
    };
    assert_eq!((radius(2), radius(4), radius(9)), (None, None, None));
    assert!(radius(1).is_some() && radius(3).is_some());
}

#[test]
fn the_seed_decides_and_more_directions_never_find_more() {
    let rank = |disturbed: &Pixels| Ok::<_, Infallible>(vec![u32::from(disturbed.values()[0] > 1.0)]);
    let radius = |directions, seed| {
        let search = RadiusSearch { directions, seed, ..SEARCH };
        measured_radius(&query(), &search, &Budget::unlimited(), rank).unwrap().radius.unwrap()
    };
    assert_eq!(radius(9, 5).to_bits(), radius(9, 5).to_bits());
    assert_ne!(radius(9, 5).to_bits(), radius(9, 6).to_bits());
    assert!(radius(30, 5) <= radius(9, 5) + SEARCH.tolerance);
}

#[test]
fn a_cancel_between_rankings_ends_the_search_with_what_was_seen() {
    let cancel = CancelFlag::default();
    let budget = Budget::unlimited().with_cancel(cancel.clone());
    let mut rank = changing_at(1.0);
    let mut calls = 0;
    let found = measured_radius(&query(), &SEARCH, &budget, |disturbed| {
        calls += 1;
        if calls == 4 {
            cancel.cancel();
        }
        rank(disturbed)
    });
    let found = found.unwrap();
    // Seen to change at 4 and at 2; the fourth answer, at 1, came too late to be trusted.
    assert_eq!((found.radius, found.rankings), (Some(2.0), 3));
    assert_eq!((found.directions, found.completion), (0, Completion::Cancelled));
}

#[test]
fn an_error_of_the_ranking_is_kept_as_the_source() {
    let rank = |_: &Pixels| Err::<Vec<ExemplarId>, _>(SourceError::Missing { id: 7 });
    let error = measured_radius(&query(), &SEARCH, &Budget::unlimited(), rank).unwrap_err();
    assert_eq!(error.to_string(), "a disturbed query could not be ranked");
    assert!(error.source().unwrap().to_string().contains("exemplar 7"));
}

#[test]
fn settings_out_of_their_range_are_refused_with_the_range() {
    let refused = |search: RadiusSearch| {
        measured_radius(&query(), &search, &Budget::unlimited(), changing_at(1.0)).unwrap_err().to_string()
    };
    assert_eq!(refused(RadiusSearch { k: 0, ..SEARCH }), "k of the radius search is 0, at least 1 is needed");
    let error = refused(RadiusSearch { directions: 0, ..SEARCH });
    assert_eq!(error, "number of directions of the radius search is 0, at least 1 is needed");
    for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = refused(RadiusSearch { most, ..SEARCH });
        assert_eq!(error, format!("largest radius is {most}, a finite number above 0 was expected"));
    }
    for tolerance in [0.0, 1e-9, 4.1, f64::NAN] {
        let error = refused(RadiusSearch { tolerance, ..SEARCH });
        assert!(error.starts_with(&format!("tolerance is {tolerance}, ")), "{error}");
    }
}
