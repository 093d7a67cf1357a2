use lookalike_kernels::Random;
use lookalike_plugin_api::SplitMix64;

/// The generator of one `stream` of a seed; streams of one seed do not resemble each other. What the glyphs of a seed
/// look like is part of this crate's promise.
pub(crate) fn seeded(seed: u64, stream: u64) -> Random {
    Random::new(SplitMix64::mix(seed ^ SplitMix64::new(stream).bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(seeded(7, 0).bits(), seeded(7, 1).bits());
        assert_ne!(seeded(7, 0).bits(), seeded(8, 0).bits());
    }
}
