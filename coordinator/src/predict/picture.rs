//! From the bytes of a picture's file to what a model takes.

use crate::predict::{Patience, PictureError, jpeg::Jpeg, png::Png};

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

impl Picture {
    /// Looks at a file without decoding it, in the memory that the file has.
    ///
    /// # Errors
    /// If it is no picture, or none that is decoded.
    pub fn open(file: Vec<u8>) -> Result<Self, PictureError> {
        let picture = if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            Self(Kind::Png(Png::open(file)?))
        } else if file.starts_with(&[0xff, 0xd8, 0xff]) {
            Self(Kind::Jpeg(Jpeg::open(file)?))
        } else {
            return Err(PictureError::UnknownFormat);
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

    /// Decoded and made as small as the data set's images: 32x32, channels last. Without its alpha channel and as stored,
    /// whatever its EXIF says, as `Image.open(..).convert("RGB").resize((32, 32), Image.BILINEAR)` does in Pillow.
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
