//! As much of the Thrift compact protocol as the headers of a Parquet file take.

use super::ParquetFault;

/// Structs, lists and maps that may lie in each other.
const MAX_DEPTH: u32 = 32;

/// What follows the header of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As a field its value is here already.
    Bool(bool),
    Byte,
    Number,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Kind {
    fn of(wire: u8) -> Result<Self, ParquetFault> {
        match wire & 0x0f {
            1 => Ok(Self::Bool(true)),
            2 => Ok(Self::Bool(false)),
            3 => Ok(Self::Byte),
            4..=6 => Ok(Self::Number),
            7 => Ok(Self::Double),
            8 => Ok(Self::Binary),
            9 | 10 => Ok(Self::List),
            11 => Ok(Self::Map),
            12 => Ok(Self::Struct),
            _ => Err(ParquetFault::Header),
        }
    }
}

/// What is left of a header. Every step takes a byte or more, so that reading ends with the bytes, whatever counts they
/// announce.
pub(super) struct Input<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a struct: `field` gets the number and kind of each field, and takes its value or leaves it with false.
    pub(super) fn structure(
        &mut self,
        mut field: impl FnMut(&mut Self, i64, Kind) -> Result<bool, ParquetFault>,
    ) -> Result<(), ParquetFault> {
        self.nested(|input| {
            let mut number = 0_i64;
            loop {
                let header = input.byte()?;
                if header == 0 {
                    return Ok(());
                }
                number = match header >> 4 {
                    0 => input.number()?,
                    step => number.saturating_add(i64::from(step)),
                };
                let kind = Kind::of(header)?;
                if !field(input, number, kind)? && !matches!(kind, Kind::Bool(_)) {
                    input.skip(kind)?;
                }
            }
        })
    }

    /// Reads a list of structs: `element` reads each of them.
    pub(super) fn structures(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), ParquetFault>,
    ) -> Result<(), ParquetFault> {
        let (kind, count) = self.list()?;
        for _ in 0..count {
            if kind != Kind::Struct {
                return Err(ParquetFault::Header);
            }
            element(self)?;
        }
        Ok(())
    }

    pub(super) fn number(&mut self) -> Result<i64, ParquetFault> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], ParquetFault> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| ParquetFault::Header)?;
        self.take(length)
    }

    fn list(&mut self) -> Result<(Kind, u64), ParquetFault> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.unsigned()?,
            short => u64::from(short),
        };
        // Some writers give an empty list no kind.
        let kind = if count == 0 { Kind::Byte } else { Kind::of(header)? };
        Ok((kind, count))
    }

    fn skip(&mut self, kind: Kind) -> Result<(), ParquetFault> {
        match kind {
            Kind::Bool(_) | Kind::Byte => self.take(1).map(drop),
            Kind::Number => self.unsigned().map(drop),
            Kind::Double => self.take(8).map(drop),
            Kind::Binary => self.binary().map(drop),
            Kind::Struct => self.structure(|_, _, _| Ok(false)),
            Kind::List => self.nested(|input| {
                let (kind, count) = input.list()?;
                (0..count).try_for_each(|_| input.skip(kind))
            }),
            Kind::Map => self.nested(|input| {
                let count = input.unsigned()?;
                let kinds = if count == 0 { 0x33 } else { input.byte()? };
                let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds)?);
                (0..count).try_for_each(|_| input.skip(key).and_then(|()| input.skip(value)))
            }),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), ParquetFault>,
    ) -> Result<(), ParquetFault> {
        if self.depth == MAX_DEPTH {
            return Err(ParquetFault::Header);
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    fn byte(&mut self) -> Result<u8, ParquetFault> {
        self.take(1).map(|taken| taken[0])
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], ParquetFault> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(ParquetFault::Header)?;
        self.rest = rest;
        Ok(taken)
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
                }
                Ok(kind == Kind::Number)
            })
            .unwrap();
        assert_eq!(numbers, [(1, 300), (20, -1)]);
        assert_eq!(input.left(), 1);
    }

    #[test]
    fn structs_and_lists_within_each_other_without_end_are_refused() {
        assert!(matches!(Input::new(&[0x1c; 10_000]).skip(Kind::Struct), Err(ParquetFault::Header)));
        assert!(matches!(Input::new(&[0x19; 10_000]).skip(Kind::List), Err(ParquetFault::Header)));
        let endless = [0xf9, 0xff, 0xff, 0x7f];
        assert!(matches!(Input::new(&endless).skip(Kind::List), Err(ParquetFault::Header)));
    }
}
