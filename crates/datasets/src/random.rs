use lookalike_plugin_api::SplitMix64;

use crate::elementary;

/// Seeded random numbers: what the glyphs of a seed look like is part of this crate's promise.
#[derive(Debug, Clone)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The generator of one `stream` of a seed; streams of one seed do not resemble each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(SplitMix64::new(SplitMix64::mix(seed ^ SplitMix64::new(stream).bits())))
    }

    /// A number in 0..1, 1 excluded.
    pub(crate) fn unit(&mut self) -> f64 {
        // The upper 53 bits fill the mantissa exactly.
        (self.0.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number in `least..most`.
    pub(crate) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    /// A whole number in `0..bound`; the bias of the multiplication is below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// A number from the normal distribution of mean 0 and deviation 1, by Marsaglia's polar method.
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * elementary::ln(square) / square).sqrt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(1, 2);
        let numbers: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Random::new(7, 0).0.bits(), Random::new(7, 1).0.bits());
        assert_ne!(Random::new(7, 0).0.bits(), Random::new(8, 0).0.bits());
    }
}
