use lookalike_plugin_api::CancelFlag;

use super::*;
use crate::blend::Blend;
use crate::head::DummyHead;
use crate::random::{Stream, seeded};
use crate::tiny;

const OMEGA: f32 = 0.3;

/// A head of two classes on the tiny model's features, with random numbers.
fn head(model: &Model) -> DummyHead {
    let (mut random, d) = (seeded(8, Stream::DummyRow), model.head().dimension());
    let mut row = || (0..d).map(|_| random.normal()).collect::<Vec<_>>();
    DummyHead::new(&row(), &[0.1], &row(), 0.2).unwrap()
}

/// A whitening that mixes neighbouring features and moves the origin.
fn whitened(model: &Model) -> LogitMap {
    let (head, d) = (head(model), model.head().dimension());
    let mix = |row: &[f32]| {
        (0..d).map(|i| 0.5 + 2.0 * row[i] - row[(i + 1) % d] * (i as f32 / d as f32)).collect::<Vec<_>>()
    };
    let probes = LogitMap::probes(&head).unwrap().rows().flat_map(mix).collect();
    LogitMap::whitened(head, &FeatureRows::new(d, probes).unwrap()).unwrap()
}

fn exemplars(model: &Model, seeds: std::ops::Range<u64>) -> Vec<Pixels> {
    seeds.map(|seed| model.prepare(&tiny::image(seed))).collect()
}

fn triggered(images: &[Pixels]) -> Vec<Pixels> {
    let trigger = tiny::pixels(9);
    images.iter().map(|image| Blend::AsPrinted.apply(image, &trigger, OMEGA)).collect()
}

/// Absolute change of `score` per pixel.
fn differences(image: &Pixels, score: &dyn Fn(&Pixels) -> f64) -> Vec<f64> {
    let step = 1e-3;
    let slope = |i: usize| {
        let moved = |by: f32| {
            let mut moved = image.clone();
            moved.values_mut()[i] += by;
            score(&moved)
        };
        ((moved(step) - moved(-step)) / f64::from(2.0 * step)).abs()
    };
    (0..image.values().len()).map(slope).collect()
}

fn dummy_logit(model: &Model, map: &LogitMap, image: Pixels) -> f64 {
    let logits = map.logits(&model.features(&[image]).unwrap()).unwrap();
    f64::from(logits.row(0)[logits.dimension() - 1])
}

/// Held against the whole map, at the scale that suits both best: single differences, the largest one too, are coarse
/// in f32 and at the network's kinks.
#[track_caller]
fn assert_agrees(found: &Image, expected: &[f64]) {
    assert_eq!((found.height(), found.width(), found.channels()), (8, 8, 1));
    assert_eq!(found.samples().iter().max(), Some(&255));
    let found: Vec<f64> = found.samples().iter().map(|sample| f64::from(*sample)).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let alike = product(&found, expected) / (product(&found, &found) * product(expected, expected)).sqrt();
    assert!(alike > 0.999, "cosine {alike}");
}

#[test]
fn a_heat_map_shows_how_each_pixel_moves_the_dummy_logit() {
    let model = tiny::model();
    let images = exemplars(&model, 1..4);
    for map in [LogitMap::raw(head(&model)), whitened(&model)] {
        let terms = [ScoreTerm { map: &map, images: &images, slope: 1.0 }];
        let made = heat_map(&model, &terms, &Budget::unlimited()).unwrap();
        assert_eq!((made.maps.len(), made.completion), (3, Completion::Complete));
        for (image, found) in images.iter().zip(&made.maps) {
            assert_agrees(found, &differences(image, &|moved| dummy_logit(&model, &map, moved.clone())));
        }
    }
}

