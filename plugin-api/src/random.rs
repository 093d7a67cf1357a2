/// A small seeded generator with one fixed sequence per state: `SplitMix64` (Steele, Lea and Flood 2014).
///
/// Every random choice behind a contract of this crate comes from a job's seed, and stored results rest on the
/// sequence; a random number library may change its streams between versions, this never does. Not for secrets.
///
/// # Examples
///
/// ```
/// let mut random = lookalike_plugin_api::SplitMix64::new(1_234_567);
/// assert_eq!(random.bits(), 6_457_827_717_110_365_317);
/// assert_eq!(random.bits(), 3_203_168_211_198_807_973);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The generator in this state.
    pub fn new(state: u64) -> Self {
        Self { state }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Self::mix(self.state)
    }

    /// Uniform in 0 (included) to 1 (not included), in steps of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Uniform in `0..bound`, 0 for a bound of 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        // The high half of a 64 x 64 bit product.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// The generator's finaliser: every bit of `z` reaches every bit of the result. It makes states that do not
    /// resemble each other from seeds that do.
    pub fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
