use std::f32::consts::TAU;

use lookalike_plugin_api::SplitMix64;

use crate::elementary;

/// What both kinds of numbers have in common.
macro_rules! draws {
    ($random:ident) => {
        impl $random {
            /// The generator in this state. Seeds that resemble each other should be mixed before, see
            /// [`SplitMix64::mix`].
            pub fn new(state: u64) -> Self {
                Self(SplitMix64::new(state))
            }

            /// 64 random bits.
            pub fn bits(&mut self) -> u64 {
                self.0.bits()
            }

            /// Uniform in `0..bound`, 0 for a bound of 0. The bias is below `bound / 2^64`.
            pub fn below(&mut self, bound: usize) -> usize {
                self.0.below(bound)
            }

            /// Puts `items` into random order (Fisher and Yates).
            pub fn shuffle<T>(&mut self, items: &mut [T]) {
                for last in (1..items.len()).rev() {
                    items.swap(last, self.below(last + 1));
                }
            }

            /// The numbers `0..n` in random order.
            pub fn permutation(&mut self, n: usize) -> Vec<usize> {
                let mut order: Vec<usize> = (0..n).collect();
                self.shuffle(&mut order);
                order
            }
        }
    };
}

/// Seeded random numbers in `f64`: [`SplitMix64`]'s sequence, the same bits on every platform and in every version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random(SplitMix64);

draws!(Random);

impl Random {
    /// Uniform in 0 (included) to 1 (not included), in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        // The upper 53 bits fill the mantissa exactly.
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `least..most`.
    pub fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    /// Mean 0, standard deviation 1, by Marsaglia's polar method (Marsaglia and Bray 1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * elementary::ln(square) / square).sqrt();
            }
        }
    }
}

/// The same in `f32`, of which every number costs 24 bits of one draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random32(SplitMix64);

draws!(Random32);

impl Random32 {
    /// Uniform in 0 (included) to 1 (not included), in steps of 2^-24.
    pub fn unit(&mut self) -> f32 {
        self.0.unit()
    }

    /// Uniform in `least..most`.
    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.unit()
    }

    /// Mean 0, standard deviation 1 (Box and Muller 1958). Logarithm and cosine are taken in `f64` and rounded, because
    /// those of the platforms' libraries differ in their last bits.
    pub fn normal(&mut self) -> f32 {
        let logarithm = elementary::ln(f64::from(1.0 - self.unit())) as f32;
        let (_, cosine) = elementary::sin_cos(f64::from(TAU * self.unit()));
        (-2.0 * logarithm).sqrt() * cosine as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: stored results and documented runs rest on these bits.
    #[test]
    fn numbers_never_change_between_platforms_and_versions() {
        let wide = |seed: u64| {
            let mut random = Random::new(seed);
            let numbers = [random.unit(), random.between(-3.0, 5.0), random.normal(), random.normal()];
            (numbers.map(f64::to_bits), random.permutation(6))
        };
        let narrow = |seed: u64| {
            let mut random = Random32::new(seed);
            let numbers = [random.unit(), random.between(-3.0, 5.0), random.normal(), random.normal()];
            (numbers.map(f32::to_bits), random.permutation(6))
        };
        let wide_1 =
            [0x3fe2_2145_bd91_204b, 0x4007_bae3_6859_63ba, 0x3fdd_368f_e72b_b620, 0xbfd4_eaec_1cb1_1224];
        assert_eq!(wide(1), (wide_1, vec![3, 0, 4, 1, 2, 5]));
        let wide_99 =
            [0x3fd0_bcea_4d93_11da, 0xc005_f951_b9de_18a6, 0xbfe4_56a1_e824_49e9, 0x3fec_dcb4_4481_cfa9];
        assert_eq!(wide(99), (wide_99, vec![1, 0, 5, 4, 2, 3]));
        let narrow_1 = [0x3f11_0a2d, 0x403d_d71a, 0xc020_0118, 0x3db3_a7a4];
        assert_eq!(narrow(1), (narrow_1, vec![3, 0, 4, 1, 2, 5]));
        let narrow_99 = [0x3e85_e752, 0xc02f_ca8e, 0x3fc2_65f6, 0x3d70_9a8f];
        assert_eq!(narrow(99), (narrow_99, vec![0, 5, 1, 2, 3, 4]));
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let check = |numbers: Vec<f64>| {
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            let variance = numbers.iter().map(|v| v * v).sum::<f64>() / numbers.len() as f64;
            assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
        };
        let (mut wide, mut narrow) = (Random::new(1), Random32::new(2));
        check((0..20_000).map(|_| wide.normal()).collect());
        check((0..20_000).map(|_| f64::from(narrow.normal())).collect());
    }

    #[test]
    fn a_permutation_has_every_number_once() {
        let mut order = Random::new(4).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert_eq!((Random32::new(4).permutation(0), Random32::new(4).below(0)), (vec![], 0));
    }
}
