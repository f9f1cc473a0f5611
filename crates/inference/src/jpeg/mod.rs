//! JPEG files, baseline and progressive.

mod segments;

use crate::{Patience, PictureError, Size, patience::Watched, resize::Resizer};
use segments::Frame;
use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// As errors call it.
const FORMAT: &str = "JPEG";
/// Pixels of a block side by side, and one below the other.
const BLOCK: u64 = 8;
/// Of tables, and of what decoder and allocator keep for themselves.
const FIXED: u64 = 256 << 10;

/// A JPEG file.
#[derive(Debug)]
pub(crate) struct Jpeg {
    /// Only what decoding needs.
    file: Vec<u8>,
    frame: Frame,
    to: Size,
}

impl Jpeg {
    /// Looks at a file, and throws out of it what is not needed for its pixels.
    pub(crate) fn open(mut file: Vec<u8>, to: Size) -> Result<Self, PictureError> {
        let frame = segments::tidy(&mut file)?;
        Ok(Self { file, frame, to })
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.frame.width.into(), self.frame.height.into())
    }

    /// The picture; its coefficients, if they come in more than one scan; and some rows of blocks.
    pub(crate) fn memory(&self) -> u64 {
        let (width, height) = (u64::from(self.frame.width), u64::from(self.frame.height));
        let sampling = || self.frame.sampling.iter().map(|sampling| (sampling.across.into(), sampling.down.into()));
        let (across, down) = sampling().fold((1, 1), |(across, down): (u64, u64), (h, v)| (across.max(h), down.max(v)));
        let units = width.div_ceil(BLOCK * across) * height.div_ceil(BLOCK * down);
        let coefficients = if self.frame.is_one_scan() { 0 } else { sampling().map(|(h, v)| units * h * v).sum() };
        let mut rows = 0;
        let mut across_so_far = 1;
        for (h, v) in sampling() {
            // The decoder lays a component's rows out before it knows the components that follow.
            across_so_far = h.max(across_so_far);
            let row = BLOCK * h * width.div_ceil(BLOCK * across_so_far);
            let larger = (across / h).max(1) * (down / v).max(1);
            // As they are, brought to the picture's size, and single rows of both.
            rows += row * (BLOCK * (v + 2 * larger + 2 * v) + v * (larger + 2) + BLOCK);
        }
        let numbers = size_of::<i16>() as u64 * (BLOCK * BLOCK * coefficients + rows);
        3 * width * height + numbers + 3 * width + Resizer::memory([width, height], self.to) + FIXED
    }

    pub(crate) fn decode(self, patience: &Patience) -> Result<Vec<u8>, PictureError> {
        let unreadable = |why: String| PictureError::Unreadable { format: FORMAT, why };
        let (width, height) = (usize::from(self.frame.width), usize::from(self.frame.height));
        let options = DecoderOptions::default().set_max_width(width).set_max_height(height);
        let mut decoder = JpegDecoder::new_with_options(Watched::new(&self.file, patience), options);
        let late = || PictureError::TooSlow { seconds: patience.time().as_secs() };
        let failed = |error: zune_jpeg::errors::DecodeErrors| {
            if patience.is_over() { late() } else { unreadable(error.to_string()) }
        };
        decoder.decode_headers().map_err(failed)?;
        if decoder.dimensions() != Some((width, height)) {
            return Err(unreadable("it has more than one size".to_owned()));
        }
        let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
        let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        let channels = colours.num_components();
        let mut pixels = vec![0; channels * width * height];
        decoder.decode_into(&mut pixels).map_err(failed)?;
        // The decoder may take the end of what it can read for the end of the file.
        if patience.is_over() {
            return Err(late());
        }
        let mut resizer = Resizer::new(width, height, self.to.width, self.to.height);
        let mut row = Vec::with_capacity(3 * width);
        for pixels in pixels.chunks_exact(channels * width) {
            row.clear();
            if grey {
                row.extend(pixels.iter().flat_map(|&level| [level; 3]));
            } else {
                row.extend_from_slice(pixels);
            }
            resizer.push(&row);
        }
        Ok(resizer.finish())
    }
}
