//! A picture takes no more memory than it says before it is decoded, and is not said to take much more than it does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use inference::{Patience, Picture};
use peak_alloc::PeakAlloc;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
    time::Duration,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const SHAPE: data::ImageShape = data::ImageShape { channels: 3, height: 32, width: 32 };
/// Images that are larger than what any decoder keeps for itself.
const LARGE: data::ImageShape = data::ImageShape { channels: 3, height: 1000, width: 1100 };

/// Sides that are no multiples of anything, one of them tall, one wide.
const SIZES: [(u16, u16); 4] = [(1501, 1003), (10_000, 11), (7, 9999), (1, 1)];

/// The file of a picture that says it has another size. What is missing is drawn grey, or makes an error after all.
fn of_size(file: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut file = file.to_vec();
    let ([w1, w0], [h1, h0]) = (width.to_be_bytes(), height.to_be_bytes());
    if file.starts_with(b"\x89PNG") {
        file[16..24].copy_from_slice(&[0, 0, w1, w0, 0, 0, h1, h0]);
        let checksum = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&checksum.to_be_bytes());
    } else {
        let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0] || pair == [0xff, 0xc2]).unwrap();
        file[frame + 5..frame + 9].copy_from_slice(&[h1, h0, w1, w0]);
    }
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// A JPEG file whose components are sampled so: across and down.
fn sampled(file: &[u8], sampling: &[(u8, u8)]) -> Vec<u8> {
    let mut file = file.to_vec();
    let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0] || pair == [0xff, 0xc2]).unwrap();
    assert_eq!(usize::from(file[frame + 9]), sampling.len());
    for (component, (across, down)) in sampling.iter().enumerate() {
        file[frame + 11 + 3 * component] = (across << 4) | down;
    }
    file
}

/// Decodes it to an image of `shape`, whatever comes of it: what it said, and what it took, in bytes.
fn memory(file: Vec<u8>, shape: data::ImageShape) -> (u64, u64) {
    let picture = Picture::open(file, shape).unwrap();
    let said = picture.memory();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    // The decoder gives up with an error or, where nobody thought of such a file, with a panic.
    let _ = catch_unwind(AssertUnwindSafe(|| picture.decode(&Patience::new(Duration::from_mins(5)))));
    (said, (ALLOCATOR.peak_usage() - before) as u64)
}

/// A JPEG file whose first scan has its first component alone, so that others have to follow.
fn in_more_scans(file: &[u8]) -> Vec<u8> {
    let scan = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let behind = scan + 2 + usize::from(file[scan + 3]);
    let first = file[scan + 5];
    [&file[..scan], &[0xff, 0xda, 0, 8, 1, first, 0, 0, 63, 0], &file[behind..]].concat()
}

/// The widest pixels there are, and more of them than a decoder keeps.
fn wide_png() -> Vec<u8> {
    let (width, height) = (10_000, 60);
    let levels = (0..4 * width * height).map(|level| (level % 65_521 * 7919) as u16).collect();
    let picture = image::ImageBuffer::<image::Rgba<u16>, Vec<u16>>::from_raw(width, height, levels).unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(picture).write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

fn assert_enough(name: &str, file: &[u8]) {
    for shape in [SHAPE, LARGE] {
        let (said, took) = memory(file.to_owned(), shape);
        assert!(took <= said, "{name} to {}x{}: {took} bytes instead of {said}", shape.width, shape.height);
    }
}

// One test: memory is that of the whole process.
#[test]
fn a_picture_takes_what_it_says() {
    const ONE: (u8, u8) = (1, 1);
    // To print where a decoder panics takes memory of its own.
    set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|location| location.file().contains("zune-jpeg")) {
            eprintln!("{panic}");
        }
    }));
    let mut files = Vec::new();
    for picture in golden::pictures() {
        let is_jpeg = picture.file.starts_with(&[0xff, 0xd8]);
        if is_jpeg {
            files.push((format!("{} in scans", picture.name), in_more_scans(&picture.file)));
        }
        if is_jpeg && !picture.name.contains("CMYK") && !picture.name.contains("grey") {
            for sampling in [
                [ONE, ONE, ONE],
                [(2, 2), (2, 1), (2, 1)],
                [(4, 4), ONE, ONE],
                [ONE, (4, 4), (2, 1)],
                [(1, 4), (4, 1), ONE],
            ] {
                let file = sampled(&picture.file, &sampling);
                files.push((format!("{} {sampling:?} in scans", picture.name), in_more_scans(&file)));
                files.push((format!("{} {sampling:?}", picture.name), file));
            }
        }
        files.push((picture.name, picture.file));
    }
    for (name, file) in files {
        for (width, height) in SIZES {
            assert_enough(&format!("{name}, {width}x{height}"), &of_size(&file, width, height));
        }
    }
    assert_enough("the widest PNG", &wide_png());
    // What is said is near to the truth where it counts: of a picture with three components in full size, scan by scan.
    let progressive = golden::pictures().into_iter().find(|picture| picture.name == "progressive, 4:4:4").unwrap();
    let (said, took) = memory(of_size(&progressive.file, 2000, 1500), SHAPE);
    assert!(said < took + took / 10, "{took} bytes instead of {said}");
}
