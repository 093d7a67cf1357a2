use lookalike_kernels::Random32;
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

/// The generator of one stream of a seed; streams of one seed do not resemble each other.
pub(crate) fn seeded(seed: u64, stream: Stream) -> Random32 {
    let mixed = SplitMix64::new(seed).bits();
    Random32::new(mixed ^ (stream as u64).wrapping_mul(0xd1b5_4a32_d192_ed03))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change_between_versions() {
        // Frozen: stored results and documented runs rest on these.
        let mut random = seeded(7, Stream::Trigger);
        assert_eq!([(); 3].map(|()| random.bits() >> 48), [47_284, 42_579, 36_003]);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(seeded(7, Stream::Trigger).bits(), seeded(7, Stream::Order).bits());
    }
}
