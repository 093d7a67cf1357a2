//! Sine, cosine, logarithm and exponential from additions, multiplications and divisions alone.
//!
//! The platforms' mathematical libraries differ in the last bits, and a last bit can tip a rounding to 8 bits.
//! IEEE 754 fixes the four operations and the square root, so what is built from them is the same everywhere.

use std::f64::consts::{FRAC_PI_2, LN_2, SQRT_2};

/// Sine and cosine of an angle in radians of at most a few turns.
pub fn sin_cos(angle: f64) -> (f64, f64) {
    let quarters = (angle / FRAC_PI_2).round();
    let x = angle - quarters * FRAC_PI_2;
    // |x| <= pi/4: twenty terms of the two series are exact to the last bits of an f64.
    let (mut sine, mut cosine, mut term) = (0.0, 0.0, 1.0);
    for n in 0..20_u32 {
        match n % 4 {
            0 => cosine += term,
            1 => sine += term,
            2 => cosine -= term,
            _ => sine -= term,
        }
        term *= x / f64::from(n + 1);
    }
    match quarters as i64 & 3 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// Natural logarithm of a positive normal number.
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); the argument is at most 0.172, so twelve terms suffice.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut sum, mut power) = (0.0, z);
    for n in 0..12_u32 {
        sum += power / f64::from(2 * n + 1);
        power *= z * z;
    }
    2.0 * sum + f64::from(exponent) * LN_2
}

/// Exponential of a number of at most 0; below -700 it is 0.
pub fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let halvings = (x / LN_2).round();
    let rest = x - halvings * LN_2;
    let (mut sum, mut term) = (0.0, 1.0);
    for n in 0..18_u32 {
        sum += term;
        term *= rest / f64::from(n + 1);
    }
    sum * f64::from_bits((halvings as i64 + 1023).cast_unsigned() << 52)
}

/// The nearest 8-bit sample: rounded half away from zero, clamped, and 0 for NaN.
#[expect(clippy::cast_sign_loss, reason = "the cast saturates, which is the clamp")]
pub fn to_sample(value: f64) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_agree_with_the_standard_library() {
        for step in -700..=700 {
            let angle = f64::from(step) * 0.01;
            let (sine, cosine) = sin_cos(angle);
            assert!((sine - angle.sin()).abs() < 1e-14 && (cosine - angle.cos()).abs() < 1e-14, "{angle}");
        }
    }

    #[test]
    fn the_exponential_agrees_with_the_standard_library() {
        for step in 0..3_000 {
            let x = -f64::from(step) * 0.01;
            assert!((exp(x) - x.exp()).abs() <= 1e-14 * x.exp(), "{x}");
        }
        assert_eq!(exp(f64::NEG_INFINITY).to_bits(), 0);
    }

    #[test]
    fn the_logarithm_agrees_with_the_standard_library() {
        for step in 1..2_000 {
            let x = f64::from(step) * 0.003;
            assert!((ln(x) - x.ln()).abs() < 1e-14, "{x}");
        }
    }
}
