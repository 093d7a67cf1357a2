//! Single entries of the tree as they are stored, whether or not readers see them already.

use lookalike_plugin_api::ExemplarId;

use crate::generation::tree::{AccessError, Payload, Tree};
use crate::record::StoredRecord;
use crate::{Damage, MAX_IMAGE_BYTES, content_digest, key, value};

pub(crate) const ROW: &str = "feature row";
const CHUNK: &str = "image";
pub(crate) const USER_KEY: &str = "key";

/// The stored record of an id, whether or not the catalog has it already.
pub(crate) fn stored_record(tree: &Tree, id: ExemplarId) -> Result<Option<StoredRecord>, AccessError> {
    let Some(payload) = tree.get(StoredRecord::WHAT, &key::record(id))? else {
        return Ok(None);
    };
    Ok(Some(StoredRecord::decode(&payload)?))
}

/// The stored id of a user's key, whether or not the catalog has it already.
pub(crate) fn stored_id(tree: &Tree, user_key: &str) -> Result<Option<ExemplarId>, AccessError> {
    let Some(payload) = tree.get(USER_KEY, &key::user_key(user_key))? else {
        return Ok(None);
    };
    Ok(Some(value::decode_u32(USER_KEY, &payload)?))
}

/// The image of a record, put together from its chunks and compared with its digest.
pub(crate) fn stored_image(
    tree: &Tree,
    id: ExemplarId,
    record: &StoredRecord,
) -> Result<Vec<u8>, AccessError> {
    let mut image = Vec::with_capacity((record.image_bytes as usize).min(MAX_IMAGE_BYTES));
    for number in 0..record.chunks {
        let chunk = tree.get(CHUNK, &key::chunk(id, number))?;
        image.extend_from_slice(&chunk.ok_or(Damage::Missing { what: CHUNK })?);
    }
    if content_digest(&image).0 != record.content {
        return Err(Damage::Checksum { what: CHUNK }.into());
    }
    Ok(image)
}

/// Adds the values of a stored row, which must be as many as `dimension`.
pub(crate) fn append_row(values: &mut Vec<f32>, row: &Payload, dimension: usize) -> Result<(), Damage> {
    let (numbers, []) = row.as_chunks::<4>() else {
        return Err(Damage::Decode { what: ROW });
    };
    if numbers.len() != dimension {
        return Err(Damage::Decode { what: ROW });
    }
    values.extend(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)));
    Ok(())
}
