/// Decay of the first moment.
const BETA_1: f64 = 0.9;
/// Decay of the second moment.
const BETA_2: f64 = 0.999;
/// Keeps the denominator away from zero.
const EPSILON: f32 = 1e-8;

/// The optimiser of both the trigger and the head: Adam with bias correction and the usual constants (betas 0.9
/// and 0.999, epsilon 1e-8), rounding where `PyTorch` rounds.
///
/// *Determinism*: one update depends on its arguments and the updates before it alone.
///
/// # Examples
///
/// ```
/// use lookalike_tmm::Adam;
///
/// // The first update is a full step against the gradient's sign, whatever its size.
/// let mut adam = Adam::new(2, 0.1);
/// let mut parameters = [1.0, 1.0];
/// adam.update(&mut parameters, &[3.0, -0.002]);
/// assert!((parameters[0] - 0.9).abs() < 1e-5 && (parameters[1] - 1.1).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    learning_rate: f64,
    updates: i32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// An optimiser of `parameters` values that has made no update yet.
    pub fn new(parameters: usize, learning_rate: f64) -> Self {
        Self { learning_rate, updates: 0, first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// Moves `parameters` against `gradient`. Values beyond the shortest of parameters, gradient and the count
    /// given to [`Adam::new`] stay as they are.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32]) {
        self.updates = self.updates.saturating_add(1);
        let correction_1 = 1.0 - BETA_1.powi(self.updates);
        let correction_2 = (1.0 - BETA_2.powi(self.updates)).sqrt() as f32;
        let step = (self.learning_rate / correction_1) as f32;
        let (keep_2, take_1, take_2) = (BETA_2 as f32, (1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, &slope), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *first += take_1 * (slope - *first);
            *second = *second * keep_2 + take_2 * slope * slope;
            *parameter -= step * *first / (second.sqrt() / correction_2 + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_agree_with_a_run_of_the_reference_optimiser() {
        // The formulas in f64, written out for one parameter and three gradients.
        let (mut m, mut v, mut x) = (0.0_f64, 0.0_f64, 0.5_f64);
        let mut adam = Adam::new(1, 0.015);
        let mut parameter = [0.5_f32];
        for (t, g) in (1_i32..).zip([0.3_f64, -0.7, 0.01]) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            x -= 0.015 * (m / (1.0 - 0.9_f64.powi(t))) / ((v / (1.0 - 0.999_f64.powi(t))).sqrt() + 1e-8);
            adam.update(&mut parameter, &[g as f32]);
            assert!((f64::from(parameter[0]) - x).abs() < 1e-6, "{} {x}", parameter[0]);
        }
    }
}
