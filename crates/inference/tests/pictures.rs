//! Pictures of many kinds are decoded as before, whole and only whole, as in Pillow.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use inference::{Patience, Picture, PictureError, resize_rgb};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const SHAPE: data::ImageShape = data::ImageShape { channels: 3, height: 32, width: 32 };

fn decoded(file: &[u8]) -> Result<Vec<u8>, PictureError> {
    Picture::open(file.to_vec(), SHAPE)?.decode(&Patience::new(Duration::from_mins(1)))
}

/// By way of the whole picture in 8-bit RGB.
fn by_crate_image(file: &[u8]) -> Vec<u8> {
    let picture = image::load_from_memory(file).unwrap().into_rgb8();
    resize_rgb(picture.as_raw(), picture.width() as usize, picture.height() as usize, 32, 32)
}

#[test]
fn whole_pictures_are_decoded_as_the_crate_image_does() {
    for picture in golden::pictures() {
        assert_eq!(decoded(&picture.file).unwrap(), by_crate_image(&picture.file), "{}", picture.name);
    }
}

#[test]
fn what_follows_a_picture_is_no_part_of_it() {
    for picture in golden::pictures() {
        for rest in [&b"\0"[..], b"more", &[0xff; 9], &picture.file, b"\xff\xd8\xff\xda\xff\xd9"] {
            let file = [&picture.file, rest].concat();
            assert_eq!(decoded(&file).unwrap(), by_crate_image(&picture.file), "{}", picture.name);
        }
    }
}

/// Pillow and the crate png differ in how much of the mark behind a PNG's compressed pixels they want to see, in bytes.
const END_MARK: usize = 2;

#[test]
fn a_cut_picture_is_refused_where_pillow_refuses_it() {
    for picture in golden::pictures() {
        let mut first = picture.file.len();
        for length in 0..picture.file.len() {
            let message = format!("{} without its last {} bytes", picture.name, picture.file.len() - length);
            match decoded(&picture.file[..length]) {
                Ok(pixels) => {
                    assert_eq!(pixels, by_crate_image(&picture.file), "{message}");
                    first = first.min(length);
                }
                Err(PictureError::UnknownFormat { .. }) => assert!(length < 8, "{message}"),
                Err(error) => {
                    assert!(length < first, "{message}: {error}");
                    assert!(matches!(error, PictureError::Truncated { .. }), "{message}: {error}");
                    assert!(error.to_string().contains("truncated"), "{error}");
                }
            }
        }
        let tolerance = if picture.name.starts_with("PNG") { END_MARK } else { 0 };
        let message = format!("{} is whole from {first} bytes on, and not from {}", picture.name, picture.needed);
        assert!(first.abs_diff(picture.needed) <= tolerance, "{message}");
    }
}

#[test]
fn all_levels_of_16_bits_are_rounded_alike() {
    let levels: Vec<u16> = (0..=u16::MAX).collect();
    let grey = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(32, 2048, levels).unwrap();
    let colours = image::DynamicImage::ImageLuma16(grey.clone()).into_rgb16();
    for picture in [image::DynamicImage::ImageLuma16(grey), image::DynamicImage::ImageRgb16(colours)] {
        // Rows of 32 levels, and as many of them as a picture keeps: nothing is mixed.
        for top in (0..2048).step_by(32) {
            let mut file = Vec::new();
            let part = picture.crop_imm(0, top, 32, 32);
            part.write_to(&mut std::io::Cursor::new(&mut file), image::ImageFormat::Png).unwrap();
            assert_eq!(decoded(&file).unwrap(), part.into_rgb8().into_raw());
        }
    }
}

#[test]
fn a_side_has_a_longest() {
    let mut file = Vec::new();
    let picture = image::GrayImage::new(10_001, 1);
    picture.write_to(&mut std::io::Cursor::new(&mut file), image::ImageFormat::Png).unwrap();
    let error = decoded(&file).unwrap_err();
    assert_eq!(error, PictureError::TooLarge { width: 10_001, height: 1, longest: 10_000 });
}

/// A progressive JPEG of 4000x4000 pixels, some thousand bytes, and nearly as many scans as the decoder takes.
fn scans() -> Vec<u8> {
    let whole = golden::pictures().into_iter().find(|picture| picture.name == "progressive, 4:4:4").unwrap().file;
    let find = |marker: u8| whole.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let mut file = whole[..find(0xda)].to_vec();
    let size = find(0xc2) + 5;
    file[size..size + 4].copy_from_slice(&[0x0f, 0xa0, 0x0f, 0xa0]);
    for _ in 0..95 {
        // A bit more of each block's first coefficient, again and again.
        file.extend_from_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0x10]);
        file.extend_from_slice(&[0x55; 16]);
    }
    file.extend_from_slice(&[0xff, 0xd9]);
    file
}

/// The shortest of some times that each of two takes, in turns: what else the machine does only adds to them, and to both.
fn shortest(one: impl Fn(), other: impl Fn()) -> [Duration; 2] {
    let time = |work: &dyn Fn()| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    let turns = (0..12).map(|_| [time(&one), time(&other)]);
    turns.reduce(|best, now| [best[0].min(now[0]), best[1].min(now[1])]).unwrap()
}

#[test]
fn a_picture_that_takes_too_long_is_left() {
    let picture = || Picture::open(scans(), SHAPE).unwrap();
    let leave = || {
        let error = picture().decode(&Patience::new(Duration::from_millis(1))).unwrap_err();
        assert_eq!(error, PictureError::TooSlow { seconds: 0 });
    };
    let [left, whole] = shortest(leave, || drop(picture().decode(&Patience::new(Duration::from_hours(1)))));
    // Memory for it is asked for, and cleared, in both cases.
    assert!(whole > left + left / 4, "left after {left:?} of {whole:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed in a file: it is decoded or refused.
    #[test]
    fn damage_is_no_disaster(which in 0..28_usize, changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..9), cut in any::<Option<u16>>()) {
        let mut file = golden::pictures().swap_remove(which).file;
        for (place, byte) in changes {
            let length = file.len();
            file[place % length] = byte;
        }
        file.truncate(cut.map_or(usize::MAX, usize::from));
        if let Ok(picture) = Picture::open(file, SHAPE) && picture.memory() < 64 << 20 {
            let _ = picture.decode(&Patience::new(Duration::from_secs(5)));
        }
    }
}
