use lookalike_kernels::Random;
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

/// The generator of one `stream` of a seed; streams of one seed do not resemble each other.
pub(crate) fn seeded(seed: u64, purpose: Use, stream: u64) -> Random {
    let mixed = SplitMix64::new(seed).bits() ^ (purpose as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    Random::new(SplitMix64::mix(mixed) ^ SplitMix64::new(stream).bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_and_streams_of_one_seed_differ() {
        let bits = |purpose, stream| seeded(7, purpose, stream).bits();
        assert_ne!(bits(Use::Bootstrap, 0), bits(Use::Attack, 0));
        assert_ne!(bits(Use::Bootstrap, 0), bits(Use::Bootstrap, 1));
    }
}
