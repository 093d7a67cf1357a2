//! Keys of the tree. One tree holds everything of a collection; integers are big-endian, so that the order of the
//! keys is the order of the numbers. The first byte is the kind:
//!
//! | key | value |
//! | --- | --- |
//! | 00 "schema" | creation, uuid, chunk size |
//! | 00 "models" | fingerprints of the models that made rows, and which of them is current |
//! | 00 "next" | next id, batch number and sums, in every batch |
//! | 01 id | record |
//! | 02 id, chunk u16 | image bytes |
//! | 03 view u16, id | feature row, little-endian f32 |
//! | 04 namespace u8, number u32, id >> 16 | bitmap container: ids deleted, ids of a label or a tag value, ids *without* a row in a view |
//! | 05 user key | id |
//! | 06 content digest (first 16 bytes), id | nothing |
//! | 07 namespace u8, name | number of a label, tag value or view (whose name begins with its model's number, u16) |
//!
//! Several exemplars may have one content, hence the id at the end of kind 06.

use lookalike_plugin_api::{Digest, ExemplarId};

use crate::TagValue;

const META: u8 = 0;
const RECORD: u8 = 1;
const CHUNK: u8 = 2;
const ROW: u8 = 3;
const CONTAINER: u8 = 4;
const USER_KEY: u8 = 5;
const CONTENT: u8 = 6;
const NAME: u8 = 7;

/// What a bitmap or a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// Ids that were deleted; it has bitmaps (number 0) and no names.
    Tombstone,
    /// Labels; bitmaps and names.
    Label,
    /// Values of tags; bitmaps and names.
    Tag,
    /// Feature views; bitmaps of the ids that have no row, and names.
    View,
}

impl Namespace {
    fn code(self) -> u8 {
        match self {
            Self::Tombstone => 0,
            Self::Label => 1,
            Self::Tag => 2,
            Self::View => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Tombstone, Self::Label, Self::Tag, Self::View].into_iter().find(|space| space.code() == code)
    }
}

pub(crate) fn schema() -> Vec<u8> {
    [&[META][..], b"schema"].concat()
}

pub(crate) fn models() -> Vec<u8> {
    [&[META][..], b"models"].concat()
}

pub(crate) fn next() -> Vec<u8> {
    [&[META][..], b"next"].concat()
}

pub(crate) fn record(id: ExemplarId) -> Vec<u8> {
    [&[RECORD][..], &id.to_be_bytes()].concat()
}

/// The id of a key made by [`record`].
pub(crate) fn id_of_record(key: &[u8]) -> Option<ExemplarId> {
    let [RECORD, a, b, c, d] = *key else { return None };
    Some(ExemplarId::from_be_bytes([a, b, c, d]))
}

pub(crate) fn chunk(id: ExemplarId, number: u16) -> Vec<u8> {
    [&[CHUNK][..], &id.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// The id and the number of a key made by [`chunk`].
pub(crate) fn split_chunk(key: &[u8]) -> Option<(ExemplarId, u16)> {
    let [CHUNK, a, b, c, d, e, f] = *key else { return None };
    Some((ExemplarId::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f])))
}

pub(crate) const CHUNKS: &[u8] = &[CHUNK];

pub(crate) fn row(view: u16, id: ExemplarId) -> Vec<u8> {
    [&[ROW][..], &view.to_be_bytes(), &id.to_be_bytes()].concat()
}

/// The id of a key made by [`row`].
pub(crate) fn id_of_row(key: &[u8]) -> Option<ExemplarId> {
    let [ROW, _, _, a, b, c, d] = *key else { return None };
    Some(ExemplarId::from_be_bytes([a, b, c, d]))
}

/// The view's number and the id of a key made by [`row`].
pub(crate) fn split_row(key: &[u8]) -> Option<(u16, ExemplarId)> {
    let [ROW, a, b, ..] = *key else { return None };
    Some((u16::from_be_bytes([a, b]), id_of_row(key)?))
}

pub(crate) const ROWS: &[u8] = &[ROW];
pub(crate) const RECORDS: &[u8] = &[RECORD];

pub(crate) fn container(space: Namespace, number: u32, high: u16) -> Vec<u8> {
    [&[CONTAINER, space.code()][..], &number.to_be_bytes(), &high.to_be_bytes()].concat()
}

pub(crate) const CONTAINERS: &[u8] = &[CONTAINER];

/// The parts of a key made by [`container`].
pub(crate) fn split_container(key: &[u8]) -> Option<(Namespace, u32, u16)> {
    let [CONTAINER, space, a, b, c, d, e, f] = *key else {
        return None;
    };
    Some((Namespace::of(space)?, u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f])))
}

pub(crate) fn user_key(key: &str) -> Vec<u8> {
    [&[USER_KEY][..], key.as_bytes()].concat()
}

pub(crate) const USER_KEYS: &[u8] = &[USER_KEY];

/// The user's key of a key made by [`user_key`].
pub(crate) fn split_user_key(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(USER_KEYS)?).ok()
}

pub(crate) const CONTENTS: &[u8] = &[CONTENT];

pub(crate) fn content(digest: &Digest, id: ExemplarId) -> Vec<u8> {
    [&contents(digest)[..], &id.to_be_bytes()].concat()
}

/// What the keys of all exemplars with one content begin with.
pub(crate) fn contents(digest: &Digest) -> Vec<u8> {
    [&[CONTENT][..], &digest.0[..16]].concat()
}

/// The id of a key made by [`content`].
pub(crate) fn id_of_content(key: &[u8]) -> Option<ExemplarId> {
    let id: [u8; 4] = key.get(17..)?.try_into().ok()?;
    (key[0] == CONTENT).then_some(ExemplarId::from_be_bytes(id))
}

