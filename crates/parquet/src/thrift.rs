//! As much of the Thrift compact protocol as it takes to look at a Parquet header before it is trusted.

use crate::fault::ParquetFault;

/// Structs, lists and maps that may lie in each other.
const MAX_DEPTH: u32 = 32;

/// A wire type: what follows a field's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A truth; as a field its value is in the field's header.
    Bool(bool),
    Byte,
    Number,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

/// Reads values from the beginning of a slice. Every step moves forward, so that reading ends with the slice.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a struct: `field` is called with the number and kind of each field, and reads its value, or gives false
    /// to have it skipped.
    pub(crate) fn structure(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Kind) -> Result<bool, ParquetFault>,
    ) -> Result<(), ParquetFault> {
        self.descend()?;
        let mut number = 0_i16;
        loop {
            let header = self.byte()?;
            if header == 0 {
                break;
            }
            let step = i16::from(header >> 4);
            number = if step == 0 { self.number()? as i16 } else { number.wrapping_add(step) };
            let kind = kind(header & 0x0f)?;
            let taken = field(self, number, kind)?;
            if !taken && !matches!(kind, Kind::Bool(_)) {
                self.skip(kind)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A whole number of up to 64 bits.
    pub(crate) fn number(&mut self) -> Result<i64, ParquetFault> {
        let unsigned = self.unsigned()?;
        Ok((unsigned >> 1).cast_signed() ^ -(unsigned & 1).cast_signed())
    }

    /// The kind and number of the elements of a list, which follow.
    pub(crate) fn list(&mut self) -> Result<(Kind, u64), ParquetFault> {
        let header = self.byte()?;
        let short = u64::from(header >> 4);
        let count = if short == 15 { self.unsigned()? } else { short };
        // Some writers give the elements of an empty list no kind.
        let kind = if header == 0 { Kind::Byte } else { kind(header & 0x0f)? };
        Ok((kind, count))
    }

    pub(crate) fn skip(&mut self, kind: Kind) -> Result<(), ParquetFault> {
        match kind {
            Kind::Bool(_) | Kind::Byte => self.take(1),
            Kind::Number => self.unsigned().map(|_| ()),
            Kind::Double => self.take(8),
            Kind::Binary => {
                let length = self.unsigned()?;
                self.take(usize::try_from(length).unwrap_or(usize::MAX))
            }
            Kind::List => {
                self.descend()?;
                let (kind, count) = self.list()?;
                // Every element has a byte, so a count beyond the slice ends with it.
                for _ in 0..count {
                    self.skip(kind)?;
                }
                self.depth -= 1;
                Ok(())
            }
            Kind::Map => {
                self.descend()?;
                let count = self.unsigned()?;
                if count > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (self::kind(kinds >> 4)?, self::kind(kinds & 0x0f)?);
                    for _ in 0..count {
                        self.skip(key)?;
                        self.skip(value)?;
                    }
                }
                self.depth -= 1;
                Ok(())
            }
            Kind::Struct => self.structure(|_, _, _| Ok(false)),
        }
    }

    fn descend(&mut self) -> Result<(), ParquetFault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(ParquetFault::Header) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, ParquetFault> {
        let (first, rest) = self.rest.split_first().ok_or(ParquetFault::Header)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, bytes: usize) -> Result<(), ParquetFault> {
        self.rest = self.rest.get(bytes..).ok_or(ParquetFault::Header)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, ParquetFault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ParquetFault::Header)
    }
}

fn kind(wire: u8) -> Result<Kind, ParquetFault> {
    match wire {
        1 | 2 => Ok(Kind::Bool(wire == 1)),
        3 => Ok(Kind::Byte),
        4..=6 => Ok(Kind::Number),
        7 => Ok(Kind::Double),
        8 => Ok(Kind::Binary),
        9 | 10 => Ok(Kind::List),
        11 => Ok(Kind::Map),
        12 => Ok(Kind::Struct),
        _ => Err(ParquetFault::Header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_or_skipped_by_number() {
        // 1: 300, 2: "ab", 3: [1, 2], 4: true, 5: { 1: 5 }, 20: -1
        let bytes = [
            0x15, 0xd8, 0x04, 0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x11, 0x1c, 0x15, 10, 0, 0x05, 40, 1, 0,
            99,
        ];
        let mut input = Input::new(&bytes);
        let mut numbers = Vec::new();
        input
            .structure(|input, number, kind| {
                if kind == Kind::Number {
                    numbers.push((number, input.number()?));
                    return Ok(true);
                }
                Ok(false)
            })
            .unwrap();
        assert_eq!(numbers, [(1, 300), (20, -1)]);
        assert_eq!(input.left(), 1);
    }

    #[test]
    fn structs_within_structs_without_end_are_refused() {
        let bytes = [0x1c; 10_000];
        assert!(matches!(Input::new(&bytes).skip(Kind::Struct), Err(ParquetFault::Header)));
        assert!(matches!(Input::new(&[0x19; 10_000]).skip(Kind::List), Err(ParquetFault::Header)));
        assert!(matches!(Input::new(&[0xf9, 0xff, 0xff, 0x7f]).skip(Kind::List), Err(ParquetFault::Header)));
    }
}
