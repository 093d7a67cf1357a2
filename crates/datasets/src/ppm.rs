use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};
use lookalike_plugin_api::{Image, ImageError, MAX_IMAGE_SIDE};

use crate::DatasetError;

/// Longest header, with its comments: what is read before the sides are known.
const MAX_HEADER_BYTES: u64 = 4096;
const CHANNELS: usize = 3;

/// Reads a binary PPM (`P6`) of 8 bits per sample; its sides are checked before its pixels are read.
pub(crate) fn read_ppm(path: &Path) -> Result<Image, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Open { path: path.to_owned(), source })?;
    let refused = |found: String| DatasetError::Ppm { path: path.to_owned(), found };
    let decoder = PnmDecoder::new(BufReader::new(file).take(MAX_HEADER_BYTES))
        .map_err(|error| refused(error.to_string()))?;
    let (samples, header) = decoder.into_inner();
    let (height, width) = (header.height() as usize, header.width() as usize);
    let shape = |source| DatasetError::Shape { path: path.to_owned(), offset: 0, source };
    if header.subtype() != PnmSubtype::Pixmap(SampleEncoding::Binary) || header.maximal_sample() != 255 {
        let magic = String::from_utf8_lossy(header.subtype().magic_constant()).into_owned();
        return Err(refused(format!("it is {magic} with samples up to {}", header.maximal_sample())));
    }
    let sides = 1..=MAX_IMAGE_SIDE;
    if !sides.contains(&height) || !sides.contains(&width) {
        return Err(shape(ImageError::Side { height, width }));
    }
    let length = height * width * CHANNELS;
    let mut pixels = Vec::new();
    // It grows with what the file has, not with what the header announces.
    let read = samples.into_inner().take(length as u64).read_to_end(&mut pixels);
    let read = read.map_err(|source| DatasetError::Read { path: path.to_owned(), offset: 0, source })?;
    if read < length {
        return Err(refused(std::io::Error::from(ErrorKind::UnexpectedEof).to_string()));
    }
    Image::new(height, width, CHANNELS, pixels).map_err(shape)
}

#[cfg(test)]
mod tests;
