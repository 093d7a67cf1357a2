//! Runs of small numbers, repeated or packed bit by bit: levels, and places in a dictionary.

use super::ParquetFault;

/// What is left of the numbers in a part of a page.
pub(super) struct Hybrid {
    /// The next byte, and the end of the part.
    at: usize,
    end: usize,
    /// Bits of a number.
    width: u32,
    run: Run,
    /// Numbers left in the run.
    left: u64,
}

enum Run {
    Repeated(u32),
    /// The place of its next bit.
    Packed(u64),
}

impl Hybrid {
    /// The numbers of `width` bits in the bytes from `start` to `end` of a page.
    pub(super) fn new(start: usize, end: usize, width: u32) -> Result<Self, ParquetFault> {
        if width > 32 {
            return Err(ParquetFault::Values);
        }
        Ok(Self { at: start, end, width, run: Run::Repeated(0), left: 0 })
    }

    /// The next number; `page` is what the part belongs to.
    pub(super) fn next(&mut self, page: &[u8]) -> Result<u32, ParquetFault> {
        let part = page.get(..self.end).ok_or(ParquetFault::Values)?;
        while self.left == 0 {
            self.start_run(part)?;
        }
        self.left -= 1;
        match &mut self.run {
            Run::Repeated(value) => Ok(*value),
            Run::Packed(bit) => {
                let value = bits(part, *bit, self.width);
                *bit += u64::from(self.width);
                value
            }
        }
    }

    fn start_run(&mut self, part: &[u8]) -> Result<(), ParquetFault> {
        let header = self.unsigned(part)?;
        let count = header >> 1;
        if header & 1 == 0 {
            let bytes = self.width.div_ceil(8) as usize;
            let value = self.at.checked_add(bytes).and_then(|end| part.get(self.at..end));
            let value = value.ok_or(ParquetFault::Values)?;
            self.at += bytes;
            let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            (self.run, self.left) = (Run::Repeated(value), count);
        } else {
            self.run = Run::Packed(8 * self.at as u64);
            self.left = count.checked_mul(8).ok_or(ParquetFault::Values)?;
            // Eight numbers of so many bits have as many bytes. Some writers cut the last run short.
            let bytes = count.saturating_mul(u64::from(self.width));
            self.at += bytes.min((self.end - self.at) as u64) as usize;
        }
        Ok(())
    }

    fn unsigned(&mut self, part: &[u8]) -> Result<u64, ParquetFault> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = *part.get(self.at).ok_or(ParquetFault::Values)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ParquetFault::Values)
    }
}

/// The number of `width` bits that begins at a bit, the lowest bit of a byte first.
fn bits(part: &[u8], first: u64, width: u32) -> Result<u32, ParquetFault> {
    if width == 0 {
        return Ok(0);
    }
    let start = (first / 8) as usize;
    let end = (first + u64::from(width)).div_ceil(8) as usize;
    let bytes = part.get(start..end).ok_or(ParquetFault::Values)?;
    let gathered = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    Ok((gathered >> (first % 8) & ((1 << width) - 1)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_packed_runs_follow_each_other() {
        // Three times 5, then the numbers 0 to 7 packed: the format's own example.
        let part = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        let mut numbers = Hybrid::new(0, part.len(), 3).unwrap();
        let read: Vec<u32> = (0..11).map(|_| numbers.next(&part).unwrap()).collect();
        assert_eq!(read, [5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(matches!(numbers.next(&part), Err(ParquetFault::Values)));
    }

    #[test]
    fn runs_beyond_their_part_are_refused() {
        for part in [&[3, 1][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], &[4], &[]] {
            let mut numbers = Hybrid::new(0, part.len(), 20).unwrap();
            assert!(matches!(numbers.next(part), Err(ParquetFault::Values)), "{part:?}");
        }
        assert!(Hybrid::new(0, 1, 33).is_err());
    }
}
