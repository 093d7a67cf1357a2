//! Numbers as people read them.

use crate::statistics::Interval;
use crate::summary::Measure;

/// Whether people say it in per cent.
fn is_share(measure: Measure) -> bool {
    match measure {
        Measure::Retrieved | Measure::Precision | Measure::Overlap => true,
        Measure::AveragePrecision | Measure::RankBiasedOverlap => false,
    }
}

/// So many digits after the point, and no zero with a sign.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.to_owned(),
        _ => text,
    }
}

/// What differences are multiplied with for a plot, and the name of what comes out.
pub(crate) fn plotted_gap(measure: Measure) -> (f64, &'static str) {
    if is_share(measure) { (100.0, ", percentage points") } else { (1.0, "") }
}

fn number(measure: Measure, value: f64) -> String {
    if is_share(measure) { fixed(100.0 * value, 1) } else { fixed(value, 3) }
}

/// A value with its unit: `71.3 %`, `0.713`.
pub(crate) fn worth(measure: Measure, value: f64) -> String {
    let unit = if is_share(measure) { " %" } else { "" };
    number(measure, value) + unit
}

/// A difference with its unit: `13.2 points`, `0.132`.
pub(crate) fn gap(measure: Measure, value: f64) -> String {
    let unit = if is_share(measure) { " points" } else { "" };
    number(measure, value) + unit
}

/// A difference with its sign: `+13.2`.
pub(crate) fn signed(measure: Measure, value: f64) -> String {
    let text = number(measure, value);
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    if is_zero || text.starts_with('-') { text } else { format!("+{text}") }
}

/// `8.1 to 18.0`.
pub(crate) fn range(measure: Measure, low: f64, high: f64) -> String {
    format!("{} to {}", number(measure, low), number(measure, high))
}

/// `71.3 % (66.0 to 76.5)`.
pub(crate) fn with_interval(measure: Measure, Interval { estimate, low, high }: Interval) -> String {
    format!("{} ({})", worth(measure, estimate), range(measure, low, high))
}

/// `+13.2 (8.1 to 18.0)`.
pub(crate) fn signed_with_interval(measure: Measure, Interval { estimate, low, high }: Interval) -> String {
    format!("{} ({})", signed(measure, estimate), range(measure, low, high))
}

/// `0.018`, `< 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { fixed(p, 3) }
}

/// `p = 0.018`, `p < 0.001`.
pub(crate) fn p_equals(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", fixed(p, 3)) }
}

/// Milliseconds with as many digits as are worth reading.
pub(crate) fn milliseconds(value: f64) -> String {
    fixed(value, if value < 10.0 { 2 } else { usize::from(value < 100.0) })
}

/// How many times, with as many digits as are worth reading.
pub(crate) fn times(ratio: f64) -> String {
    fixed(ratio, if ratio < 0.1 { 3 } else { usize::from(ratio < 10.0) })
}

/// A count with its thousands apart: `10,000`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `a, b and c`.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// With a capital letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(worth(Measure::Retrieved, 0.7134), "71.3 %");
        assert_eq!(worth(Measure::AveragePrecision, 0.7134), "0.713");
        assert_eq!(gap(Measure::Retrieved, 0.1), "10.0 points");
        assert_eq!(signed(Measure::Retrieved, -0.000_01), "0.0");
        assert_eq!(signed(Measure::Retrieved, -0.05), "-5.0");
        assert_eq!(signed(Measure::AveragePrecision, 0.05), "+0.050");
        assert_eq!([p_equals(0.000_9), p_equals(0.05)], ["p < 0.001", "p = 0.050"]);
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(
            [milliseconds(1.234), milliseconds(12.34), milliseconds(1234.5)],
            ["1.23", "12.3", "1234"]
        );
        assert_eq!(capitalised("a view"), "A view");
    }
}
