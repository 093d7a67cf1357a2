use lookalike_kernels::elementary;
use lookalike_plugin_api::Image;

use crate::corruption::raster::Raster;
use lookalike_kernels::Random;

const DEVIATION: [f64; 5] = [0.04, 0.06, 0.08, 0.09, 0.10];
const PHOTONS: [f64; 5] = [500.0, 250.0, 100.0, 75.0, 50.0];
const SHARE: [f64; 5] = [0.01, 0.02, 0.03, 0.05, 0.07];

pub(super) fn gaussian(mut raster: Raster, level: usize, random: &mut Random) -> Raster {
    for value in &mut raster.values {
        *value += (DEVIATION[level] * random.normal()) as f32;
    }
    raster
}

/// Each sample of value v becomes a Poisson number of mean `v * photons`, over `photons`.
pub(super) fn shot(image: &Image, level: usize, random: &mut Random) -> Raster {
    let photons = PHOTONS[level];
    // There are 256 means at most, and a number is found in its mean's distribution by one search.
    let mut distributions: Vec<Option<Vec<f64>>> = vec![None; 256];
    let mut raster = Raster::of(image);
    for (value, sample) in raster.values.iter_mut().zip(image.samples()) {
        let distribution = distributions[usize::from(*sample)]
            .get_or_insert_with(|| poisson(photons * f64::from(*sample) / 255.0));
        let share = random.unit();
        let count = distribution.partition_point(|up_to| *up_to <= share);
        *value = (count as f64 / photons) as f32;
    }
    raster
}

/// The probabilities of at most 0, 1, 2, .. for a Poisson number of this mean, up to where they no longer grow.
fn poisson(mean: f64) -> Vec<f64> {
    let (mut term, mut sum, mut distribution) = (elementary::exp(-mean), 0.0_f64, Vec::new());
    for count in 1_u32.. {
        let next = sum + term;
        if f64::from(count) > mean && next <= sum {
            break;
        }
        sum = next;
        distribution.push(sum);
        term *= mean / f64::from(count);
    }
    distribution
}

/// A share of the samples becomes 0 or 1, each as likely.
pub(super) fn impulse(mut raster: Raster, level: usize, random: &mut Random) -> Raster {
    for value in &mut raster.values {
        let (hit, white) = (random.unit() < SHARE[level], random.unit() < 0.5);
        if hit {
            *value = if white { 1.0 } else { 0.0 };
        }
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Use;
    use crate::random::seeded;

    #[test]
    fn photons_have_the_mean_and_variance_of_their_number() {
        let image = Image::new(100, 100, 1, vec![128; 10_000]).unwrap();
        let raster = shot(&image, 4, &mut seeded(1, Use::Corruption, 0));
        let mean = 128.0 / 255.0;
        let found = raster.values.iter().sum::<f32>() / 10_000.0;
        let variance = raster.values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 10_000.0;
        assert!(
            (found - mean).abs() < 0.005 && (variance / (mean / 50.0) - 1.0).abs() < 0.06,
            "{found} {variance}"
        );
    }

    #[test]
    fn a_distribution_ends_at_certainty() {
        assert_eq!(poisson(0.0), [1.0]);
        for mean in [0.5, 3.0, 500.0] {
            let last = *poisson(mean).last().unwrap();
            assert!((last - 1.0).abs() < 1e-9, "{mean}: {last}");
        }
    }

    #[test]
    fn impulses_hit_the_share_of_the_table() {
        let image = Image::new(100, 100, 1, vec![128; 10_000]).unwrap();
        let raster = impulse(Raster::of(&image), 3, &mut seeded(1, Use::Corruption, 0));
        let hit = raster.values.iter().filter(|v| **v < 0.1 || **v > 0.9).count();
        assert!((430..570).contains(&hit), "{hit} of 10000");
    }
}
