//! Updates from gradients.

use super::config::{Optimiser, TrainConfig};
use super::gradient::{Gradient, Trainee};
use crate::compute::Chunks;

/// An optimiser with what it remembers of earlier steps.
#[derive(Debug)]
pub(super) struct OptimiserState {
    rule: Optimiser,
    decay: f32,
    clip: Option<f32>,
    /// Velocities of SGD; first, then second moments of `AdamW`. One value per value of each parameter.
    pub(super) moments: Vec<Vec<Vec<f32>>>,
}

/// Values that one task updates. The cuts change no result: each value's update depends on that value alone.
const PIECE: usize = 1 << 16;

/// One run of values, and all that its update needs.
struct Piece<'a> {
    values: &'a mut [f32],
    gradient: &'a [f32],
    moments: Vec<&'a mut [f32]>,
    decay: f32,
}

impl OptimiserState {
    pub(super) fn new(config: &TrainConfig, trainee: &Trainee) -> Self {
        let moments = match config.optimiser {
            Optimiser::Sgd { .. } => 1,
            Optimiser::AdamW { .. } => 2,
        };
        let zeros: Vec<Vec<f32>> =
            trainee.parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect();
        Self {
            rule: config.optimiser,
            decay: config.weight_decay,
            clip: config.clip,
            moments: vec![zeros; moments],
        }
    }

    /// Update `number` of all parameters, counted from 1.
    pub(super) fn update(
        &mut self,
        trainee: &mut Trainee,
        gradient: &Gradient,
        rate: f32,
        number: u64,
        chunks: &Chunks,
    ) {
        let factor = self.clip.map_or(1.0, |most| clipping(&gradient.values, most));
        let step = Step::new(self.rule, rate, factor, number);
        let mut moments: Vec<_> = self.moments.iter_mut().map(|moments| moments.iter_mut()).collect();
        let mut pieces = Vec::new();
        for (parameter, gradient) in trainee.parameters.iter_mut().zip(&gradient.values) {
            let decay = if parameter.decays { self.decay } else { 0.0 };
            let mut of_moments: Vec<_> = moments
                .iter_mut()
                .filter_map(Iterator::next)
                .map(|values| values.chunks_mut(PIECE))
                .collect();
            for (values, gradient) in parameter.values.chunks_mut(PIECE).zip(gradient.chunks(PIECE)) {
                let moments = of_moments.iter_mut().filter_map(Iterator::next).collect();
                pieces.push(Piece { values, gradient, moments, decay });
            }
        }
        let updated = chunks.map(pieces, |piece| {
            step.apply(piece);
            Ok::<(), std::convert::Infallible>(())
        });
        match updated {
            Ok(_) => (),
            Err(never) => match never {},
        }
    }
}

/// The factor that shortens a gradient to `most`, if it is longer.
fn clipping(gradient: &[Vec<f32>], most: f32) -> f32 {
    let square: f64 = gradient.iter().flatten().map(|&value| f64::from(value) * f64::from(value)).sum();
    (f64::from(most) / square.sqrt()).min(1.0) as f32
}

/// The numbers that all values of one update share.
#[derive(Debug, Clone, Copy)]
struct Step {
    rule: Optimiser,
    rate: f32,
    /// Factor on the gradient.
    factor: f32,
    /// 1 - beta1^t and the root of 1 - beta2^t of `AdamW`.
    corrections: [f32; 2],
}

impl Step {
    fn new(rule: Optimiser, rate: f32, factor: f32, steps: u64) -> Self {
        let corrections = match rule {
            Optimiser::Sgd { .. } => [1.0, 1.0],
            Optimiser::AdamW { beta1, beta2, .. } => {
                let left = |beta: f32| 1.0 - f64::from(beta).powf(steps as f64);
                [left(beta1) as f32, left(beta2).sqrt() as f32]
            }
        };
        Self { rule, rate, factor, corrections }
    }

