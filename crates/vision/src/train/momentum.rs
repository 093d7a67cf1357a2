use super::gradient::{Gradient, Trainee};

/// Stochastic gradient descent with Nesterov's momentum.
#[derive(Debug)]
pub(super) struct Momentum {
    kept: f32,
    decay: f32,
    /// One per parameter, made at the first update.
    velocities: Vec<Vec<f32>>,
}

impl Momentum {
    pub(super) fn new(kept: f32, decay: f32) -> Self {
        Self { kept, decay, velocities: Vec::new() }
    }

    /// One update of all parameters.
    pub(super) fn update(&mut self, trainee: &mut Trainee, gradient: &Gradient, rate: f32) {
        if self.velocities.is_empty() {
            self.velocities = gradient.values.iter().map(|values| vec![0.0; values.len()]).collect();
        }
        let parameters = trainee.parameters.iter_mut().zip(&mut self.velocities).zip(&gradient.values);
        for ((parameter, velocity), gradient) in parameters {
            let decay = if parameter.decays { self.decay } else { 0.0 };
            for ((value, velocity), gradient) in parameter.values.iter_mut().zip(velocity).zip(gradient) {
                let slope = gradient + decay * *value;
                *velocity = self.kept * *velocity + slope;
                *value -= rate * (slope + self.kept * *velocity);
            }
        }
    }
}
