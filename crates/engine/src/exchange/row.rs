//! One row of an exchange file as an exemplar.

use std::collections::BTreeMap;

use lookalike_parquet::{LabelValue, TableRow};
use lookalike_store::{MAX_KEY_BYTES, MAX_LABEL_BYTES, TagValue, content_digest};
use serde_json::Value;

use super::row_error::{MAX_TAGS_BYTES, RowError};
use super::schema;
use crate::decode::{DecodeError, MAX_ENCODED_BYTES};
use crate::ingest::{Incoming, IngestItem, ItemImage, Refusal, RefusalReason};

/// A row as an entry of an ingest; `name` begins the key where the row has none.
pub(super) fn into_incoming(row: TableRow, name: &str) -> Incoming {
    let made = || format!("{name}/{:07}", row.number);
    let key = match &row.key {
        Some(key) => text(key, "key", schema::KEY, MAX_KEY_BYTES),
        None => Ok(made()),
    };
    match key {
        Ok(key) => match item(&row, &key) {
            Ok(item) => Incoming::Item(item, sealed_features(row)),
            Err(reason) => Incoming::Refused(Refusal { key, reason }),
        },
        Err(reason) => Incoming::Refused(Refusal { key: made(), reason }),
    }
}

/// The feature row, if it was made of the very image beside it.
fn sealed_features(row: TableRow) -> Option<Vec<f32>> {
    let (features, seal, image) = (row.features?, row.seal?, row.image?);
    let expected = schema::seal(&content_digest(&image), &features);
    (*seal == *expected.as_bytes()).then_some(features)
}

fn item(row: &TableRow, key: &str) -> Result<IngestItem, RefusalReason> {
    let image: &[u8] = row.image.as_deref().ok_or(RowError::NoImage)?;
    if image.is_empty() {
        return Err(RowError::NoImage.into());
    }
    // Checked here already, because many rows may share one large value of the file.
    if image.len() as u64 > MAX_ENCODED_BYTES {
        return Err(DecodeError::TooLarge { found: image.len() as u64 }.into());
    }
    let label = match &row.label {
        Some(LabelValue::Text(label)) => Some(text(label, "label", schema::LABEL, MAX_LABEL_BYTES)?),
        Some(LabelValue::Number(number)) => Some(number.to_string()),
        Some(LabelValue::Class(name)) => {
            Some(text(name.as_bytes(), "label", schema::LABEL, MAX_LABEL_BYTES)?)
        }
        None => None,
    };
    let tags = row.tags.as_deref().map(parse_tags).transpose()?.unwrap_or_default();
    Ok(IngestItem { key: key.to_owned(), image: ItemImage::Encoded(image.to_vec()), label, tags })
}

fn text(
    bytes: &[u8],
    what: &'static str,
    column: &'static str,
    most: usize,
) -> Result<String, RefusalReason> {
    if bytes.len() > most {
        return Err(lookalike_store::Refusal::Length { what, found: bytes.len(), least: 1, most }.into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(RowError::NotText { column }.into()),
    }
}

/// Tags as a JSON object.
pub(super) fn write_tags(tags: &BTreeMap<String, TagValue>) -> String {
    let object: serde_json::Map<String, Value> = tags
        .iter()
        .map(|(name, value)| {
            let value = match value {
                TagValue::Number(number) => Value::from(*number),
                TagValue::Text(text) => Value::from(text.as_str()),
            };
            (name.clone(), value)
        })
        .collect();
    Value::Object(object).to_string()
}

fn parse_tags(bytes: &[u8]) -> Result<BTreeMap<String, TagValue>, RowError> {
    if bytes.len() > MAX_TAGS_BYTES {
        return Err(RowError::TagsLength { found: bytes.len() });
    }
    let object: BTreeMap<String, Value> = serde_json::from_slice(bytes).map_err(RowError::Tags)?;
    let tag = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, TagValue::Text(text))),
        Value::Number(number) => match number.as_f64() {
            Some(number) => Ok((name, TagValue::Number(number))),
            None => Err(RowError::TagKind { tag: name }),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(RowError::TagKind { tag: name })
        }
    };
    object.into_iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were() {
        let tags: BTreeMap<String, TagValue> = [
            ("a\"b\n\u{0}".to_owned(), TagValue::Number(0.1 + 0.2)),
            ("grösse".to_owned(), TagValue::Number(-1e300)),
            ("year".to_owned(), TagValue::Number(2024.0)),
            ("text".to_owned(), TagValue::Text("2024 \\ \"ü\" \u{7}".to_owned())),
        ]
        .into();
        assert_eq!(parse_tags(write_tags(&tags).as_bytes()).unwrap(), tags);
        assert_eq!(write_tags(&BTreeMap::new()), "{}");
        assert_eq!(parse_tags(br#"{"n": 3}"#).unwrap()["n"], TagValue::Number(3.0));
    }

    #[test]
    fn tags_that_are_no_numbers_or_texts_are_refused_by_name() {
        let error = parse_tags(br#"{"a": 1, "deep": [1]}"#).unwrap_err();
        assert!(matches!(error, RowError::TagKind { tag } if tag == "deep"));
        assert!(matches!(parse_tags(b"[1]"), Err(RowError::Tags(_))));
        assert!(matches!(parse_tags(&vec![b'['; MAX_TAGS_BYTES]), Err(RowError::Tags(_))));
        assert!(matches!(parse_tags(&vec![b'['; MAX_TAGS_BYTES + 1]), Err(RowError::TagsLength { .. })));
    }
}
