//! Limits that several parts of a network share.

/// Largest side of a model's input, in pixels. The work tables of the forward pass grow with its square.
pub const MAX_INPUT_SIDE: usize = 1024;