/// The part of a content key that comes from the digest.
pub(crate) fn digest_of_content(key: &[u8]) -> Option<[u8; 16]> {
    key.get(1..17)?.try_into().ok()
}

pub(crate) fn name(space: Namespace, name: &[u8]) -> Vec<u8> {
    [&[NAME, space.code()][..], name].concat()
}

pub(crate) const NAMES: &[u8] = &[NAME];

/// The parts of a key made by [`name`].
pub(crate) fn split_name(key: &[u8]) -> Option<(Namespace, &[u8])> {
    let [NAME, space, name @ ..] = key else {
        return None;
    };
    Some((Namespace::of(*space)?, name))
}

/// The name of a view of a model.
pub(crate) fn view_name(model: u16, view: &str) -> Vec<u8> {
    [&model.to_be_bytes()[..], view.as_bytes()].concat()
}

/// The parts of a name made by [`view_name`].
pub(crate) fn split_view_name(name: &[u8]) -> Option<(u16, &str)> {
    let (model, view) = name.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*model), std::str::from_utf8(view).ok()?))
}

/// The exemplar that a key of kind record, chunk, row or content belongs to.
pub(crate) fn exemplar(key: &[u8]) -> Option<ExemplarId> {
    match *key.first()? {
        RECORD => id_of_record(key),
        CHUNK => split_chunk(key).map(|(id, _)| id),
        ROW => id_of_row(key),
        CONTENT => id_of_content(key),
        _ => None,
    }
}

/// What is stored under a key, in words.
pub(crate) fn describe(key: &[u8]) -> String {
    if let Some((id, number)) = split_chunk(key) {
        return format!("part {number} of the image of exemplar {id}");
    }
    if let Some((view, id)) = split_row(key) {
        return format!("row of exemplar {id} in view {view}");
    }
    if let Some(id) = id_of_record(key) {
        return format!("record of exemplar {id}");
    }
    if let Some(id) = id_of_content(key) {
        return format!("content digest of exemplar {id}");
    }
    if let Some(key) = split_user_key(key) {
        return format!("key \"{key}\"");
    }
    if let Some((space, number, high)) = split_container(key) {
        return format!("part {high} of bitmap {number} of {space:?}");
    }
    format!("entry {}", key.escape_ascii())
}

const NUMBER: u8 = 0;
const TEXT: u8 = 1;

/// The name of a tag's value: length of the tag's name, the tag's name, kind, value. A tag's name must be shorter
/// than 256 bytes, which its limit ensures.
pub(crate) fn tag_name(tag: &str, value: &TagValue) -> Vec<u8> {
    let mut name = vec![tag.len() as u8];
    name.extend_from_slice(tag.as_bytes());
    match value {
        TagValue::Number(number) => {
            name.push(NUMBER);
            // Adding 0.0 makes -0.0 equal to 0.0.
            name.extend_from_slice(&(number + 0.0).to_bits().to_be_bytes());
        }
        TagValue::Text(text) => {
            name.push(TEXT);
            name.extend_from_slice(text.as_bytes());
        }
    }
    name
}

/// The parts of a name made by [`tag_name`].
pub(crate) fn split_tag_name(name: &[u8]) -> Option<(String, TagValue)> {
    let (&length, rest) = name.split_first()?;
    let (tag, rest) = rest.split_at_checked(usize::from(length))?;
    let tag = std::str::from_utf8(tag).ok()?.to_owned();
    let value = match rest.split_first()? {
        (&NUMBER, bits) => {
            let number = f64::from_bits(u64::from_be_bytes(bits.try_into().ok()?));
            TagValue::Number(Some(number).filter(|n| n.is_finite())?)
        }
        (&TEXT, text) => TagValue::Text(std::str::from_utf8(text).ok()?.to_owned()),
        _ => return None,
    };
    Some((tag, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_ordered_as_their_numbers(a: (u16, u32), b: (u16, u32)) {
            prop_assert_eq!(row(a.0, a.1).cmp(&row(b.0, b.1)), a.cmp(&b));
            prop_assert_eq!(id_of_row(&row(a.0, a.1)), Some(a.1));
        }

        #[test]
        fn names_of_tag_values_come_back(tag in "[a-zäß]{1,20}", text: String, number in -1e300..1e300f64) {
            for value in [TagValue::Text(text), TagValue::Number(number)] {
                prop_assert_eq!(split_tag_name(&tag_name(&tag, &value)), Some((tag.clone(), value)));
            }
        }

        #[test]
        fn only_bytes_of_a_key_are_taken_apart(kind in 0..8u8, rest in prop::collection::vec(0..4u8, 0..24)) {
            let bytes = [&[kind][..], &rest].concat();
            if let Some((space, number, high)) = split_container(&bytes) {
                prop_assert_eq!(&container(space, number, high), &bytes);
            }
            if let Some((space, text)) = split_name(&bytes) {
                prop_assert_eq!(&name(space, text), &bytes);
            }
            if let Some((tag, value)) = split_tag_name(&bytes) {
                prop_assert_eq!(&tag_name(&tag, &value), &bytes);
            }
            if let Some(text) = split_user_key(&bytes) {
                prop_assert_eq!(&user_key(text), &bytes);
            }
            prop_assert_eq!(id_of_row(&bytes).is_some(), kind == ROW && bytes.len() == 7);
            prop_assert_eq!(id_of_content(&bytes).is_some(), kind == CONTENT && bytes.len() == 21);
        }
    }

    #[test]
    fn container_keys_come_back() {
        let key = container(Namespace::Tag, 7, 9);
        assert_eq!(split_container(&key), Some((Namespace::Tag, 7, 9)));
        assert_eq!(split_container(&key[1..]), None);
    }
}
