use std::collections::BTreeSet;
use std::convert::Infallible;

use lookalike_vision::{Architecture, Block, ModelManifest, ResNetConfig, Stem};

use super::*;

/// Two classes, 8 x 8 grey pixels, random weights.
fn model() -> Model {
    let block = Block::Basic;
    let config = ResNetConfig { block, depths: [1, 1, 1, 1], stem: Stem::Cifar, base_width: 4, wide: 1 };
    let manifest = ModelManifest {
        name: "tiny".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: 8,
        width: 8,
        classes: ["a", "b"].map(str::to_owned).to_vec(),
        normalisation: None,
    };
    Model::seeded(manifest, 5).unwrap()
}

fn image() -> Pixels {
    Pixels::new(1, 8, 8, (0_u16..64).map(|at| f32::from(at * 37 % 64) / 63.0).collect()).unwrap()
}

fn settings(ball: Ball) -> Attack {
    let (Ball::LInf(radius) | Ball::L2(radius)) = ball;
    Attack { ball, steps: 10, step_size: radius / 4.0, seed: 3 }
}

/// The largest change of a value, and the norm of all changes.
fn apart(a: &Pixels, b: &Pixels) -> (f32, f32) {
    let changes = || a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs());
    (changes().fold(0.0, f32::max), changes().map(|change| change * change).sum::<f32>().sqrt())
}

#[test]
fn features_are_driven_away_inside_the_ball_and_the_range() {
    let (model, image) = (model(), image());
    for ball in [Ball::LInf(0.05), Ball::L2(0.5)] {
        let found = attack_features(&model, &image, &settings(ball)).unwrap();
        let (largest, norm) = apart(&found.pixels, &image);
        let inside = match ball {
            Ball::LInf(radius) => largest <= radius + 1e-6,
            Ball::L2(radius) => norm <= radius + 1e-5,
        };
        assert!(inside, "{ball:?}: {largest} {norm}");
        assert!(found.pixels.values().iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(found.loss > 1.5 * found.trace[0], "{ball:?}: {:?}", found.trace);
        assert_eq!(found.trace.len(), 11);
        assert_eq!(found, attack_features(&model, &image, &settings(ball)).unwrap());
    }
}

#[test]
fn an_image_is_driven_out_of_the_class_of_its_query() {
    let (model, image) = (model(), image());
    let mut random = seeded(7, Use::Attack, 9);
    let mut drawn = || Pixels::new(1, 8, 8, (0..64).map(|_| random.unit() as f32).collect()).unwrap();
    let background: Vec<Pixels> = (0..20).map(|_| drawn()).collect();
    let class = QueryClass::fit(&model, &image, &background, 4).unwrap();
    let before = class.score(&model, &image).unwrap();
    let others: f32 = background.iter().map(|other| class.score(&model, other).unwrap()).sum::<f32>() / 20.0;
    assert!(others < before, "the query scores {before}, others {others} on average");

    let found = class.attack(&model, &image, &settings(Ball::LInf(0.1))).unwrap();
    assert!(apart(&found.pixels, &image).0 <= 0.1 + 1e-6);
    let after = class.score(&model, &found.pixels).unwrap();
    // Log odds and log probability are of one share.
    assert!((after + found.loss.exp().ln_1p()).abs() < 1e-5, "{after} {}", found.loss);
    // Lower than a hundred corners of the ball: the gradient leads downhill.
    for _ in 0..100 {
        let corner =
            drawn().values().iter().map(|value| if *value < 0.5 { -0.1 } else { 0.1 }).collect::<Vec<_>>();
        let mut moved = image.clone();
        let values = moved.values_mut().iter_mut().zip(&corner);
        values.for_each(|(value, by)| *value = (*value + by).clamp(0.0, 1.0));
        let score = class.score(&model, &moved).unwrap();
        assert!(after < score, "a corner scores {score}, the attack {after}");
    }
    let again = QueryClass::fit(&model, &image, &background, 4).unwrap();
    assert_eq!(again.attack(&model, &image, &settings(Ball::LInf(0.1))).unwrap(), found);
}

#[test]
fn a_query_of_one_colour_has_a_class_that_no_pixel_leaves() {
    let (model, flat) = (model(), Pixels::new(1, 8, 8, vec![0.5; 64]).unwrap());
    let class = QueryClass::fit(&model, &flat, &[image()], 4).unwrap();
    let found = class.attack(&model, &flat, &settings(Ball::LInf(0.1))).unwrap();
    assert_eq!(found.trace.iter().map(|loss| loss.to_bits()).collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn a_linear_loss_is_brought_to_the_corner_of_the_ball() {
    // The loss is the sum of the values, so that every value rises by the radius unless it meets 1.
    let sum = |at: &Pixels| Ok::<_, Infallible>((at.values().iter().sum(), vec![1.0; 64]));
    let found = attack(&image(), &settings(Ball::LInf(0.1)), sum).unwrap();
    for (after, before) in found.pixels.values().iter().zip(image().values()) {
        assert!((after - (before + 0.1).min(1.0)).abs() < 1e-5, "{before} became {after}");
    }
}

#[test]
fn a_ball_without_size_leaves_the_image() {
    let sum = |at: &Pixels| Ok::<_, Infallible>((at.values().iter().sum(), vec![1.0; 64]));
    for ball in [Ball::LInf(0.0), Ball::L2(0.0)] {
        assert_eq!(attack(&image(), &settings(ball), sum).unwrap().pixels, image());
    }
}

#[test]
fn what_cannot_be_attacked_is_refused() {
    let flat = |at: &Pixels| Ok::<_, Infallible>((0.0, vec![0.0; at.values().len()]));
    let wrong = |settings: Attack| attack(&image(), &settings, flat).unwrap_err();
    assert!(matches!(wrong(settings(Ball::L2(f32::NAN))), AttackError::Size { name: "radius", .. }));
    let endless = Attack { steps: MOST_ATTACK_STEPS + 1, ..settings(Ball::L2(1.0)) };
    assert!(matches!(wrong(endless), AttackError::Steps { .. }));
    let bright = Pixels::new(1, 1, 2, vec![0.5, 1.5]).unwrap();
    let error = attack(&bright, &settings(Ball::L2(1.0)), flat).unwrap_err();
    assert!(matches!(error, AttackError::Range { position: 1, .. }));
    let short = |_: &Pixels| Ok::<_, Infallible>((0.0, vec![0.0]));
    let error = attack(&image(), &settings(Ball::L2(1.0)), short).unwrap_err();
    assert!(matches!(error, AttackError::Gradient { found: 1, expected: 64 }));
    let broken = |_: &Pixels| Ok::<_, Infallible>((f32::NAN, vec![0.0; 64]));
    let error = attack(&image(), &settings(Ball::L2(1.0)), broken).unwrap_err();
    assert!(matches!(error, AttackError::NotFinite { step: 0 }));
}
