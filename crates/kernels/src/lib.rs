//! The numeric ground that several crates share: plain numbers in, plain numbers out, the same bits on every platform.
//!
//! [`Random`] and [`Random32`] draw seeded random numbers, [`elementary`] has functions built of what IEEE 754 fixes.
//! Nothing here reads, writes or starts a thread.

pub mod elementary;
mod random;

pub use random::{Random, Random32};
