use crate::plot::canvas::width_of;

/// How numbers are laid along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are equally far apart; all numbers must be positive.
    Logarithmic,
}

/// A range of numbers with labels at round ones.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds all `values`, with some room and about `count` labels. There is one value at least, all are
    /// finite, and positive where the scale asks for it.
    pub(super) fn holding(values: impl Iterator<Item = f64>, scale: Scale, count: usize) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        match scale {
            Scale::Linear => Self::linear(low, high, count),
            Scale::Logarithmic => Self::logarithmic(low, high, count),
        }
    }

    fn linear(low: f64, high: f64, count: usize) -> Self {
        // The largest numbers would overflow a difference.
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let spread = if high > low { high - low } else { low.abs().max(1.0) };
        let step = round_step(spread / count.max(1) as f64);
        // Room for the markers at the ends.
        let (from, to) = (low - 0.35 * step, high + 0.35 * step);
        let digits = digits(step);
        let first = (from / step).ceil();
        let ticks = (0..=4 * count)
            .map(|at| (first + at as f64) * step)
            .take_while(|value| *value <= to + 1e-9 * step)
            .map(|value| (value, number(value, digits)))
            .collect();
        Self { scale: Scale::Linear, low: from, high: to, ticks }
    }

    fn logarithmic(low: f64, high: f64, count: usize) -> Self {
        let (from, to) = (low.max(1e-300).log10() - 0.12, high.min(1e300).log10() + 0.12);
        let steps: &[f64] = if to - from <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let (first, last) = (from.floor() as i32, to.ceil() as i32);
        let every = (last.abs_diff(first) as usize).div_ceil(count.max(1)).max(1);
        let every = if steps.len() > 1 { 1 } else { every };
        let ticks = (first..=last)
            .step_by(every)
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|value| (from..=to).contains(&value.log10()))
            .map(|value| {
                (value, if (1e-4..1e6).contains(&value) { plain(value) } else { format!("{value:e}") })
            })
            .collect();
        Self { scale: Scale::Logarithmic, low: from, high: to, ticks }
    }

    /// The axis, starting at zero: for what is measured from there, and never negative.
    pub(super) fn starting_at_zero(mut self) -> Self {
        self.low = 0.0;
        self.ticks.retain(|(value, _)| *value >= 0.0);
        self
    }

    /// Where a number lies, 0 at the low end and 1 at the high one.
    pub(super) fn share(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.log10(),
        };
        (value - self.low) / (self.high - self.low)
    }

    /// Pixels that the widest label takes.
    pub(super) fn label_width(&self, size: i32) -> i32 {
        self.ticks.iter().map(|(_, label)| width_of(label, size)).max().unwrap_or(0)
    }
}

/// Digits after the point that a positive number needs to show its first one.
fn digits(value: f64) -> usize {
    (0..12).take_while(|digits| value * 10_f64.powi(*digits) < 0.999).count()
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-300).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

fn number(value: f64, digits: usize) -> String {
    if value.abs() >= 1e7 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.digits$}");
    // A zero that came out of a difference may have a sign.
    if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') {
        text.replace('-', "")
    } else {
        text
    }
}

/// Without the digits that binary fractions add.
fn plain(value: f64) -> String {
    format!("{value:.0$}", digits(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], scale: Scale) -> Vec<String> {
        let axis = Axis::holding(values.iter().copied(), scale, 5);
        axis.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_round_numbers() {
        assert_eq!(labels(&[0.0, 1.0], Scale::Linear), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[-0.04, 0.05], Scale::Linear), ["-0.04", "-0.02", "0.00", "0.02", "0.04"]);
        assert_eq!(labels(&[3.0, 3.0], Scale::Linear), ["3"]);
        assert_eq!(labels(&[2.0, 90.0], Scale::Logarithmic), ["2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(&[0.02, 0.3], Scale::Logarithmic), ["0.02", "0.05", "0.1", "0.2"]);
    }

    #[test]
    fn every_value_lies_on_the_axis() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for values in [[1e-300, 1e300], [1.0, 1.0], [5.0, 7.0], [1e-9, 2e-9]] {
                let axis = Axis::holding(values.into_iter(), scale, 6);
                assert!(values.iter().all(|v| (0.0..=1.0).contains(&axis.share(*v))), "{values:?} {axis:?}");
                assert!(axis.ticks.len() < 30, "{axis:?}");
            }
        }
    }
}
