//! Clock and chance: what a new database is stamped with.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 UTC; 0 on a clock that is set before.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// Bytes that no other database has. They need not be hard to guess.
pub(crate) fn uuid() -> [u8; 16] {
    // The standard library seeds each of these from the system's random source.
    let half = || RandomState::new().build_hasher().finish();
    ((u128::from(half()) << 64) | u128::from(half())).to_be_bytes()
}
