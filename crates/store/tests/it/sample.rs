//! Exemplars to test with.

use lookalike_plugin_api::{Digest, Fingerprint};

use super::store::{NewExemplar, StoreConfig, TagValue, WriteBatch};

pub(crate) const DIMENSION: usize = 4;

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint {
        model: "sample".to_owned(),
        weights: Digest([7; 32]),
        preprocessing: Digest([8; 32]),
        dimension: DIMENSION as u32,
    }
}

pub(crate) fn config() -> StoreConfig {
    StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::default() }
}

/// Bytes that differ for each seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn row(seed: u64) -> Vec<f32> {
    (0..DIMENSION).map(|column| seed as f32 + column as f32 / 8.0).collect()
}

/// An exemplar whose image, row and length follow from the seed.
pub(crate) fn exemplar(key: &str, seed: u64) -> NewExemplar {
    NewExemplar {
        key: key.to_owned(),
        label: None,
        tags: [].into(),
        image: bytes(seed, 1 + (seed as usize * 997) % 40_000),
        media_type: "image/png".to_owned(),
        height: 3,
        width: 5,
        channels: 1,
        rows: vec![("clean".to_owned(), row(seed))],
    }
}

pub(crate) fn labelled(key: &str, seed: u64, label: &str) -> NewExemplar {
    NewExemplar { label: Some(label.to_owned()), ..exemplar(key, seed) }
}

pub(crate) fn tagged(key: &str, seed: u64, tags: &[(&str, TagValue)]) -> NewExemplar {
    let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    NewExemplar { tags, ..exemplar(key, seed) }
}

pub(crate) fn upserts(upserts: Vec<NewExemplar>) -> WriteBatch {
    WriteBatch { upserts, deletes: Vec::new() }
}

pub(crate) fn deletes(keys: &[&str]) -> WriteBatch {
    WriteBatch { upserts: Vec::new(), deletes: keys.iter().map(|&key| key.to_owned()).collect() }
}
