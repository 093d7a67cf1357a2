//! What the rankings of one run may take.

/// Most memory for what layers see of the exemplars, of all baselines together.
pub(crate) const MOST_LAYER_BYTES: u64 = 1 << 32;
