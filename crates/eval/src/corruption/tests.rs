use super::*;
use crate::random::{Use, seeded};

/// Something like a photograph: a landscape and a bright disk with an edge, moved by `shift` pixels along both sides.
fn scene(height: usize, width: usize, channels: usize, shift: usize) -> Image {
    let map = plasma::plasma(64, 2.0, &mut seeded(5, Use::Corruption, 99));
    let mut samples = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        for column in 0..width {
            let (down, across) = (row + shift, column + shift);
            let (y, x) = (down as f32 / height as f32 - 0.6, across as f32 / width as f32 - 0.8);
            let disk = if y * y + x * x < 0.06 { 0.45 } else { 0.0 };
            for channel in 0..channels {
                let land = map[(down * 2 + channel * 7) % 64 * 64 + across * 2 % 64];
                samples.push(raster::to_sample((0.1 + 0.45 * land + disk).min(1.0)));
            }
        }
    }
    Image::new(height, width, channels, samples).unwrap()
}

/// Mean over some scenes of a measure of original and corrupted image, by severity.
fn by_severity(kind: Corruption, measure: impl Fn(&Image, &Image) -> f64) -> [f64; 5] {
    Severity::ALL.map(|severity| {
        let of_scene = |index: u64| {
            let image = scene(32, 32, 3, index as usize % 16);
            measure(&image, &kind.apply(&image, severity, 1, index))
        };
        (0..32).map(of_scene).sum::<f64>() / 32.0
    })
}

fn distance(a: &Image, b: &Image) -> f64 {
    let squares = a.samples().iter().zip(b.samples()).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    squares.sum::<f64>() / a.samples().len() as f64
}

