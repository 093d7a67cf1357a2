use std::collections::BTreeMap;

use lookalike_engine::TagValue;

/// Tags as JSON: number tags as numbers, texts as strings.
pub(crate) fn tags(tags: &BTreeMap<String, TagValue>) -> BTreeMap<String, serde_json::Value> {
    let value = |value: &TagValue| match value {
        TagValue::Number(number) => serde_json::Value::from(*number),
        TagValue::Text(text) => serde_json::Value::from(text.as_str()),
    };
    tags.iter().map(|(name, tag)| (name.clone(), value(tag))).collect()
}
