use lookalike_plugin_api::SplitMix64;

/// What random numbers are drawn for. Each use has a stream of its own, so that drawing more of one kind (a longer
/// trigger, say) never changes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The trigger's start.
    Trigger,
    /// The dummy row's start.
    DummyRow,
    /// The order of the batches.
    Order,
    /// Disturbed copies of the query.
    Positives,
    /// The noise of a view.
    Noise,
    /// Points around the query at which the certificate looks.
    Ball,
    /// Directions in which the query is moved to see its ranking change.
    Directions,
}

/// Seeded random numbers: the same on every platform and in every version.
#[derive(Debug, Clone)]
pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        let mixed = SplitMix64::new(seed).bits();
        Self(SplitMix64::new(mixed ^ (stream as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }

    /// Uniform in 0 (included) to 1 (not included), 24 bits.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0.unit()
    }

    /// Uniform in `least` to `most`.
    pub(crate) fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.unit()
    }

    /// Mean 0, standard deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// Uniform in 0..`bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// The numbers 0..`n` in random order.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change_between_versions() {
        // Frozen: stored results and documented runs rest on these.
        let mut random = Random::new(7, Stream::Trigger);
        let drawn: Vec<u64> = (0..3).map(|_| random.0.bits() >> 48).collect();
        assert_eq!(drawn, FROZEN);
    }

    const FROZEN: [u64; 3] = [47_284, 42_579, 36_003];

    #[test]
    fn streams_of_one_seed_differ() {
        let mut a = Random::new(1, Stream::Trigger);
        let mut b = Random::new(1, Stream::Order);
        assert_ne!(a.0.bits(), b.0.bits());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_unit_spread() {
        let mut random = Random::new(3, Stream::Positives);
        let drawn: Vec<f32> = (0..20_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f32>() / 20_000.0;
        let spread = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (spread - 1.0).abs() < 0.05, "{mean} {spread}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Random::new(5, Stream::Order).permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