    fn apply(&self, piece: Piece<'_>) {
        let Piece { values, gradient, mut moments, decay } = piece;
        let rate = self.rate;
        match (self.rule, &mut moments[..]) {
            (Optimiser::Sgd { momentum, nesterov }, [velocities]) => {
                for ((value, velocity), gradient) in values.iter_mut().zip(&mut **velocities).zip(gradient) {
                    let slope = self.factor * gradient + decay * *value;
                    *velocity = momentum * *velocity + slope;
                    *value -= rate * if nesterov { slope + momentum * *velocity } else { *velocity };
                }
            }
            (Optimiser::AdamW { beta1, beta2, eps }, [first, second]) => {
                let [of_first, of_second] = self.corrections;
                let moments = first.iter_mut().zip(&mut **second);
                for ((value, (first, second)), gradient) in values.iter_mut().zip(moments).zip(gradient) {
                    let slope = self.factor * gradient;
                    *first = beta1 * *first + (1.0 - beta1) * slope;
                    *second = beta2 * *second + (1.0 - beta2) * slope * slope;
                    let length = second.sqrt() / of_second + eps;
                    *value -= rate * (decay * *value + *first / of_first / length);
                }
            }
            (Optimiser::Sgd { .. } | Optimiser::AdamW { .. }, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters after three steps with these gradients, from 1.
    fn three_steps(rule: Optimiser, decay: f32, factor: f32) -> [f32; 3] {
        let mut value = [1.0f32];
        let mut moments = match rule {
            Optimiser::Sgd { .. } => vec![vec![0.0f32]],
            Optimiser::AdamW { .. } => vec![vec![0.0], vec![0.0]],
        };
        let mut number = 0;
        GRADIENTS.map(|gradient| {
            number += 1;
            let moments = moments.iter_mut().map(Vec::as_mut_slice).collect();
            let piece = Piece { values: &mut value, gradient: &[gradient as f32], moments, decay };
            Step::new(rule, 0.1, factor, number).apply(piece);
            value[0]
        })
    }

    const GRADIENTS: [f64; 3] = [0.5, -1.0, 0.25];

    fn assert_near(found: [f32; 3], expected: [f64; 3]) {
        let near = found.iter().zip(expected).all(|(&found, right)| (f64::from(found) - right).abs() < 1e-6);
        assert!(near, "{found:?} instead of {expected:?}");
    }

    #[test]
    fn sgd_takes_the_steps_of_its_formula() {
        let by_hand = |nesterov: bool| {
            let (mut value, mut velocity) = (1.0, 0.0);
            GRADIENTS.map(|gradient| {
                let slope = gradient + 0.01 * value;
                velocity = 0.9 * velocity + slope;
                value -= 0.1 * if nesterov { slope + 0.9 * velocity } else { velocity };
                value
            })
        };
        // 1 - 0.1 x 0.51 is the first step without Nesterov.
        assert!((by_hand(false)[0] - 0.949).abs() < 1e-12);
        for nesterov in [false, true] {
            let found = three_steps(Optimiser::Sgd { momentum: 0.9, nesterov }, 0.01, 1.0);
            assert_near(found, by_hand(nesterov));
        }
    }

    #[test]
    fn adamw_takes_the_steps_of_its_formula() {
        let (mut value, mut first, mut second) = (1.0f64, 0.0, 0.0);
        let mut step = 0;
        let by_hand = GRADIENTS.map(|gradient| {
            step += 1;
            value -= 0.1 * 0.05 * value;
            first = 0.9 * first + 0.1 * gradient;
            second = 0.999 * second + 0.001 * gradient * gradient;
            let (first, second) = (first / (1.0 - 0.9f64.powi(step)), second / (1.0 - 0.999f64.powi(step)));
            value -= 0.1 * first / (second.sqrt() + 1e-8);
            value
        });
        // The first step of Adam has the length of the rate, whatever the gradient.
        assert!((by_hand[0] - 0.895).abs() < 1e-6);
        assert_near(three_steps(Optimiser::ADAMW, 0.05, 1.0), by_hand);
    }

    #[test]
    fn a_long_gradient_is_shortened_and_a_short_one_left() {
        let gradient = [vec![3.0], vec![0.0, 4.0]];
        assert!((clipping(&gradient, 1.0) - 0.2).abs() < 1e-7);
        assert!((clipping(&gradient, 6.0) - 1.0).abs() < f32::EPSILON);
        let plain = Optimiser::Sgd { momentum: 0.0, nesterov: false };
        assert_near(three_steps(plain, 0.0, 0.5), [0.975, 1.025, 1.0125]);
    }
}
