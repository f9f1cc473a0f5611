//! PNG files. They are decoded row by row, so that only interlaced ones take much memory.

use crate::{error::PictureError, patience::Patience, picture::Size, resize::Resizer};
use png::{BitDepth, Decoder, DecodingError, InterlaceInfo, Limits, Transformations, expand_interlaced_row};
use std::io::{Cursor, ErrorKind};

/// As errors call it.
const FORMAT: &str = "PNG";
const SIGNATURE: usize = 8;
/// Of a chunk: its length and kind before its content, and a checksum behind it.
const HEAD: usize = 8;
const CHECKSUM: usize = 4;
/// The last chunk of a file, as a whole.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";
/// A pixel's bytes at the most: four channels of 16 bits.
const WIDEST: u64 = 8;
/// What a pixel of 8-bit RGB has.
const RGB_BITS: u8 = 24;
/// Rows that are kept at a time.
const ROWS: u64 = 16;
/// Of what decompression and the allocator keep for themselves.
const FIXED: u64 = 512 << 10;
/// Of interlaced pictures, the passes: first column and step, first row and step.
const PASSES: [[u32; 4]; 7] =
    [[0, 8, 0, 8], [4, 8, 0, 8], [0, 4, 4, 8], [2, 4, 0, 4], [0, 2, 2, 4], [1, 2, 0, 2], [0, 1, 1, 2]];

/// A PNG file.
#[derive(Debug)]
pub(crate) struct Png {
    /// Only what decoding needs.
    file: Vec<u8>,
    width: u32,
    height: u32,
    interlaced: bool,
    /// Whether anything comes after its pixels.
    ends: bool,
    to: Size,
}

