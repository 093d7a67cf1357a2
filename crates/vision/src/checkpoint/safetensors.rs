//! The list of tensors of a safetensors file, read without the values.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::contents::{Contents, MAX_NAME_BYTES, MAX_TENSORS};
use super::error::{CheckpointError, CheckpointFault, damaged, ensure_within, shown};
use super::source::Source;
use super::tensor::{CheckpointTensor, Storage};

use crate::number::NumberType;

/// Most bytes of the list.
const MAX_HEADER_BYTES: u64 = 1 << 24;

const LIST: &str = "the list of tensors";

/// The entry that is no tensor: what the file says about itself.
const METADATA: &str = "__metadata__";

/// An entry of the list; all parts of a tensor, or none.
#[derive(Debug, Deserialize)]
struct Listed {
    dtype: Option<String>,
    shape: Option<Vec<u64>>,
    data_offsets: Option<[u64; 2]>,
}

/// Whether a file of `length` bytes begins like one: with the length of its list, which begins with a brace.
pub(super) fn begins(start: &[u8], length: u64) -> bool {
    let list = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    list.is_some_and(|list| list.checked_add(8).is_some_and(|end| end <= length))
        && start.get(8) == Some(&b'{')
}

/// Reads the list of tensors.
pub(super) fn read(source: &Source) -> Result<Contents, CheckpointError> {
    let mut length = [0; 8];
    source.fill(LIST, 0, &mut length)?;
    let length = u64::from_le_bytes(length);
    ensure_within("bytes in its list of tensors", length, MAX_HEADER_BYTES)?;
    let list = source.bytes(LIST, 8, length)?;
    let list: BTreeMap<String, Listed> =
        serde_json::from_slice(&list).map_err(|_| damaged(LIST, CheckpointFault::Malformed))?;
    ensure_within("tensors", list.len() as u64, MAX_TENSORS as u64)?;
    let first = 8 + length;
    let mut contents = Contents { storages: Vec::new(), tensors: Vec::new(), others: Vec::new() };
    let mut end = 0;
    for (name, listed) in list {
        if name == METADATA {
            continue;
        }
        ensure_within("bytes in a tensor's name", name.len() as u64, MAX_NAME_BYTES as u64)?;
        let refused = |fault| damaged(format!("tensor \"{}\"", shown(&name)), fault);
        let parts = listed.dtype.zip(listed.shape).zip(listed.data_offsets);
        let ((dtype, shape), [from, to]) = parts.ok_or_else(|| refused(CheckpointFault::Malformed))?;
        let number =
            NumberType::of_safetensors(&dtype).ok_or_else(|| refused(CheckpointFault::NumberType))?;
        let count = shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side));
        let bytes = count.and_then(|count| count.checked_mul(number.size() as u64));
        if bytes.is_none() || to.checked_sub(from) != bytes {
            return Err(refused(CheckpointFault::Malformed));
        }
        let start = first.checked_add(from).filter(|&start| source.holds(start, to - from));
        let start = start.ok_or_else(|| refused(CheckpointFault::CutShort))?;
        let sides: Result<Vec<usize>, _> = shape.iter().map(|&side| usize::try_from(side)).collect();
        let sides = sides.map_err(|_| refused(CheckpointFault::Malformed))?;
        let (storage, count) = (contents.storages.len(), count.unwrap_or(0));
        contents.storages.push(Storage { start, count, checksum: None });
        contents.tensors.push(CheckpointTensor::filling(name, sides, number, storage, count));
        end = end.max(to);
    }
    // Bytes that no tensor has are a sign of a list that was tampered with.
    if first + end == source.length() { Ok(contents) } else { Err(damaged(LIST, CheckpointFault::Malformed)) }
}
