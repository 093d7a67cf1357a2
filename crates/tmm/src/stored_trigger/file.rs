//! A trigger's file: see [`StoredTrigger::to_bytes`].

use std::collections::HashMap;
use std::fmt::Write;

use lookalike_plugin_api::Digest;
use lookalike_vision::Pixels;
use safetensors::{Dtype, SafeTensors};

use super::{MAX_TRIGGER_FILE_BYTES, StoredTrigger, StoredTriggerError, ensure_size};
use crate::trigger::TriggerKind;
use crate::trigger::shape;

/// Version of the format, in the metadata.
const FORMAT: &str = "lookalike trigger 1";
/// Name of the only tensor.
const TENSOR: &str = "trigger";
/// Characters of a wrong word that an error repeats.
const SHOWN: usize = 40;

/// By hand, because the library writes the metadata in an order that changes from run to run. Every word in it is made
/// of letters, digits and spaces, so that nothing needs an escape.
pub(super) fn write(trigger: &StoredTrigger) -> Vec<u8> {
    let values = trigger.pixels.values();
    let [channels, height, width] = shape(&trigger.pixels);
    let mut header = format!(
        "{{\"__metadata__\":{{\"format\":\"{FORMAT}\",\"kind\":\"{}\",\"model\":\"{}\",\"seed\":\"{}\",\"updates\":\"{}\",",
        trigger.kind, trigger.model, trigger.seed, trigger.updates
    );
    if let Some(loss) = trigger.final_loss {
        // Writing to a string cannot fail.
        let _written = write!(header, "\"final_loss\":\"{loss}\",");
    }
    let _written = write!(
        header,
        "\"digest\":\"{}\"}},\"{TENSOR}\":{{\"dtype\":\"F32\",\"shape\":[{channels},{height},{width}],\"data_offsets\":[0,{}]}}}}",
        trigger.digest(),
        4 * values.len()
    );
    // The values begin at a multiple of eight bytes.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut bytes = Vec::with_capacity(8 + header.len() + 4 * values.len());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<StoredTrigger, StoredTriggerError> {
    let found = bytes.len() as u64;
    if found > MAX_TRIGGER_FILE_BYTES {
        return Err(StoredTriggerError::TooLarge { found });
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(StoredTriggerError::Header)?;
    let words = Words(header.metadata().clone().unwrap_or_default());
    if words.0.get("format").map(String::as_str) != Some(FORMAT) {
        return Err(StoredTriggerError::NoTrigger {
            what: "its metadata is not that of a trigger, version 1",
        });
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(StoredTriggerError::Header)?;
    let (1, Ok(tensor)) = (tensors.len(), tensors.tensor(TENSOR)) else {
        return Err(StoredTriggerError::NoTrigger { what: "it needs one tensor, called \"trigger\"" });
    };
    if tensor.dtype() != Dtype::F32 {
        return Err(StoredTriggerError::NoTrigger { what: "its values are not stored as f32" });
    }
    let &[channels, height, width] = tensor.shape() else {
        return Err(StoredTriggerError::Size { found: tensor.shape().to_vec() });
    };
    ensure_size([channels, height, width])?;
    let values = tensor.data().as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    let stored = StoredTrigger {
        pixels: Pixels::new(channels, height, width, values)?,
        kind: words.parsed("kind", "a kind of trigger", TriggerKind::from_name)?,
        model: words.parsed("model", "64 hexadecimal digits", digest)?,
        seed: words.parsed("seed", "a whole number", |word| word.parse().ok())?,
        updates: words.parsed("updates", "a whole number", |word| word.parse().ok())?,
        final_loss: match words.0.get("final_loss") {
            Some(_) => Some(words.parsed("final_loss", "a number", |word| word.parse().ok())?),
            None => None,
        },
    };
    stored.check()?;
    let (found, expected) = (stored.digest(), words.parsed("digest", "64 hexadecimal digits", digest)?);
    if found != expected {
        return Err(StoredTriggerError::Digest { found, expected });
    }
    Ok(stored)
}

/// The metadata.
struct Words(HashMap<String, String>);

impl Words {
    /// What `parse` makes of the word of this name.
    fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoredTriggerError> {
        let word = self.0.get(name);
        word.and_then(|word| parse(word)).ok_or_else(|| {
            let found = match word {
                Some(word) => format!("{:?}", word.chars().take(SHOWN).collect::<String>()),
                None => "missing".to_owned(),
            };
            StoredTriggerError::Metadata { name, found, expected }
        })
    }
}

/// A digest as [`Digest`] prints itself.
fn digest(word: &str) -> Option<Digest> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if word.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(word.as_bytes().as_chunks().0) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(Digest(bytes))
}
