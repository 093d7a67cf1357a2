//! Names and metadata of an exchange file.

use std::sync::Arc;

use lookalike_plugin_api::{Digest, Fingerprint};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::{Type, TypePtr};

/// Version of the exchange format that this build writes, and the newest that it reads.
///
/// A file names it in its metadata under `lookalike.format`. The other entries are `lookalike.collection`, and of the
/// model `lookalike.model`, `lookalike.weights` and `lookalike.preprocessing` (hexadecimal digests) and
/// `lookalike.dimension`.
pub const FORMAT_VERSION: u32 = 1;

pub(super) const KEY: &str = "key";
pub(super) const IMAGE: &str = "image";
pub(super) const MEDIA_TYPE: &str = "media_type";
pub(super) const HEIGHT: &str = "height";
pub(super) const WIDTH: &str = "width";
pub(super) const CHANNELS: &str = "channels";
pub(super) const LABEL: &str = "label";
pub(super) const TAGS: &str = "tags";

/// The levels of a list below its own name.
pub(super) const LIST: &str = "list";
pub(super) const ELEMENT: &str = "element";

pub(super) const FORMAT: &str = "lookalike.format";
const COLLECTION: &str = "lookalike.collection";
const MODEL: &str = "lookalike.model";
const WEIGHTS: &str = "lookalike.weights";
const PREPROCESSING: &str = "lookalike.preprocessing";
const DIMENSION: &str = "lookalike.dimension";

/// The column of a view.
pub(super) fn features(view: &str) -> String {
    format!("features_{view}")
}

/// The column that ties the rows of a view to their images.
pub(super) fn seals(view: &str) -> String {
    format!("seal_{view}")
}

/// Ties a feature row to the encoded image that it was made of, as 64 hexadecimal digits: BLAKE3 over the image's
/// BLAKE3 and the row's values, little-endian. A row whose image was changed, or that was damaged, does not fit.
pub(super) fn seal(content: &Digest, row: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&content.0);
    row.iter().for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    hasher.finalize().to_hex().to_string()
}

/// The schema of a file with these views; its leaves are in the order in which the fields are documented.
pub(super) fn message(views: &[String]) -> Result<TypePtr> {
    let mut fields = vec![
        text(KEY, Repetition::REQUIRED)?,
        leaf(IMAGE, PhysicalType::BYTE_ARRAY, Repetition::REQUIRED)?,
        text(MEDIA_TYPE, Repetition::REQUIRED)?,
        leaf(HEIGHT, PhysicalType::INT32, Repetition::REQUIRED)?,
        leaf(WIDTH, PhysicalType::INT32, Repetition::REQUIRED)?,
        leaf(CHANNELS, PhysicalType::INT32, Repetition::REQUIRED)?,
        text(LABEL, Repetition::OPTIONAL)?,
        text(TAGS, Repetition::REQUIRED)?,
    ];
    for view in views {
        fields.push(list_of_floats(&features(view))?);
        fields.push(text(&seals(view), Repetition::OPTIONAL)?);
    }
    Ok(Arc::new(Type::group_type_builder("exemplars").with_fields(fields).build()?))
}

fn leaf(name: &str, physical: PhysicalType, repetition: Repetition) -> Result<TypePtr> {
    Ok(Arc::new(Type::primitive_type_builder(name, physical).with_repetition(repetition).build()?))
}

fn text(name: &str, repetition: Repetition) -> Result<TypePtr> {
    let text = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_repetition(repetition)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8);
    Ok(Arc::new(text.build()?))
}

/// The three levels of a list as the format defines it: the list may be null, its elements may not.
fn list_of_floats(name: &str) -> Result<TypePtr> {
    let element = leaf(ELEMENT, PhysicalType::FLOAT, Repetition::REQUIRED)?;
    let repeated =
        Type::group_type_builder(LIST).with_repetition(Repetition::REPEATED).with_fields(vec![element]);
    let list = Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(repeated.build()?)]);
    Ok(Arc::new(list.build()?))
}

/// The metadata of a file.
pub(super) fn metadata(collection: &str, fingerprint: &Fingerprint) -> Vec<KeyValue> {
    let format = (FORMAT, FORMAT_VERSION.to_string());
    let collection = (COLLECTION, collection.to_owned());
    [format, collection]
        .into_iter()
        .chain(model(fingerprint))
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .collect()
}

/// What a file says about the model that made its rows.
pub(super) fn model(fingerprint: &Fingerprint) -> [(&'static str, String); 4] {
    [
        (MODEL, fingerprint.model.clone()),
        (WEIGHTS, fingerprint.weights.to_string()),
        (PREPROCESSING, fingerprint.preprocessing.to_string()),
        (DIMENSION, fingerprint.dimension.to_string()),
    ]
}
