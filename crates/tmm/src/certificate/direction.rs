use lookalike_vision::Pixels;

use lookalike_kernels::Random32;

/// A direction, uniform on the unit sphere of `values` dimensions.
pub(super) fn direction(random: &mut Random32, values: usize) -> Vec<f64> {
    let mut drawn: Vec<f64> = (0..values).map(|_| f64::from(random.normal())).collect();
    let length = drawn.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        drawn.iter_mut().for_each(|value| *value /= length);
    }
    drawn
}

/// `from`, moved by `distance` along a direction.
pub(super) fn moved(from: &Pixels, towards: &[f64], distance: f64) -> Pixels {
    let mut moved = from.clone();
    for (value, step) in moved.values_mut().iter_mut().zip(towards) {
        *value = (f64::from(*value) + distance * step) as f32;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::random::seeded;

    #[test]
    fn a_direction_has_unit_length_and_prefers_no_side() {
        let mut random = seeded(1, Stream::Directions);
        let mut mean = [0.0; 3];
        for _ in 0..4000 {
            let drawn = direction(&mut random, 3);
            assert!((drawn.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-9);
            mean.iter_mut().zip(&drawn).for_each(|(sum, value)| *sum += value / 4000.0);
        }
        assert!(mean.iter().all(|side| side.abs() < 0.03), "{mean:?}");
    }
}
