use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// One setting's value as it travels between host and plugin.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A number; counts are whole numbers.
    Number(f64),
    /// A word, usually one of a few.
    Text(String),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Which values a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// A number within the inclusive range.
    Number {
        /// Smallest value.
        least: f64,
        /// Largest value.
        most: f64,
    },
    /// A whole number within the inclusive range.
    Count {
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { least, most } => write!(f, "a number from {least} to {most}"),
            Self::Count { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

/// A parameter that a plugin understands, for help texts and for checks before any work begins.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Name, lower case with underscores.
    pub name: &'static str,
    /// Values it takes.
    pub kind: ParameterKind,
    /// Value when it is not given.
    pub default: ParameterValue,
    /// One sentence with unit and source.
    pub help: &'static str,
}

impl ParameterSpec {
    /// Whether `value` is one the parameter takes.
    ///
    /// # Errors
    ///
    /// [`ParameterError::Value`] with the range when it is not.
    pub fn check(&self, value: &ParameterValue) -> Result<(), ParameterError> {
        let accepted = match (&self.kind, value) {
            (ParameterKind::Number { least, most }, ParameterValue::Number(v)) => {
                (*least..=*most).contains(v)
            }
            (ParameterKind::Count { least, most }, ParameterValue::Number(v)) => {
                v.fract() == 0.0 && *v >= *least as f64 && *v <= *most as f64
            }
            (ParameterKind::Choice(words), ParameterValue::Text(text)) => words.contains(&text.as_str()),
            (ParameterKind::Number { .. } | ParameterKind::Count { .. }, ParameterValue::Text(_))
            | (ParameterKind::Choice(_), ParameterValue::Number(_)) => false,
        };
        if accepted {
            return Ok(());
        }
        Err(ParameterError::Value {
            name: self.name,
            found: value.to_string(),
            expected: self.kind.to_string(),
        })
    }
}

/// The parameters of one request, by name. Those that are not given take their defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(pub BTreeMap<String, ParameterValue>);

impl Parameters {
    /// Holds every given parameter against the plugin's schema.
    ///
    /// # Errors
    ///
    /// The first unknown name or refused value.
    pub fn check(&self, schema: &[ParameterSpec]) -> Result<(), ParameterError> {
        for (name, value) in &self.0 {
            let spec =
                schema.iter().find(|spec| spec.name == name).ok_or_else(|| ParameterError::Unknown {
                    name: name.clone(),
                    known: schema.iter().map(|spec| spec.name).collect(),
                })?;
            spec.check(value)?;
        }
        Ok(())
    }
}

/// Why a parameter is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterError {
    /// The plugin has no parameter of this name.
    Unknown {
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The value is outside the parameter's range.
    Value {
        /// The parameter.
        name: &'static str,
        /// The value given.
        found: String,
        /// What it takes.
        expected: String,
    },
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known } => {
                write!(f, "there is no parameter \"{name}\"; known are {}", known.join(", "))
            }
            Self::Value { name, found, expected } => {
                write!(f, "parameter \"{name}\" is \"{found}\", it takes {expected}")
            }
        }
    }
}

impl Error for ParameterError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Vec<ParameterSpec> {
        vec![
            ParameterSpec {
                name: "steps",
                kind: ParameterKind::Count { least: 0, most: 10 },
                default: ParameterValue::Number(3.0),
                help: "",
            },
            ParameterSpec {
                name: "blend",
                kind: ParameterKind::Choice(&["convex", "additive"]),
                default: ParameterValue::Text("convex".to_owned()),
                help: "",
            },
        ]
    }

    fn given(name: &str, value: ParameterValue) -> Parameters {
        Parameters([(name.to_owned(), value)].into())
    }

    #[test]
    fn a_value_outside_its_range_is_refused_with_the_range() {
        for (name, value) in [
            ("steps", ParameterValue::Number(2.5)),
            ("steps", ParameterValue::Number(11.0)),
            ("steps", ParameterValue::Number(f64::NAN)),
            ("blend", ParameterValue::Text("other".to_owned())),
            ("blend", ParameterValue::Number(1.0)),
        ] {
            assert!(matches!(given(name, value).check(&schema()), Err(ParameterError::Value { .. })));
        }
        assert_eq!(given("steps", ParameterValue::Number(10.0)).check(&schema()), Ok(()));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = given("stepz", ParameterValue::Number(1.0)).check(&schema()).unwrap_err();
        assert_eq!(error.to_string(), "there is no parameter \"stepz\"; known are steps, blend");
    }
}
