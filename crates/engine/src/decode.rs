//! Stage `decode`: encoded bytes to an [`Image`], with every size checked before anything is allocated for it.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use lookalike_plugin_api::{Image, ImageError, MAX_IMAGE_SIDE};
use thiserror::Error;

/// Largest encoded image that is accepted, in bytes.
pub const MAX_ENCODED_BYTES: u64 = 16 * 1024 * 1024;

/// Memory a decoder may take for one image, in bytes: a 16-bit RGBA image of the largest accepted sides.
const MAX_DECODER_BYTES: u64 = (MAX_IMAGE_SIDE * MAX_IMAGE_SIDE * 8) as u64;

/// Why bytes are not an image that can be stored or searched for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are too many bytes.
    #[error(
        "decode: {found} bytes, the limit is {MAX_ENCODED_BYTES}; store a smaller or stronger compressed image"
    )]
    TooLarge {
        /// Bytes found.
        found: u64,
    },
    /// The bytes start like none of the accepted formats.
    #[error(
        "decode: not a PNG, JPEG, PPM/PGM, BMP or WebP image (the first bytes are {start}); convert it first"
    )]
    Format {
        /// The first bytes, for people.
        start: String,
    },
    /// The header announces an image larger than the limit.
    #[error(
        "decode: image is {width} x {height} pixels, the limit is {MAX_IMAGE_SIDE} on either side; scale it down"
    )]
    Sides {
        /// Columns announced.
        width: u32,
        /// Rows announced.
        height: u32,
    },
    /// The bytes are damaged, or use a feature that the decoder lacks.
    #[error("decode: the {format} data is damaged or cut short; export the image again")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// What the decoder says.
        #[source]
        source: image::ImageError,
    },
    /// The decoded samples do not make an image.
    #[error("decode: the decoded image is not accepted")]
    Shape(#[from] ImageError),
    /// The file could not be read.
    #[error("decode: the file cannot be read")]
    Read(#[source] std::io::Error),
}

/// A decoded image with its media type.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The image; transparency is laid over black, 16-bit samples are rounded to 8 bits.
    pub image: Image,
    /// The IANA media type of the encoded bytes.
    pub media_type: &'static str,
}

/// Decodes PNG, JPEG, PPM/PGM, BMP or WebP; the format is recognised by the bytes, never by a file name.
///
/// # Errors
///
/// [`DecodeError`]; sides are read from the header and checked before pixels are decoded.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() as u64 > MAX_ENCODED_BYTES {
        return Err(DecodeError::TooLarge { found: bytes.len() as u64 });
    }
    let (format, name, media_type) = recognise(bytes)?;
    let damaged = |source| DecodeError::Damaged { format: name, source };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.no_limits(); // the limits are set below, after the sides have been checked with a better message
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let most = MAX_IMAGE_SIDE as u32;
    if width == 0 || height == 0 || width > most || height > most {
        return Err(DecodeError::Sides { width, height });
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(most);
    limits.max_image_height = Some(most);
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    decoder.set_limits(limits).map_err(damaged)?;
    let grey =
        matches!(decoder.color_type(), ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16);
    let pixels = DynamicImage::from_decoder(decoder).map_err(damaged)?;

    let (channels, samples) = if let DynamicImage::ImageLuma8(pixels) = pixels {
        (1, pixels.into_raw())
    } else if let DynamicImage::ImageRgb8(pixels) = pixels {
        (3, pixels.into_raw())
    } else if grey {
        let with_alpha = pixels.into_luma_alpha8();
        (1, with_alpha.pixels().map(|p| over_black(p.0[0], p.0[1])).collect())
    } else {
        let with_alpha = pixels.into_rgba8();
        (3, with_alpha.pixels().flat_map(|p| [0, 1, 2].map(|c| over_black(p.0[c], p.0[3]))).collect())
    };
    let image = Image::new(height as usize, width as usize, channels, samples)?;
    Ok(Decoded { image, media_type })
}

/// The image as PNG bytes, without loss.
///
/// # Errors
///
/// [`DecodeError::Damaged`] when the encoder fails, which it does only when memory runs out.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, DecodeError> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    use image::{ExtendedColorType, ImageEncoder};

    let colour = if image.channels() == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    // Fast compression: ingest is to be bound by the network, not by zlib.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.samples(), image.width() as u32, image.height() as u32, colour)
        .map_err(|source| DecodeError::Damaged { format: "PNG", source })?;
    Ok(bytes)
}

fn recognise(bytes: &[u8]) -> Result<(ImageFormat, &'static str, &'static str), DecodeError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG", "image/png")),
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG", "image/jpeg")),
        Ok(ImageFormat::Pnm) => Ok((ImageFormat::Pnm, "PNM", "image/x-portable-anymap")),
        Ok(ImageFormat::Bmp) => Ok((ImageFormat::Bmp, "BMP", "image/bmp")),
        Ok(ImageFormat::WebP) => Ok((ImageFormat::WebP, "WebP", "image/webp")),
        Ok(_) | Err(_) => {
            let start = if bytes.is_empty() {
                "none, the file is empty".to_owned()
            } else {
                format!("\"{}\"", bytes[..bytes.len().min(8)].escape_ascii())
            };
            Err(DecodeError::Format { start })
        }
    }
}

/// A sample over a black background, rounded to nearest.
fn over_black(sample: u8, alpha: u8) -> u8 {
    ((u16::from(sample) * u16::from(alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Image {
        Image::new(3, 5, 3, (0..45).collect()).unwrap()
    }

    #[test]
    fn png_round_trips_without_loss() {
        let image = gradient();
        let decoded = decode(&encode_png(&image).unwrap()).unwrap();
        assert_eq!(decoded.image, image);
        assert_eq!(decoded.media_type, "image/png");
    }

    #[test]
    fn a_truncated_png_is_refused() {
        let bytes = encode_png(&gradient()).unwrap();
        for keep in [9, 20, bytes.len() / 2, bytes.len() - 20] {
            let error = decode(&bytes[..keep]).unwrap_err();
            assert!(matches!(error, DecodeError::Damaged { format: "PNG", .. }), "{keep}: {error}");
        }
    }

    #[test]
    fn a_header_of_50000_by_50000_is_refused_by_its_sides() {
        let mut bytes = encode_png(&gradient()).unwrap();
        bytes[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
        // The header's own checksum has to be right, or the decoder stops before the sides matter.
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Sides { width: 50_000, height: 50_000 }), "{error}");

        let error = decode(b"P5 50000 50000 255\n").unwrap_err();
        assert!(matches!(error, DecodeError::Sides { width: 50_000, height: 50_000 }), "{error}");
    }

    #[test]
    fn text_is_refused_whatever_its_name() {
        let error = decode(b"hello, I am a photo").unwrap_err();
        assert!(error.to_string().contains("hello, I"), "{error}");
        assert!(matches!(decode(b""), Err(DecodeError::Format { .. })));
    }

    #[test]
    fn transparency_is_laid_over_black() {
        let mut bytes = Vec::new();
        let pixels = image::RgbaImage::from_raw(1, 1, vec![200, 100, 50, 0]).unwrap();
        pixels.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        assert_eq!(decode(&bytes).unwrap().image.samples(), [0, 0, 0]);
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
        })
    }
}