/// The share of the corrupted image's variance that no change of brightness and contrast explains: 1 - r^2.
fn foreign(a: &Image, b: &Image) -> f64 {
    let centred = |image: &Image| -> Vec<f64> {
        let samples = image.samples().iter().map(|sample| f64::from(*sample));
        let mean = samples.clone().sum::<f64>() / image.samples().len() as f64;
        samples.map(|sample| sample - mean).collect()
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (a, b) = (centred(a), centred(b));
    1.0 - product(&a, &b).powi(2) / (product(&a, &a) * product(&b, &b))
}

#[test]
fn more_severe_is_further_from_the_image() {
    for kind in Corruption::ALL {
        // The benchmark's strengths of these do not rise in pixels; see the type's documentation.
        if matches!(kind, Corruption::GlassBlur | Corruption::ElasticTransform) {
            continue;
        }
        let measured =
            if kind == Corruption::Frost { by_severity(kind, foreign) } else { by_severity(kind, distance) };
        // Severities 3 and 4 of motion blur differ in the far end of the kernel only: a tie up to its random angle.
        let rises = measured.windows(2).all(|pair| pair[1] >= 0.97 * pair[0]);
        assert!(rises && measured[4] > measured[0], "{kind}: {measured:?}");
    }
}

#[test]
fn every_kind_changes_the_image_and_keeps_its_shape() {
    for (height, width, channels) in [(28, 28, 1), (32, 48, 3)] {
        let image = scene(height, width, channels, 0);
        for kind in Corruption::ALL {
            let corrupted = kind.apply(&image, Severity::ALL[4], 3, 7);
            assert_ne!(corrupted, image, "{kind}");
            let shape = (corrupted.height(), corrupted.width(), corrupted.channels());
            assert_eq!(shape, (height, width, channels), "{kind}");
        }
    }
}

#[test]
fn tiny_and_wide_images_are_corrupted_too() {
    for (height, width, channels) in [(1, 1, 1), (1, 1, 3), (2, 1, 3), (3, 4_096, 1), (700, 2, 1)] {
        let image = scene(height, width, channels, 0);
        for kind in Corruption::ALL {
            for severity in [Severity::ALL[0], Severity::ALL[4]] {
                let corrupted = kind.apply(&image, severity, 3, 7);
                assert_eq!(corrupted.samples().len(), image.samples().len(), "{kind} {severity}");
            }
        }
    }
}

#[test]
fn seed_index_and_severity_decide_what_is_random() {
    let image = scene(32, 32, 3, 0);
    let random = Corruption::ALL.into_iter().filter(|kind| {
        !matches!(
            kind,
            Corruption::DefocusBlur
                | Corruption::ZoomBlur
                | Corruption::Brightness
                | Corruption::Contrast
                | Corruption::Pixelate
                | Corruption::JpegCompression
        )
    });
    for kind in random {
        let of = |seed, index| kind.apply(&image, Severity::ALL[2], seed, index);
        assert_eq!(of(1, 2), of(1, 2), "{kind}");
        assert_ne!(of(1, 2), of(1, 3), "{kind}");
        assert_ne!(of(1, 2), of(2, 2), "{kind}");
    }
}

#[test]
fn names_are_read_back() {
    for kind in Corruption::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let error = "rain".parse::<Corruption>().unwrap_err();
    assert!(error.to_string().starts_with("\"rain\" is no corruption; choose one of gaussian_noise, "));
    assert_eq!(Severity::new(0), None);
    assert_eq!(Severity::new(5), Some(Severity::ALL[4]));
    assert_eq!(Severity::new(6), None);
}

/// The first four bytes of the digest of a grey and a colour image corrupted with seed 1 and index 0, by severity.
///
/// Stored results rest on these. `jpeg_compression` also depends on the version of the `image` crate.
const FROZEN: [(&str, [u32; 5]); 15] = [
    ("gaussian_noise", [0xb182_55f9, 0x7bb6_e39c, 0x5437_4718, 0xc597_bb73, 0xfa60_7db6]),
    ("shot_noise", [0x0b55_39f2, 0x3cbe_b7a9, 0x08ff_c2c6, 0xb5a0_e39e, 0x31ab_95e5]),
    ("impulse_noise", [0x5c95_bc39, 0x813f_9258, 0xcbff_c94a, 0x853b_35d4, 0x611a_63f3]),
    ("defocus_blur", [0x29dc_5373, 0x19ba_bd64, 0xd722_fe52, 0x2837_9f23, 0xbb6b_9a52]),
    ("glass_blur", [0x5edc_9a91, 0x98d3_2d41, 0x394e_3819, 0x1dcc_9c69, 0x19fb_07dc]),
    ("motion_blur", [0x0440_32b1, 0x455d_7e2a, 0xfa35_cd91, 0x211c_86e3, 0x3604_75c6]),
    ("zoom_blur", [0x99c2_b681, 0xc98a_b4b6, 0x5212_ca9e, 0x4246_8502, 0x708a_ed8c]),
    ("snow", [0xa51e_b4a2, 0xbd3d_1638, 0x1832_a5d7, 0xcf4d_977e, 0x50b7_d346]),
    ("frost", [0x053f_0f75, 0xbaf2_1329, 0x4abc_5cf0, 0xed10_3115, 0xfa90_361d]),
    ("fog", [0xb90d_b972, 0x5082_1d60, 0xce0e_e1d0, 0x4a46_8dd8, 0xe52f_203a]),
    ("brightness", [0x2e83_d6ee, 0x1b5f_4afc, 0x88a1_1e9d, 0x6b2f_fc90, 0x2b1b_e31a]),
    ("contrast", [0x3b59_90f1, 0x23e4_9233, 0xb487_3b49, 0x56ab_b4be, 0xefa2_202a]),
    ("elastic_transform", [0xabe1_2d82, 0x2859_3f5f, 0x4b85_b49d, 0xa0fe_9386, 0x2f35_7134]),
    ("pixelate", [0xa853_2989, 0x09df_c608, 0xcb8f_d717, 0x7da7_9f0d, 0xee46_69cb]),
    ("jpeg_compression", [0xe86f_81a1, 0xc1f0_e860, 0x8c7a_95a7, 0x4a4a_159b, 0x6823_7d4d]),
];

#[test]
fn every_corruption_has_its_stored_digest() {
    let images = [scene(28, 28, 1, 0), scene(32, 32, 3, 0)];
    let found = Corruption::ALL.map(|kind| {
        let digests = Severity::ALL.map(|severity| {
            let mut hasher = blake3::Hasher::new();
            images.iter().for_each(|image| {
                hasher.update(kind.apply(image, severity, 1, 0).samples());
            });
            u32::from_be_bytes(*hasher.finalize().as_bytes().first_chunk().unwrap())
        });
        (kind.name(), digests)
    });
    assert_eq!(found, FROZEN, "{found:#010x?}");
}
