use lookalike_datasets::elementary;
use lookalike_plugin_api::SplitMix64;

/// What random numbers are drawn for. Each use has streams of its own, so that drawing more for one never changes
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Resamples of a bootstrap.
    Bootstrap,
    /// What a corruption draws.
    Corruption,
    /// The start of an attack.
    Attack,
    /// Which images are exemplars, and which are asked for.
    Subject,
    /// Settings that a search tries.
    Trial,
    /// Which pairs are judged first, and in which order their lists are shown.
    Judge,
}

/// Seeded random numbers: the same on every platform and in every version.
#[derive(Debug, Clone)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The generator of one `stream` of a seed; streams of one seed do not resemble each other.
    pub(crate) fn new(seed: u64, purpose: Use, stream: u64) -> Self {
        let mixed = SplitMix64::new(seed).bits() ^ (purpose as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self(SplitMix64::new(SplitMix64::mix(mixed) ^ SplitMix64::new(stream).bits()))
    }

    /// Uniform in 0 (included) to 1 (not included), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `least` to `most`.
    pub(crate) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    /// Uniform in 0..`bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// An order of its own.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Mean 0, standard deviation 1, by Marsaglia's polar method.
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
    fn uses_and_streams_of_one_seed_differ() {
        let first = |purpose, stream| Random::new(7, purpose, stream).0.bits();
        assert_ne!(first(Use::Bootstrap, 0), first(Use::Corruption, 0));
        assert_ne!(first(Use::Corruption, 0), first(Use::Corruption, 1));
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_unit_spread() {
        let mut random = Random::new(1, Use::Corruption, 2);
        let numbers: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
