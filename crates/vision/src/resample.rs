//! Bilinear resizing with antialiasing: a triangle filter that widens when shrinking, as `Pillow` and torchvision
//! have it.

/// `plane` of `from` (height, width) at the size `to`. The same size gives the same values.
pub(crate) fn resample(plane: Vec<f32>, from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let [height, width] = from;
    let mut rows = plane;
    if to[1] != width {
        let taps = taps(width, to[1]);
        let stretch = |row: &[f32]| taps.iter().map(|tap| tap.sum(|at| row[at])).collect::<Vec<f32>>();
        rows = rows.chunks_exact(width).flat_map(stretch).collect();
    }
    if to[0] != height {
        let width = to[1];
        let at_row = |tap: &Tap| {
            (0..width).map(|column| tap.sum(|at| rows[at * width + column])).collect::<Vec<f32>>()
        };
        rows = taps(height, to[0]).iter().flat_map(at_row).collect();
    }
    rows
}

/// The weights of consecutive samples for one place of the output.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

impl Tap {
    fn sum(&self, sample: impl Fn(usize) -> f32) -> f32 {
        self.weights.iter().enumerate().map(|(offset, weight)| weight * sample(self.first + offset)).sum()
    }
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let radius = scale.max(1.0);
    let tap = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        // Rounded to the nearest sample, as the model implementations do: a sample on the rim weighs nothing.
        let first = edge(centre - radius, from);
        let last = edge(centre + radius, from).max(first + 1).min(from);
        let weight = |at: usize| (1.0 - ((at as f64 + 0.5 - centre) / radius).abs()).max(0.0);
        let total: f64 = (first..last).map(weight).sum();
        Tap { first, weights: (first..last).map(|at| (weight(at) / total) as f32).collect() }
    };
    (0..to).map(tap).collect()
}

#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=length before the conversion")]
fn edge(place: f64, length: usize) -> usize {
    (place + 0.5).clamp(0.0, length as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_with_a_triangle_of_twice_the_width() {
        // Centres of the output lie between samples 0 and 1, 2 and 3, ...; weights 1/8, 3/8, 3/8, 1/8 inside and
        // 3/7, 3/7, 1/7 at the rim.
        let found = resample(vec![0.0, 70.0, 140.0, 210.0], [1, 4], [1, 2]);
        let expected = [(3.0 * 70.0 + 140.0) / 7.0, (70.0 + 3.0 * 140.0 + 3.0 * 210.0) / 7.0];
        assert!(
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-4),
            "{found:?}"
        );
    }

    #[test]
    fn doubling_interpolates_between_centres() {
        let found = resample(vec![0.0, 100.0], [2, 1], [4, 1]);
        assert_eq!(found, [0.0, 25.0, 75.0, 100.0]);
    }

    #[test]
    fn a_plane_of_the_right_size_stays_as_it_is() {
        let plane: Vec<f32> = (0..6u8).map(f32::from).collect();
        assert_eq!(resample(plane.clone(), [2, 3], [2, 3]), plane);
    }

    #[test]
    fn an_even_plane_stays_even_at_any_size() {
        let found = resample(vec![7.0; 35], [5, 7], [3, 11]);
        assert_eq!(found.len(), 33);
        assert!(found.iter().all(|value| (value - 7.0).abs() < 1e-4));
    }
}
