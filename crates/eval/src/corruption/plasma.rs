use lookalike_kernels::Random;

/// A seeded fractal landscape by the diamond-square algorithm (Fournier, Fussell and Carpenter 1982), scaled to 0..=1,
/// of `side` x `side` values row by row, which tiles. Each finer level varies by `decay` times less.
///
/// `side` is a power of two, 2 at least.
pub(super) fn plasma(side: usize, decay: f64, random: &mut Random) -> Vec<f32> {
    let mut map = vec![0.0_f32; side * side];
    let mut step = side;
    let mut wobble = 100.0;
    while step >= 2 {
        let half = step / 2;
        let mut set = |map: &mut Vec<f32>, row: usize, column: usize, around: [(usize, usize); 4]| {
            let sum: f32 = around.iter().map(|(row, column)| map[row % side * side + column % side]).sum();
            map[row * side + column] = sum / 4.0 + (wobble * random.between(-wobble, wobble)) as f32;
        };
        for row in (0..side).step_by(step) {
            for column in (0..side).step_by(step) {
                let corners =
                    [(row, column), (row, column + step), (row + step, column), (row + step, column + step)];
                set(&mut map, row + half, column + half, corners);
            }
        }
        for row in (0..side).step_by(half) {
            // Every second point of this grid is a corner or a centre already.
            let first = if (row / half).is_multiple_of(2) { half } else { 0 };
            for column in (first..side).step_by(step) {
                let (up, left) = (row + side - half, column + side - half);
                let around = [(up, column), (row + half, column), (row, left), (row, column + half)];
                set(&mut map, row, column, around);
            }
        }
        step = half;
        wobble /= decay;
    }
    let least = map.iter().copied().fold(f32::INFINITY, f32::min);
    let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let spread = (most - least).max(f32::MIN_POSITIVE);
    map.iter_mut().for_each(|value| *value = (*value - least) / spread);
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Use;
    use crate::random::seeded;

    #[test]
    fn a_landscape_fills_its_range_and_slow_decay_is_rougher() {
        let roughness = |decay: f64| {
            let map = plasma(64, decay, &mut seeded(1, Use::Corruption, 0));
            assert!(map.iter().all(|v| (0.0..=1.0).contains(v)));
            assert!(map.contains(&0.0) && map.contains(&1.0));
            map.chunks(64).flat_map(|row| row.windows(2)).map(|pair| (pair[1] - pair[0]).abs()).sum::<f32>()
        };
        assert!(roughness(1.2) > 1.5 * roughness(3.0));
        assert_eq!(plasma(2, 3.0, &mut seeded(1, Use::Corruption, 0)).len(), 4);
    }
}