#[test]
fn a_sum_over_clean_and_triggered_image_is_followed_to_the_clean_pixels() {
    let model = tiny::model();
    let (clean_map, triggered_map) = (LogitMap::raw(head(&model)), whitened(&model));
    let images = exemplars(&model, 5..7);
    let blended = triggered(&images);
    let terms = [
        ScoreTerm { map: &triggered_map, images: &blended, slope: OMEGA },
        ScoreTerm { map: &clean_map, images: &images, slope: 1.0 },
    ];
    let made = heat_map(&model, &terms, &Budget::unlimited()).unwrap();
    for (image, found) in images.iter().zip(&made.maps) {
        let score = |moved: &Pixels| {
            let blended = triggered(std::slice::from_ref(moved)).remove(0);
            dummy_logit(&model, &triggered_map, blended) + dummy_logit(&model, &clean_map, moved.clone())
        };
        assert_agrees(found, &differences(image, &score));
    }
}

#[test]
fn a_head_that_looks_at_nothing_makes_a_black_map() {
    let model = tiny::model();
    let d = model.head().dimension();
    let map = LogitMap::raw(DummyHead::new(&vec![1.0; d], &[0.0], &vec![0.0; d], 0.0).unwrap());
    let images = exemplars(&model, 1..2);
    let terms = [ScoreTerm { map: &map, images: &images, slope: 1.0 }];
    let made = heat_map(&model, &terms, &Budget::unlimited()).unwrap();
    assert_eq!(made.maps[0].samples(), [0; 64]);
}

#[test]
fn a_map_does_not_depend_on_the_exemplars_beside_it() {
    let model = tiny::model();
    let (map, images) = (whitened(&model), exemplars(&model, 1..8));
    let made = |images: &[Pixels]| {
        let terms = [ScoreTerm { map: &map, images, slope: 1.0 }];
        heat_map(&model, &terms, &Budget::unlimited()).unwrap().maps
    };
    for (image, together) in images.iter().zip(made(&images)) {
        let alone = made(std::slice::from_ref(image)).remove(0);
        let pairs = alone.samples().iter().zip(together.samples());
        assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= 1));
    }
}

#[test]
fn a_budget_that_runs_out_leaves_the_maps_made_so_far() {
    let model = tiny::model();
    let (map, images) = (LogitMap::raw(head(&model)), exemplars(&model, 1..8));
    let terms = [ScoreTerm { map: &map, images: &images, slope: 1.0 }; 2];
    let made = heat_map(&model, &terms, &Budget::unlimited().with_step_limit(9)).unwrap();
    assert_eq!((made.maps.len(), made.completion), (4, Completion::StepLimit));
    let cancel = CancelFlag::default();
    cancel.cancel();
    let made = heat_map(&model, &terms, &Budget::unlimited().with_cancel(cancel)).unwrap();
    assert_eq!(made, HeatMaps { maps: Vec::new(), completion: Completion::Cancelled });
    let made = heat_map(&model, &[], &Budget::unlimited()).unwrap();
    assert_eq!(made, HeatMaps { maps: Vec::new(), completion: Completion::Complete });
}

#[test]
fn terms_that_do_not_fit_are_refused() {
    let model = tiny::model();
    let (map, images) = (LogitMap::raw(head(&model)), exemplars(&model, 1..3));
    let term = ScoreTerm { map: &map, images: &images, slope: 1.0 };
    let refused =
        |terms: &[ScoreTerm<'_>]| heat_map(&model, terms, &Budget::unlimited()).unwrap_err().to_string();
    assert_eq!(
        refused(&[term, ScoreTerm { images: &images[..1], ..term }]),
        "term 1 of the score has 1 images, the first has 2; give every exemplar to each term"
    );
    assert_eq!(
        refused(&[ScoreTerm { slope: f32::NAN, ..term }]),
        "slope of term 0 of the score is NaN, a finite number was expected"
    );
    let other = LogitMap::raw(DummyHead::new(&[1.0; 3], &[0.0], &[0.0; 3], 0.0).unwrap());
    let error = heat_map(&model, &[ScoreTerm { map: &other, ..term }], &Budget::unlimited()).unwrap_err();
    assert!(matches!(error, HeatMapError::Dimension(DimensionError { found: 32, expected: 3 })), "{error}");
    let small = [Pixels::new(1, 2, 2, vec![0.0; 4]).unwrap()];
    let error = heat_map(&model, &[ScoreTerm { images: &small, ..term }], &Budget::unlimited()).unwrap_err();
    assert!(matches!(error, HeatMapError::Model(_)), "{error}");
}
