//! Exponential, logarithm, sine and cosine from the operations whose every bit IEEE 754 fixes: the platforms'
//! mathematical libraries differ in the last bits, and the corruptions are held against stored digests.

use std::f64::consts::{FRAC_PI_2, LN_2};

/// e^x for -700..=700; 0 below.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let doublings = (x / LN_2).round();
    let rest = x - doublings * LN_2;
    // Horner's scheme of the series; |rest| <= 0.35, so the term after the last is below 1e-17.
    let sum = (1..=15_u32).rev().fold(1.0, |sum, n| 1.0 + sum * rest / f64::from(n));
    sum * f64::from_bits((doublings as i64 + 1023).cast_unsigned() << 52)
}

/// The natural logarithm of a positive normal number.
pub(crate) fn ln(x: f64) -> f64 {
    let exponent = ((x.to_bits() >> 52) & 0x7ff).cast_signed() - 1023;
    let mantissa = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    // artanh's series: the argument is at most 1/3, the term after the last below 1e-17.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let sum = (0..17_u32).rev().fold(0.0, |sum, n| sum * z * z + 1.0 / f64::from(2 * n + 1));
    2.0 * z * sum + exponent as f64 * LN_2
}

/// Sine and cosine of an angle in radians of at most a few turns.
pub(crate) fn sin_cos(angle: f64) -> (f64, f64) {
    let quarters = (angle / FRAC_PI_2).round();
    let x = angle - quarters * FRAC_PI_2;
    let series = |first: u32, start: f64| {
        (0..9_u32).rev().fold(1.0, |sum, n| {
            let next = f64::from((2 * n + first) * (2 * n + first + 1));
            1.0 - sum * x * x / next
        }) * start
    };
    let (sine, cosine) = (series(2, x), series(1, 1.0));
    match quarters as i64 & 3 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library() {
        for step in -1_400..1_400 {
            let x = f64::from(step) * 0.0101;
            assert!((exp(x) - x.exp()).abs() <= 4e-15 * x.exp(), "exp {x}");
            let (sine, cosine) = sin_cos(x);
            assert!((sine - x.sin()).abs() < 4e-15 && (cosine - x.cos()).abs() < 4e-15, "angle {x}");
            let positive = (x + 15.0) * 0.1;
            assert!((ln(positive) - positive.ln()).abs() < 2e-15, "ln {positive}");
        }
        assert_eq!(exp(-1e9).to_bits(), 0);
    }
}
