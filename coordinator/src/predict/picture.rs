//! From the bytes of a picture to what a model takes.

use crate::predict::resize_rgb;
use image::{ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use thiserror::Error;

/// A side of a picture longer than this is refused.
const LONGEST_SIDE: u32 = 10_000;
/// Memory that decoding one picture may take.
const DECODE_BYTES: u64 = 512 << 20;

/// Bytes that are no picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// Neither PNG nor JPEG.
    #[error("this is neither a PNG nor a JPEG file, and not 3072 bytes of pixels either")]
    UnknownFormat,
    /// Damaged, or too large.
    #[error("this {format} cannot be read: {why}")]
    Unreadable {
        /// As its first bytes say.
        format: &'static str,
        /// The decoder's words.
        why: String,
    },
    /// Pixels of another number.
    #[error("an image has 3072 bytes of pixels (3 planes of 32x32), not {0}")]
    WrongPixels(usize),
}

/// The file of a picture as a model takes it: 32x32, channels last, normalised. Without its alpha channel and as stored,
/// whatever its EXIF says, as `Image.open(..).convert("RGB").resize((32, 32), Image.BILINEAR)` does in Pillow.
///
/// # Errors
/// If it is no picture.
pub fn normalised(file: &[u8]) -> Result<Vec<f32>, PictureError> {
    let format = image::guess_format(file).map_err(|_| PictureError::UnknownFormat)?;
    let name = match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        _ => return Err(PictureError::UnknownFormat),
    };
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODE_BYTES);
    reader.limits(limits);
    let picture =
        reader.decode().map_err(|error| PictureError::Unreadable { format: name, why: error.to_string() })?.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let small = resize_rgb(picture.as_raw(), width, height, cifar::SIDE, cifar::SIDE);
    let mut out = vec![0.0; cifar::IMAGE_BYTES];
    cifar::normalise_image(&small, &mut out);
    Ok(out)
}
