//! Values of the tree: format byte, checksum (little-endian CRC-32 over key, format byte and payload), payload.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Damage;

/// The format that is written. Older ones are read, where their values were laid out differently by what reads them.
pub(crate) const FORMAT: u8 = 2;
/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 5;

fn checksum(key: &[u8], format: u8, payload: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[format]);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// The value that stores `payload` under `key`.
pub(crate) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + payload.len());
    value.push(FORMAT);
    value.extend_from_slice(&checksum(key, FORMAT, payload));
    value.extend_from_slice(payload);
    value
}

/// Checks a value found under `key` and gives its format. `what` names it in errors.
pub(crate) fn check(what: &'static str, key: &[u8], value: &[u8]) -> Result<u8, Damage> {
    let [format, a, b, c, d, payload @ ..] = value else {
        return Err(Damage::Decode { what });
    };
    if checksum(key, *format, payload) != [*a, *b, *c, *d] {
        return Err(Damage::Checksum { what });
    }
    if *format > FORMAT {
        return Err(Damage::Format { what, found: *format, newest: FORMAT });
    }
    Ok(*format)
}

/// Encodes a struct as a payload.
pub(crate) fn encode<T: Serialize>(what: &'static str, content: &T) -> Result<Vec<u8>, Damage> {
    postcard::to_stdvec(content).map_err(|_| Damage::Decode { what })
}

/// Decodes a payload that must be one struct and nothing more.
pub(crate) fn decode<T: DeserializeOwned>(what: &'static str, payload: &[u8]) -> Result<T, Damage> {
    match postcard::take_from_bytes(payload) {
        Ok((content, [])) => Ok(content),
        _ => Err(Damage::Decode { what }),
    }
}

/// Decodes a payload that is one number.
pub(crate) fn decode_u32(what: &'static str, payload: &[u8]) -> Result<u32, Damage> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Damage::Decode { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let value = seal(b"key", b"some payload");
        assert_eq!(check("test", b"key", &value).unwrap(), FORMAT);
        assert_eq!(&value[HEADER_BYTES..], b"some payload");
        assert!(check("test", b"kex", &value).is_err());
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check("test", b"key", &flipped).is_err(), "bit {bit}");
        }
        assert!(check("test", b"key", &value[..4]).is_err());
    }
}
