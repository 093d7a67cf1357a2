use std::env;
use std::thread;

use lookalike_plugin_api::SplitMix64;

/// The seed of a test with random choices: `LOOKALIKE_SEED`, or a fixed one. It is printed when the test fails.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn take() -> Self {
        let given = env::var("LOOKALIKE_SEED").ok();
        Self(given.map_or(2_026, |text| text.parse().expect("LOOKALIKE_SEED is a number")))
    }

    pub(crate) fn number(&self) -> u64 {
        self.0
    }

    pub(crate) fn random(&self) -> SplitMix64 {
        SplitMix64::new(SplitMix64::mix(self.0))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("LOOKALIKE_SEED={}", self.0);
        }
    }
}
