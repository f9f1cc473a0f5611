//! Small pictures in letters: an upper half block has two pixels, one above the other.

use image::{DynamicImage, ImageReader, Limits, RgbImage, imageops::FilterType};
use std::{
    fmt::Write,
    io::Cursor,
    sync::{Mutex, PoisonError},
};

/// No side of a picture is longer, in pixels: as the coordinator has it.
const LONGEST_SIDE: u32 = 10_000;
/// Bytes that decoding a picture may take.
const MEMORY: u64 = 1 << 29;

/// Which colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits each.
    True,
    /// 256 of them.
    Indexed,
}

/// A picture that is small enough for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail(RgbImage);

impl Thumbnail {
    /// The picture in `bytes`, at most `side` pixels wide and high. `bytes` are a PNG or JPEG file, or raw pixels of a square. Those
    /// are planes of red, green and blue. There is none of anything else.
    #[must_use]
    pub fn of(bytes: &[u8], side: u32) -> Option<Self> {
        let picture = decode(bytes).or_else(|| raw(bytes).map(DynamicImage::from))?;
        // Single pixels stay single pixels; what is larger is averaged.
        let larger = picture.width() > side || picture.height() > side;
        let filter = if larger { FilterType::Triangle } else { FilterType::Nearest };
        Some(Self(picture.resize(side.max(1), side.max(1), filter).to_rgb8()))
    }

    /// Columns of letters.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.0.width() as usize
    }

    /// Its lines, each as wide as it has columns.
    #[must_use]
    pub fn lines(&self, depth: Depth) -> Vec<String> {
        let picture = &self.0;
        let line = |row: u32| {
            let (mut line, mut before) = (String::new(), None);
            for column in 0..picture.width() {
                let upper = colour(picture.get_pixel(column, 2 * row).0, depth);
                let lower =
                    (2 * row + 1 < picture.height()).then(|| colour(picture.get_pixel(column, 2 * row + 1).0, depth));
                if before.as_ref() != Some(&(upper.clone(), lower.clone())) {
                    // The last row may have no lower half.
                    let lower = lower.as_ref().map_or_else(|| "49".to_owned(), |lower| format!("48;{lower}"));
                    // Writing to a string does not fail.
                    let _ = write!(line, "\u{1b}[38;{upper};{lower}m");
                }
                before = Some((upper, lower));
                line.push('▀');
            }
            line + "\u{1b}[0m"
        };
        (0..picture.height().div_ceil(2)).map(line).collect()
    }
}

/// One picture is decoded at a time: of many that are read together, each may take as much as [`MEMORY`].
static DECODING: Mutex<()> = Mutex::new(());

fn decode(bytes: &[u8]) -> Option<DynamicImage> {
    // A panic elsewhere leaves nothing half done.
    let _alone = DECODING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    reader.limits(limits);
    reader.decode().ok()
}

fn raw(bytes: &[u8]) -> Option<RgbImage> {
    let plane = bytes.len() / 3;
    let side = plane.isqrt();
    if side == 0 || bytes.len() != 3 * side * side {
        return None;
    }
    let at = |x: u32, y: u32| y as usize * side + x as usize;
    let pixel = |x, y| image::Rgb([0, 1, 2].map(|channel| bytes[channel * plane + at(x, y)]));
    Some(RgbImage::from_fn(side as u32, side as u32, pixel))
}

/// The end of the parameters that choose a colour.
fn colour([red, green, blue]: [u8; 3], depth: Depth) -> String {
    match depth {
        Depth::True => format!("2;{red};{green};{blue}"),
        Depth::Indexed => format!("5;{}", indexed([red, green, blue])),
    }
}

/// The levels of the cube of xterm's colours.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of xterm's 256 colours, but for the first 16, which people choose themselves.
fn indexed(rgb: [u8; 3]) -> u8 {
    let nearest = |value: u8| (0..6u8).min_by_key(|level| LEVELS[usize::from(*level)].abs_diff(value)).unwrap_or(0);
    let [red, green, blue] = rgb.map(nearest);
    let cube = [red, green, blue].map(|level| LEVELS[usize::from(level)]);
    let mean = rgb.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
    let step = ((mean.saturating_sub(3)) / 10).min(23) as u8;
    let grey = [8 + 10 * step; 3];
    let far = |of: [u8; 3]| -> u32 { of.iter().zip(rgb).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    if far(grey) < far(cube) { 232 + step } else { 16 + 36 * red + 6 * green + blue }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 200]));
        picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    }

    #[test]
    fn two_pixels_a_letter() {
        let lines = Thumbnail::of(&png(2, 3), 32).unwrap();
        assert_eq!((lines.columns(), lines.lines(Depth::True).len()), (21, 16), "it is enlarged to the side");
        let thumbnail = Thumbnail(RgbImage::from_fn(2, 3, |_, y| image::Rgb([y as u8, 0, 0])));
        assert_eq!(
            thumbnail.lines(Depth::True),
            ["\u{1b}[38;2;0;0;0;48;2;1;0;0m▀▀\u{1b}[0m", "\u{1b}[38;2;2;0;0;49m▀▀\u{1b}[0m"]
        );
        assert!(thumbnail.lines(Depth::Indexed)[0].starts_with("\u{1b}[38;5;16;48;5;16m"));
    }

    #[test]
    fn large_pictures_keep_their_shape() {
        let thumbnail = Thumbnail::of(&png(200, 100), 32).unwrap();
        assert_eq!((thumbnail.columns(), thumbnail.lines(Depth::True).len()), (32, 8));
    }

    #[test]
    fn raw_pixels_are_planes() {
        let mut bytes = vec![0; 3072];
        bytes[..1024].fill(9);
        assert_eq!(Thumbnail::of(&bytes, 32).unwrap().0.get_pixel(31, 31).0, [9, 0, 0]);
        assert_eq!(Thumbnail::of(&bytes[1..], 32), None);
        assert_eq!(Thumbnail::of(&[], 32), None);
    }

    #[test]
    fn the_nearest_of_256_colours() {
        // https://www.ditig.com/256-colors-cheat-sheet
        for (rgb, expected) in
            [([0, 0, 0], 16), ([255, 255, 255], 231), ([255, 0, 0], 196), ([8, 8, 8], 232), ([238, 238, 238], 255)]
        {
            assert_eq!(indexed(rgb), expected, "{rgb:?}");
        }
        assert_eq!(indexed([95, 135, 175]), 67);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are(bytes in prop::collection::vec(any::<u8>(), 0..400), side in 0..40u32) {
            if let Some(thumbnail) = Thumbnail::of(&bytes, side) {
                prop_assert!(thumbnail.columns() <= side.max(1) as usize);
            }
        }
    }
}
