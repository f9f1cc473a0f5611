//! What a JPEG file consists of: segments and scans, each behind a marker. Source: ITU-T T.81, annex B.
//!
//! Only this structure is read here: how large the picture is, and whether all of it is there. As in Pillow (libjpeg),
//! a picture is whole if its end is found. If one scan holds all of it, any marker behind that scan is enough.

use super::FORMAT;
use crate::error::PictureError;
use std::ops::Range;

// Markers: the byte behind 0xff.
const TEMPORARY: u8 = 0x01;
const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const PROGRESSIVE: u8 = 0xc2;
const HUFFMAN_TABLES: u8 = 0xc4;
const RESERVED: u8 = 0xc8;
const ARITHMETIC_TABLES: u8 = 0xcc;
const LAST_FRAME: u8 = 0xcf;
const FIRST_RESTART: u8 = 0xd0;
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const FIRST_APPLICATION: u8 = 0xe0;
const ADOBE: u8 = 0xee;
const LAST_APPLICATION: u8 = 0xef;
const COMMENT: u8 = 0xfe;

/// How many blocks of a component one unit of the picture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampling {
    pub(super) across: u8,
    pub(super) down: u8,
}

/// What decides how much memory decoding takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    progressive: bool,
    /// The sampling of each component.
    pub(super) sampling: Vec<Sampling>,
    /// Components of the first scan.
    first_scan: u8,
}

impl Frame {
    /// Whether one scan is the whole picture, so that it can be decoded row by row.
    pub(super) fn is_one_scan(&self) -> bool {
        !self.progressive && usize::from(self.first_scan) == self.sampling.len()
    }
}

/// Reads the structure of a file, and removes in place what has no say in its pixels. That is segments of applications
/// (EXIF, colour profiles, thumbnails), comments, and bytes between segments or behind the end. So the decoder finds
/// exactly the frame that was read here, and keeps nothing else.
pub(super) fn tidy(file: &mut Vec<u8>) -> Result<Frame, PictureError> {
    let mut frame: Option<Frame> = None;
    // What was read lies before `at`, and what is kept of it before `end`.
    let (mut at, mut end) = (2, 2);
    loop {
        let marker = next_marker(file, &mut at)?;
        if is_alone(marker) {
            continue;
        }
        if marker == END {
            return Err(unreadable("it has no pixels"));
        }
        let segment = segment(file, &mut at)?;
        if is_frame(marker) {
            if frame.is_some() {
                return Err(unreadable("it has two frames"));
            }
            frame = Some(read_frame(marker, &file[segment.clone()])?);
        }
        if !is_left_out(marker) {
            // With its marker and length.
            file.copy_within(segment.start - 4..segment.end, end);
            end += 4 + segment.len();
        }
        if marker == SCAN {
            let mut frame = frame.ok_or_else(|| unreadable("its pixels come before their number"))?;
            frame.first_scan = file[end - segment.len()..end].first().copied().unwrap_or_default();
            let whole = end_of_picture(file, at, frame.is_one_scan())?;
            file.copy_within(at..whole, end);
            file.truncate(end + whole - at);
            return Ok(frame);
        }
    }
}

/// Where the picture ends, if its first scan begins at `at`.
fn end_of_picture(file: &[u8], mut at: usize, one_scan: bool) -> Result<usize, PictureError> {
    loop {
        let marker = next_marker(file, &mut at)?;
        if marker == END {
            return Ok(at);
        }
        if is_alone(marker) {
            continue;
        }
        if one_scan {
            return Ok(file.len());
        }
        segment(file, &mut at)?;
    }
}

/// The next marker. What lies before it is skipped: the data of a scan, or unknown bytes.
fn next_marker(file: &[u8], at: &mut usize) -> Result<u8, PictureError> {
    loop {
        *at += 1 + file[*at..].iter().position(|&byte| byte == 0xff).ok_or_else(truncated)?;
        // Any number of these bytes may stand before a marker.
        *at += file[*at..].iter().position(|&byte| byte != 0xff).ok_or_else(truncated)?;
        let marker = file[*at];
        *at += 1;
        // With a 0 behind it, it is 0xff itself, as data.
        if marker != 0 {
            return Ok(marker);
        }
    }
}

/// The content of the segment whose length is next.
fn segment(file: &[u8], at: &mut usize) -> Result<Range<usize>, PictureError> {
    let [high, low, ..] = file[*at..] else { return Err(truncated()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let content = *at + 2..*at + length;
    if content.start > content.end {
        return Err(unreadable("a segment has no length"));
    }
    if content.end > file.len() {
        return Err(truncated());
    }
    *at = content.end;
    Ok(content)
}

fn read_frame(marker: u8, content: &[u8]) -> Result<Frame, PictureError> {
    if !matches!(marker, BASELINE | EXTENDED | PROGRESSIVE) {
        return Err(unreadable("it is coded in an unusual way; save it as a baseline or progressive JPEG"));
    }
    let [_, h0, h1, w0, w1, count, components @ ..] = content else {
        return Err(unreadable("its frame is too short"));
    };
    let (components, rest) = components.as_chunks::<3>();
    if components.len() != usize::from(*count) || !rest.is_empty() {
        return Err(unreadable("its frame has another length than its number of components"));
    }
    let (width, height) = (u16::from_be_bytes([*w0, *w1]), u16::from_be_bytes([*h0, *h1]));
    if width == 0 || height == 0 || components.is_empty() {
        return Err(unreadable("it has no pixels"));
    }
    let sampling: Vec<Sampling> =
        components.iter().map(|[_, factors, _]| Sampling { across: factors >> 4, down: factors & 15 }).collect();
    if components.len() > 4 || sampling.iter().any(|s| !(1..=4).contains(&s.across) || !(1..=4).contains(&s.down)) {
        return Err(unreadable("its components are of a number or size that no picture has"));
    }
    Ok(Frame { width, height, progressive: marker == PROGRESSIVE, sampling, first_scan: 0 })
}

/// Markers without a segment.
fn is_alone(marker: u8) -> bool {
    matches!(marker, TEMPORARY | FIRST_RESTART..=START)
}

fn is_frame(marker: u8) -> bool {
    matches!(marker, BASELINE..=LAST_FRAME) && !matches!(marker, HUFFMAN_TABLES | RESERVED | ARITHMETIC_TABLES)
}

/// Whether a segment has no say in the pixels. Two segments of applications are kept. The first may stand for tables
/// that are left out, as in frames of films. Adobe's tells colours.
fn is_left_out(marker: u8) -> bool {
    marker == COMMENT
        || (matches!(marker, FIRST_APPLICATION..=LAST_APPLICATION) && !matches!(marker, FIRST_APPLICATION | ADOBE))
}

fn truncated() -> PictureError {
    PictureError::Truncated { format: FORMAT }
}

fn unreadable(why: &str) -> PictureError {
    PictureError::Unreadable { format: FORMAT, why: why.to_owned() }
}
