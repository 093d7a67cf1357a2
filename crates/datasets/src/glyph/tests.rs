use super::*;

#[test]
fn a_glyph_depends_on_seed_and_index_alone() {
    let set = GlyphSet::new(3);
    let late = set.glyph(1_000);
    assert_eq!(late, GlyphSet::new(3).glyph(1_000));
    assert_ne!(late.image, GlyphSet::new(4).glyph(1_000).image);
    assert_ne!(late.image, set.glyph(1_001).image);
}

#[test]
fn the_glyphs_of_a_seed_never_change() {
    // A network is trained on these glyphs: whoever changes this number trains it again.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for index in 0..120 {
        for &sample in GlyphSet::new(1).glyph(index).image.samples() {
            hash = (hash ^ u64::from(sample)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(hash, 5_462_974_596_819_326_415);
}

#[test]
fn every_class_comes_once_in_each_round() {
    let set = GlyphSet::new(9);
    let count = GlyphSet::CLASSES.len();
    for round in 0..20 {
        let mut seen: Vec<usize> = (0..count).map(|i| set.class((round * count + i) as u64)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn factors_stay_in_their_ranges_and_use_them() {
    let set = GlyphSet::new(2);
    let mut extremes = [(1.0_f32, 0.0_f32); 8];
    for index in 0..600 {
        for ((_, value, (least, most)), extreme) in set.glyph(index).factors.named().iter().zip(&mut extremes)
        {
            assert!(value >= least && value <= most);
            let place = (value - least) / (most - least);
            *extreme = (extreme.0.min(place), extreme.1.max(place));
        }
    }
    assert!(extremes.iter().all(|e| e.0 < 0.05 && e.1 > 0.95), "{extremes:?}");
}

#[test]
fn ink_and_background_have_the_levels_of_the_factors() {
    let set = GlyphSet::new(5);
    for index in 0..60 {
        let glyph = set.glyph(index);
        let level = |part: f32| elementary::to_sample(f64::from(part) * 255.0);
        let samples = glyph.image.samples();
        assert_eq!(samples.iter().min(), Some(&level(glyph.factors.background)));
        // A thin stroke may miss every pixel centre by enough to lose a little of its ink.
        let most = f32::from(*samples.iter().max().unwrap());
        assert!(most <= f32::from(level(glyph.factors.ink)) && most >= glyph.factors.ink * 255.0 * 0.9);
        let inked = samples.iter().filter(|v| f32::from(**v) > most * 0.7).count();
        assert!((15..400).contains(&inked), "glyph {index} has {inked} inked pixels");
    }
}

#[test]
fn factor_distance_is_zero_for_equal_factors_and_one_for_opposite_ends() {
    let factors = GlyphSet::new(1).glyph(0).factors;
    assert!(factors.distance(&factors) == 0.0);
    let end = |low: bool| {
        let pick = |range: (f32, f32)| if low { range.0 } else { range.1 };
        GlyphFactors {
            slant: pick(GlyphFactors::SLANT),
            stroke_width: pick(GlyphFactors::STROKE_WIDTH),
            rotation: pick(GlyphFactors::ROTATION),
            shift_x: pick(GlyphFactors::SHIFT),
            shift_y: pick(GlyphFactors::SHIFT),
            scale: pick(GlyphFactors::SCALE),
            background: pick(GlyphFactors::BACKGROUND),
            ink: pick(GlyphFactors::INK),
        }
    };
    assert!((end(true).distance(&end(false)) - 1.0).abs() < 1e-6);
}

#[test]
fn glyphs_of_equal_factors_differ_only_by_the_hand() {
    let factors = GlyphSet::new(1).glyph(0).factors;
    let draw = |class, stream| render(class, &factors, &mut seeded(0, stream));
    let difference = |a: &Image, b: &Image| {
        a.samples().iter().zip(b.samples()).map(|(x, y)| f64::from(x.abs_diff(*y)).powi(2)).sum::<f64>()
    };
    for class in 0..GlyphSet::CLASSES.len() {
        let (first, second) = (draw(class, 1), draw(class, 2));
        let within = difference(&first, &second);
        assert!(within > 0.0);
        for other in (0..GlyphSet::CLASSES.len()).filter(|other| *other != class) {
            assert!(within < difference(&first, &draw(other, 1)), "class {class} against {other}");
        }
    }
}
