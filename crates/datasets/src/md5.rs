//! MD5 after RFC 1321. Good enough to tell a file that was damaged on its way; no protection from somebody who wants to
//! deceive, for whom two files of one digest are easy to make.

/// Rotations of the four rounds, RFC 1321 section 3.4.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// floor(2^32 |sin(i + 1)|), RFC 1321 section 3.4.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

const BLOCK: usize = 64;

/// The digest of what was fed so far.
pub(crate) struct Md5 {
    state: [u32; 4],
    /// The beginning of a block that is not whole yet.
    rest: Vec<u8>,
    bytes: u64,
}

impl Md5 {
    pub(crate) fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { state, rest: Vec::with_capacity(2 * BLOCK), bytes: 0 }
    }

    pub(crate) fn update(&mut self, mut content: &[u8]) {
        self.bytes += content.len() as u64;
        if !self.rest.is_empty() {
            let (first, others) = content.split_at(content.len().min(BLOCK - self.rest.len()));
            self.rest.extend_from_slice(first);
            content = others;
            if self.rest.len() < BLOCK {
                return;
            }
            let block = std::mem::take(&mut self.rest);
            self.block(&block);
        }
        let blocks = content.chunks_exact(BLOCK);
        self.rest.extend_from_slice(blocks.remainder());
        blocks.for_each(|block| self.block(block));
    }

    pub(crate) fn finish(mut self) -> [u8; 16] {
        let bits = self.bytes.wrapping_mul(8);
        let filled = self.rest.len();
        let zeros = (BLOCK + 55 - filled) % BLOCK;
        let mut last = vec![0x80];
        last.resize(1 + zeros, 0);
        last.extend_from_slice(&bits.to_le_bytes());
        self.update(&last);
        let mut digest = [0; 16];
        digest.chunks_exact_mut(4).zip(self.state).for_each(|(bytes, word)| {
            bytes.copy_from_slice(&word.to_le_bytes());
        });
        digest
    }

    fn block(&mut self, block: &[u8]) {
        let mut words = [0_u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        let [mut a, mut b, mut c, mut d] = self.state;
        for (step, sine) in SINES.iter().enumerate() {
            let round = step / 16;
            let (mixed, place) = match round {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(*sine).wrapping_add(words[place % 16]);
            let turned = b.wrapping_add(sum.rotate_left(ROTATIONS[round][step % 4]));
            (a, d, c, b) = (d, c, b, turned);
        }
        for (state, change) in self.state.iter_mut().zip([a, b, c, d]) {
            *state = state.wrapping_add(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(pieces: &[&[u8]]) -> String {
        let mut digest = Md5::new();
        pieces.iter().for_each(|piece| digest.update(piece));
        crate::source::hex(&digest.finish())
    }

    #[test]
    fn the_digests_of_the_standard_come_out() {
        // RFC 1321, appendix A.5.
        assert_eq!(hex(&[b""]), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&[b"abc"]), "900150983cd24fb0d6963f7d28e17f72");
        let digits = b"1234567890".repeat(8);
        assert_eq!(hex(&[&digits]), "57edf4a22be3c955ac49da2e2107b67a");
    }

    #[test]
    fn the_pieces_in_which_content_comes_do_not_matter() {
        let content: Vec<u8> = (0..300_u32).map(|number| number as u8).collect();
        for length in [1, 55, 56, 63, 64, 65, 119, 120, 128, 300] {
            let content = &content[..length];
            for cut in [0, 1, length / 2, length] {
                assert_eq!(hex(&[&content[..cut], &content[cut..]]), hex(&[content]), "{length} {cut}");
            }
        }
    }
}
