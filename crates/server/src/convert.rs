//! From messages to the library's values and back.

mod answer;
mod description;
mod exemplar;
mod query;

pub(crate) use answer::answer;
pub(crate) use description::{description, fingerprint};
pub(crate) use exemplar::{acknowledgement, exemplar, item};
pub(crate) use query::query;

use std::collections::BTreeMap;
use std::time::Duration;

use lookalike_engine::TagValue;

use crate::proto;

fn tags(tags: BTreeMap<String, TagValue>) -> BTreeMap<String, proto::TagValue> {
    let value = |value| match value {
        TagValue::Number(number) => proto::tag_value::Value::Number(number),
        TagValue::Text(text) => proto::tag_value::Value::Text(text),
    };
    tags.into_iter().map(|(name, tag)| (name, proto::TagValue { value: Some(value(tag)) })).collect()
}

fn microseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
