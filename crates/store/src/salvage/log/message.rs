//! Messages of a log, byte by byte. Numbers are of variable length: one byte up to 240, more for larger ones.

const CAP: u8 = 2;
const NODE: u8 = 8;
const LINK: u8 = 10;
const LAST_KIND: u8 = 11;

/// What comes before the body of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    kind: u8,
    pub(super) segment: u64,
    pub(super) page: u64,
    /// Its own length.
    pub(super) bytes: usize,
}

impl Header {
    /// The message at the beginning of `bytes`, if there is a whole one.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (crc, rest) = bytes.split_first_chunk::<4>()?;
        let (&kind, mut rest) = rest.split_first()?;
        if kind == 0 || kind > LAST_KIND {
            return None;
        }
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (segment, page) = (number(&mut rest)?, number(&mut rest)?);
        let header = bytes.len() - rest.len();
        let body = rest.get(..length)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(&bytes[4..header]);
        let is_whole = hasher.finalize() ^ u32::MAX == u32::from_le_bytes(*crc);
        is_whole.then_some((Self { kind, segment, page, bytes: header }, body))
    }

    /// Whether it holds a node (or a link); `None` for what holds no entries.
    pub(super) fn is_node(self) -> Option<bool> {
        match self.kind {
            NODE => Some(true),
            LINK => Some(false),
            _ => None,
        }
    }

    /// Whether nothing follows it in its segment.
    pub(super) fn is_cap(self) -> bool {
        self.kind == CAP
    }
}

/// What a message says.
pub(super) enum Body<'a> {
    /// All that a page has between two keys; `high` is empty where there is no end.
    Leaf {
        low: &'a [u8],
        high: &'a [u8],
        prefix: &'a [u8],
        entries: Vec<(&'a [u8], &'a [u8])>,
    },
    Set {
        key: &'a [u8],
        value: &'a [u8],
    },
    Removed {
        key: &'a [u8],
    },
    /// Pages above the leaves, and their merging.
    Other,
}

impl<'a> Body<'a> {
    pub(super) fn read(mut bytes: &'a [u8], is_node: bool) -> Option<Self> {
        let rest = &mut bytes;
        if !is_node {
            return match byte(rest)? {
                0 => Some(Self::Set { key: text(rest)?, value: text(rest)? }),
                1 => Some(Self::Removed { key: text(rest)? }),
                _ => Some(Self::Other),
            };
        }
        let (_next, _merging_child, _merging) = (number(rest)?, number(rest)?, byte(rest)?);
        let prefix_length = usize::from(byte(rest)?);
        let (low, high) = (text(rest)?, text(rest)?);
        if byte(rest)? != 0 {
            return Some(Self::Other);
        }
        let count = usize::try_from(number(rest)?).ok().filter(|count| *count <= rest.len())?;
        let keys: Vec<&[u8]> = (0..count).map(|_| text(rest)).collect::<Option<_>>()?;
        let values: Vec<&[u8]> = (0..count).map(|_| text(rest)).collect::<Option<_>>()?;
        let prefix = low.get(..prefix_length)?;
        Some(Self::Leaf { low, high, prefix, entries: keys.into_iter().zip(values).collect() })
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let first = byte(bytes)?;
    match first {
        0..=240 => Some(first.into()),
        241..=248 => Some(240 + 256 * (u64::from(first) - 241) + u64::from(byte(bytes)?)),
        249 => Some(2_288 + 256 * u64::from(byte(bytes)?) + u64::from(byte(bytes)?)),
        _ => {
            let (digits, rest) = bytes.split_at_checked(usize::from(first) - 247)?;
            *bytes = rest;
            Some(digits.iter().rev().fold(0, |number, &digit| number << 8 | u64::from(digit)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        let cases: [(&[u8], u64); 6] = [
            (&[7], 7),
            (&[240], 240),
            (&[241, 5], 245),
            (&[249, 1, 2], 2_546),
            (&[250, 0, 0, 1], 65_536),
            (&[255, 1, 0, 0, 0, 0, 0, 0, 128], 1 << 63 | 1),
        ];
        for (mut bytes, expected) in cases {
            assert_eq!(number(&mut bytes), Some(expected));
            assert!(bytes.is_empty());
        }
        assert_eq!(number(&mut &[250, 1][..]), None);
    }
}
