use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The value of a tag.
///
/// Totally ordered, so that a range of values is a range of a map: numbers come before texts, numbers by size, texts
/// by their bytes. `-0.0` and `0.0` are the same number.
#[derive(Debug, Clone)]
pub enum TagValue {
    /// A finite number. The store refuses NaN and infinities.
    Number(f64),
    /// A text.
    Text(String),
}

impl TagValue {
    /// Bytes of the text; a number has none.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Text(text) => text.len(),
        }
    }
}

impl Ord for TagValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Adding 0.0 makes -0.0 equal to 0.0.
            (Self::Number(a), Self::Number(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
        }
    }
}

impl PartialOrd for TagValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for TagValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TagValue {}

impl Hash for TagValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Number(number) => (0u8, (number + 0.0).to_bits()).hash(state),
            Self::Text(text) => (1u8, text).hash(state),
        }
    }
}

impl fmt::Display for TagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for TagValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for TagValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_size_and_precede_texts() {
        let mut values: Vec<TagValue> = vec!["b".into(), 2.0.into(), "a".into(), (-1.5).into(), 10.0.into()];
        values.sort();
        let expected: Vec<TagValue> = vec![(-1.5).into(), 2.0.into(), 10.0.into(), "a".into(), "b".into()];
        assert_eq!(values, expected);
        assert_eq!(TagValue::Number(-0.0), TagValue::Number(0.0));
    }
}
