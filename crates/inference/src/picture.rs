//! From the bytes of a picture's file to what a model takes.

use crate::{error::PictureError, jpeg::Jpeg, patience::Patience, png::Png};
use data::ImageShape;

/// A side of a picture longer than this is refused.
const LONGEST_SIDE: u32 = 10_000;

/// A picture that is not decoded yet: what it is, and what it will take.
#[derive(Debug)]
pub struct Picture(Kind);

#[derive(Debug)]
enum Kind {
    Png(Png),
    Jpeg(Jpeg),
}

/// What files begin with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];

/// Channels of a picture.
const RGB: u32 = 3;

/// The size that a picture is brought to, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub width: usize,
    pub height: usize,
}

impl Picture {
    /// Whether `file` begins as a picture's does.
    #[must_use]
    pub fn is_one(file: &[u8]) -> bool {
        file.starts_with(PNG) || file.starts_with(JPEG)
    }

    /// Looks at a file without decoding it, in the memory that the file has. It is to become an image of `shape`.
    ///
    /// # Errors
    /// If it is no picture, or none that is decoded.
    pub fn open(file: Vec<u8>, shape: ImageShape) -> Result<Self, PictureError> {
        if !Self::is_one(&file) {
            return Err(PictureError::UnknownFormat { pixels: shape.len() });
        }
        if shape.channels != RGB {
            return Err(PictureError::NotColour { channels: shape.channels });
        }
        let to = Size { width: shape.width as usize, height: shape.height as usize };
        let picture = if file.starts_with(PNG) {
            Self(Kind::Png(Png::open(file, to)?))
        } else {
            Self(Kind::Jpeg(Jpeg::open(file, to)?))
        };
        let (width, height) = picture.size();
        if width.max(height) > LONGEST_SIDE {
            return Err(PictureError::TooLarge { width, height, longest: LONGEST_SIDE });
        }
        Ok(picture)
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        match &self.0 {
            Kind::Png(png) => png.size(),
            Kind::Jpeg(jpeg) => jpeg.size(),
        }
    }

    /// What decoding takes at its peak, in bytes, beside the file.
    #[must_use]
    pub fn memory(&self) -> u64 {
        match &self.0 {
            Kind::Png(png) => png.memory(),
            Kind::Jpeg(jpeg) => jpeg.memory(),
        }
    }

    /// Decoded and made as small as the data set's images, channels last. Without its alpha channel and as stored,
    /// whatever its EXIF says, as `Image.open(..).convert("RGB").resize(size, Image.BILINEAR)` does in Pillow.
    ///
    /// # Errors
    /// If it is truncated or damaged, or takes too long.
    pub fn decode(self, patience: &Patience) -> Result<Vec<u8>, PictureError> {
        match self.0 {
            Kind::Png(png) => png.decode(patience),
            Kind::Jpeg(jpeg) => jpeg.decode(patience),
        }
    }
}
