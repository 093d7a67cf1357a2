use std::collections::BTreeMap;

use lookalike_engine::{IngestItem, IngestReport, ItemImage, Record, Refusal, TagValue};

use super::{microseconds, tags};
use crate::failure::Malformed;
use crate::proto;
use crate::status::chain;

/// The image to store that a message carries, or its refusal: a wrong tag is no reason to end the stream.
pub(crate) fn item(image: proto::IngestImage) -> Result<IngestItem, proto::RefusedImage> {
    let mut tags = BTreeMap::new();
    for (name, tag) in image.tags {
        let value = match tag.value {
            Some(proto::tag_value::Value::Number(number)) => TagValue::Number(number),
            Some(proto::tag_value::Value::Text(text)) => TagValue::Text(text),
            None => {
                let reason = chain(&Malformed::NoValue { what: "tag", name });
                return Err(proto::RefusedImage { key: image.key, reason });
            }
        };
        tags.insert(name, value);
    }
    Ok(IngestItem { key: image.key, image: ItemImage::Encoded(image.image), label: image.label, tags })
}

/// What became of a batch.
pub(crate) fn acknowledgement(
    report: &IngestReport,
    mut refused: Vec<proto::RefusedImage>,
) -> proto::IngestResponse {
    refused.extend(report.refusals.iter().map(self::refused));
    proto::IngestResponse {
        inserted: report.inserted,
        replaced: report.replaced,
        relabelled: report.relabelled,
        unchanged: report.unchanged,
        refused,
        elapsed_us: microseconds(report.elapsed),
    }
}

fn refused(refusal: &Refusal) -> proto::RefusedImage {
    proto::RefusedImage { key: refusal.key.clone(), reason: chain(&refusal.reason) }
}

pub(crate) fn exemplar(record: Record) -> proto::Exemplar {
    proto::Exemplar {
        id: record.id,
        key: record.key,
        label: record.label,
        tags: tags(record.tags),
        media_type: record.media_type,
        height: record.height,
        width: record.width,
        channels: record.channels.into(),
        image_bytes: record.image_bytes,
        content: record.content.0.to_vec(),
        created_ms: record.created_ms,
        updated_ms: record.updated_ms,
    }
}
