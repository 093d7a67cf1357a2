//! Values as they are typed.

use std::str::FromStr;

use lookalike::{TagValue, tag_value};
use lookalike_datasets::Disturbance;
use lookalike_engine::plugin_api::ParameterValue;
use serde::Deserialize;
use thiserror::Error;

/// Why a word of the command line is not understood.
#[derive(Debug, Error, PartialEq)]
#[error("\"{found}\" is not understood; expected {expected}")]
pub(crate) struct NotUnderstood {
    pub(crate) found: String,
    pub(crate) expected: &'static str,
}

/// Height and width, written `28x28`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct InputSize {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl FromStr for InputSize {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('x')
            .and_then(|(height, width)| {
                Some(Self { height: height.parse().ok()?, width: width.parse().ok()? })
            })
            .ok_or_else(|| NotUnderstood {
                found: text.to_owned(),
                expected: "HEIGHTxWIDTH, for instance 28x28",
            })
    }
}

impl TryFrom<String> for InputSize {
    type Error = NotUnderstood;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A disturbance, written `rotate=10`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Disturb(pub(crate) Disturbance);

impl FromStr for Disturb {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = |size: &str| size.parse::<f32>().ok().filter(|size| size.is_finite());
        let disturbance = text.split_once('=').and_then(|(kind, value)| match kind {
            "brightness" => size(value).map(Disturbance::Brightness),
            "noise" => size(value).map(Disturbance::GaussianNorm),
            "saltpepper" => size(value).map(Disturbance::SaltAndPepper),
            "blur" => size(value).map(Disturbance::Blur),
            "rotate" => size(value).map(Disturbance::Rotate),
            "shift" => value
                .split_once(',')
                .and_then(|(right, down)| Some(Disturbance::Shift(right.parse().ok()?, down.parse().ok()?))),
            _ => None,
        });
        disturbance.map(Self).ok_or_else(|| NotUnderstood {
            found: text.to_owned(),
            expected: "brightness=, noise=, saltpepper=, blur= or rotate= and a number, or shift=RIGHT,DOWN",
        })
    }
}

/// A tag as it is typed: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) value: TagValue,
}

impl FromStr for Tag {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: tag_value(value) })
            }
            Some(_) | None => Err(NotUnderstood { found: text.to_owned(), expected: "NAME=VALUE" }),
        }
    }
}

/// A setting of the reranker as it is typed: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: ParameterValue,
}

impl FromStr for Setting {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| NotUnderstood { found: text.to_owned(), expected: "NAME=VALUE" })?;
        let value = match value.parse() {
            Ok(number) => ParameterValue::Number(number),
            Err(_) => ParameterValue::Text(value.to_owned()),
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_disturbances_are_read_as_they_are_written() {
        assert_eq!("28x32".parse(), Ok(InputSize { height: 28, width: 32 }));
        assert!("28".parse::<InputSize>().is_err());
        assert_eq!("shift=1,-2".parse(), Ok(Disturb(Disturbance::Shift(1, -2))));
        assert_eq!("rotate=-10".parse(), Ok(Disturb(Disturbance::Rotate(-10.0))));
        for wrong in ["rotate", "rotate=far", "rotate=inf", "melt=1", "shift=1"] {
            assert!(wrong.parse::<Disturb>().unwrap_err().to_string().starts_with(&format!("\"{wrong}\"")));
        }
    }

    #[test]
    fn a_tag_is_a_number_where_it_reads_as_one() {
        assert_eq!("width=2.5".parse(), Ok(Tag { name: "width".to_owned(), value: 2.5.into() }));
        assert_eq!("split=test".parse(), Ok(Tag { name: "split".to_owned(), value: "test".into() }));
        assert_eq!("a=b=nan".parse(), Ok(Tag { name: "a".to_owned(), value: "b=nan".into() }));
        assert_eq!(tag_value("nan"), "nan".into());
        assert!("=1".parse::<Tag>().is_err());
        assert!("width".parse::<Tag>().is_err());
    }

    #[test]
    fn a_setting_is_a_number_or_a_word() {
        let number: Setting = "trigger_steps=100".parse().unwrap();
        assert_eq!(number.value, ParameterValue::Number(100.0));
        let word: Setting = "preset=paper".parse().unwrap();
        assert_eq!(word.value, ParameterValue::Text("paper".to_owned()));
        assert!("preset".parse::<Setting>().is_err());
    }
}
