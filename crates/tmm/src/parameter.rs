//! Short ways to write a parameter of a request down.

use lookalike_plugin_api::{ParameterKind, ParameterSpec, ParameterValue};

pub(crate) fn count(
    name: &'static str,
    value: usize,
    [least, most]: [usize; 2],
    help: &'static str,
) -> ParameterSpec {
    let kind = ParameterKind::Count { least: least as u64, most: most as u64 };
    ParameterSpec { name, kind, default: ParameterValue::Number(value as f64), help }
}

pub(crate) fn number(
    name: &'static str,
    value: f64,
    [least, most]: [f64; 2],
    help: &'static str,
) -> ParameterSpec {
    ParameterSpec {
        name,
        kind: ParameterKind::Number { least, most },
        default: ParameterValue::Number(value),
        help,
    }
}

pub(crate) fn choice(
    name: &'static str,
    value: &str,
    words: &'static [&'static str],
    help: &'static str,
) -> ParameterSpec {
    ParameterSpec {
        name,
        kind: ParameterKind::Choice(words),
        default: ParameterValue::Text(value.to_owned()),
        help,
    }
}
