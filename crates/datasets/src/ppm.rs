use std::path::Path;

use lookalike_plugin_api::{Image, ImageError, MAX_IMAGE_SIDE};

use crate::DatasetError;
use crate::byte_source::ByteSource;

/// Longest header that is read, with its comments.
const MOST_HEADER_BYTES: u64 = 4096;

/// Reads a binary PPM (`P6`) of 8 bits per sample; its sides are checked before its pixels are read.
pub(crate) fn read_ppm(path: &Path) -> Result<Image, DatasetError> {
    let mut header = Header { file: ByteSource::open(path)? };
    let mut magic = [0; 2];
    header.file.fill(&mut magic)?;
    if magic != *b"P6" {
        return Err(header.expected(0, "the magic \"P6\""));
    }
    let width = header.number("a width")?;
    let height = header.number("a height")?;
    let sides = 1..=MAX_IMAGE_SIDE;
    if !sides.contains(&height) || !sides.contains(&width) {
        return Err(header.shape(ImageError::Side { height, width }));
    }
    if header.number("the largest sample 255")? != 255 {
        return Err(header.expected(header.file.offset() - 1, "the largest sample 255 before this byte"));
    }
    let length = height * width * 3;
    header.file.check_length(header.file.offset() + length as u64)?;
    let mut samples = vec![0; length];
    header.file.fill(&mut samples)?;
    Image::new(height, width, 3, samples).map_err(|source| header.shape(source))
}

struct Header {
    file: ByteSource,
}

impl Header {
    /// The next number of the header and the one white space behind it.
    fn number(&mut self, expected: &'static str) -> Result<usize, DatasetError> {
        let mut number: Option<usize> = None;
        loop {
            let offset = self.file.offset();
            let byte = self.byte()?;
            match byte {
                b'0'..=b'9' => {
                    let digit = usize::from(byte - b'0');
                    number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                }
                b'#' if number.is_none() => while self.byte()? != b'\n' {},
                _ if byte.is_ascii_whitespace() => {
                    if let Some(number) = number {
                        return Ok(number);
                    }
                }
                _ => return Err(self.expected(offset, expected)),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, DatasetError> {
        if self.file.offset() >= MOST_HEADER_BYTES {
            return Err(self.expected(self.file.offset(), "the end of the header before this byte"));
        }
        let mut byte = [0];
        self.file.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn expected(&self, offset: u64, expected: &'static str) -> DatasetError {
        DatasetError::Ppm { path: self.file.path().to_owned(), offset, expected }
    }

    fn shape(&self, source: ImageError) -> DatasetError {
        DatasetError::Shape { path: self.file.path().to_owned(), offset: self.file.offset(), source }
    }
}

#[cfg(test)]
mod tests;