impl Png {
    /// Looks at a file, and throws out of it what is not needed for its pixels.
    pub(crate) fn open(mut file: Vec<u8>, to: Size) -> Result<Self, PictureError> {
        let ends = tidy(&mut file);
        let (width, height, interlaced) = {
            let mut decoder = Decoder::new(Cursor::new(&file[..]));
            let info = decoder.read_header_info().map_err(failed)?;
            (info.width, info.height, info.interlaced)
        };
        Ok(Self { file, width, height, interlaced, ends, to })
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Some rows; and the whole picture if its rows come in passes.
    pub(crate) fn memory(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let picture = if self.interlaced { 3 * width * height } else { 0 };
        picture + ROWS * WIDEST * width + Resizer::memory([width, height], self.to) + FIXED
    }

    /// As Pillow does, it asks for all rows and for no more: the end of the file may be missing.
    pub(crate) fn decode(self, patience: &Patience) -> Result<Vec<u8>, PictureError> {
        let (width, height) = (self.width as usize, self.height as usize);
        let limits = Limits { bytes: self.memory() as usize };
        let mut decoder = Decoder::new_with_limits(Cursor::new(&self.file[..]), limits);
        // Palettes and levels of less than 8 bits become colours of 8.
        decoder.set_transformations(Transformations::EXPAND);
        let mut reader = decoder.read_info().map_err(failed)?;
        // Where a file breaks off between two pieces of its pixels, none of them is damaged.
        let lacking = |error| if self.ends { failed(error) } else { truncated() };
        let (colours, depth) = reader.output_color_type();
        let mut resizer = Resizer::new(width, height, self.to.width, self.to.height);
        let mut picture = vec![0; if self.interlaced { 3 * width * height } else { 0 }];
        let mut rgb = Vec::with_capacity(3 * width);
        for _ in 0..self.rows() {
            if patience.is_over() {
                return Err(PictureError::TooSlow { seconds: patience.time().as_secs() });
            }
            let row = reader.next_interlaced_row().map_err(lacking)?.ok_or_else(truncated)?;
            rgb.clear();
            convert(row.data(), colours.samples(), depth == BitDepth::Sixteen, &mut rgb);
            match row.interlace() {
                InterlaceInfo::Null(_) => resizer.push(&rgb),
                InterlaceInfo::Adam7(pass) => expand_interlaced_row(&mut picture, 3 * width, &rgb, pass, RGB_BITS),
            }
        }
        if self.interlaced {
            picture.chunks_exact(3 * width).for_each(|row| resizer.push(row));
        }
        Ok(resizer.finish())
    }

    /// Of all passes together.
    fn rows(&self) -> u32 {
        if !self.interlaced {
            return self.height;
        }
        let pass = |[left, _, top, step]: &[u32; 4]| {
            if *left < self.width { self.height.saturating_sub(*top).div_ceil(*step) } else { 0 }
        };
        PASSES.iter().map(pass).sum()
    }
}

/// Removes in place every chunk without a say in the pixels: texts, profiles, thumbnails, the frames of an animation. What
/// follows the pixels goes too, but for the end. Returns whether anything did. A file that is none is left to the decoder, which says what is wrong.
fn tidy(file: &mut Vec<u8>) -> bool {
    // What was read lies before `at`, and what is kept of it before `end`.
    let (mut at, mut end) = (SIGNATURE, SIGNATURE);
    let (mut pixels, mut whole, mut ends) = (false, false, false);
    while let Some([a, b, c, d, kind @ ..]) = file.get(at..).and_then(|rest| rest.first_chunk::<HEAD>()).copied() {
        let is_pixels = kind == *b"IDAT";
        if pixels && !is_pixels {
            ends = true;
            break;
        }
        pixels = is_pixels;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let next = (at + HEAD + length + CHECKSUM).min(file.len());
        // A capital first letter says that a chunk cannot be done without.
        if kind[0].is_ascii_uppercase() || kind == *b"tRNS" {
            file.copy_within(at..next, end);
            end += next - at;
        }
        whole = at + HEAD + length + CHECKSUM <= file.len();
        at = next;
    }
    file.truncate(end);
    if pixels && whole {
        // Without an end the decoder asks for more while it still has rows to give.
        file.extend(END);
    }
    ends
}

/// A row as 8-bit RGB, rounded, without alpha.
fn convert(row: &[u8], samples: usize, wide: bool, rgb: &mut Vec<u8>) {
    let level = |sample: &[u8]| match sample {
        [high, low] => ((u32::from(u16::from_be_bytes([*high, *low])) + 128) / 257) as u8,
        _ => sample[0],
    };
    let size = if wide { 2 } else { 1 };
    for pixel in row.chunks_exact(size * samples) {
        if samples < 3 {
            rgb.extend([level(&pixel[..size]); 3]);
        } else {
            rgb.extend(pixel.chunks_exact(size).take(3).map(level));
        }
    }
}

fn failed(error: DecodingError) -> PictureError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => truncated(),
        error => PictureError::Unreadable { format: FORMAT, why: error.to_string() },
    }
}

fn truncated() -> PictureError {
    PictureError::Truncated { format: FORMAT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
    use std::time::Duration;

    fn encoded(level: u8, side: u32) -> Vec<u8> {
        let (mut file, pixels) = (Vec::new(), vec![level; (3 * side * side) as usize]);
        PngEncoder::new(&mut file).write_image(&pixels, side, side, ExtendedColorType::Rgb8).unwrap();
        file
    }

    fn decoded(file: &[u8]) -> Result<Vec<u8>, PictureError> {
        Png::open(file.to_vec(), Size { width: 32, height: 32 })?.decode(&Patience::new(Duration::from_mins(1)))
    }

    #[test]
    fn a_whole_file_is_read_however_little_of_it_there_is() {
        for (level, side) in [(255, 128), (255, 256), (0, 640), (7, 1500), (255, 3000)] {
            let file = encoded(level, side);
            assert!(decoded(&file).unwrap().iter().all(|pixel| *pixel == level), "{side}");
            // What follows the pixels may be missing.
            assert!(decoded(&file[..file.len() - 12]).is_ok(), "{side}");
            let broken = decoded(&file[..file.len() - 30]).unwrap_err();
            assert!(matches!(broken, PictureError::Truncated { .. }), "{side}: {broken}");
        }
    }
}
