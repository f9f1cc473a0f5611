//! Why a picture gets no answer.

use data::ImageShape;
use thiserror::Error;

/// Why a picture gets no answer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PictureError {
    /// Neither PNG nor JPEG.
    #[error("this is neither a PNG nor a JPEG file, and not {pixels} bytes of pixels either")]
    UnknownFormat {
        /// Bytes that an image of the data set has.
        pixels: usize,
    },
    /// The file ends before its picture does.
    #[error("this {format} is truncated: the file ends before the picture does; send the whole file")]
    Truncated {
        /// As its first bytes say.
        format: &'static str,
    },
    /// Damaged, or of an unusual kind.
    #[error("this {format} cannot be read: {why}")]
    Unreadable {
        /// As its first bytes say.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The decoder broke.
    #[error("this picture is damaged in a way that its decoder does not understand; save it anew")]
    Undecodable,
    /// Too many pixels.
    #[error(
        "this picture has {width}x{height} pixels, and a side may have {longest} at the most; give a smaller version"
    )]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// What a side may have.
        longest: u32,
    },
    /// Decoding takes more memory than the coordinator gives.
    #[error(
        "this picture of {width}x{height} pixels takes {need} MiB to decode, and the coordinator gives {given} MiB: give a \
         smaller version (a baseline JPEG takes less than a progressive one, a PNG less than an interlaced one), or raise \
         --predict-memory of the coordinator to {flag}"
    )]
    TooMuchMemory {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// In MiB.
        need: u64,
        /// In MiB.
        given: u64,
        /// What would do, in MiB.
        flag: u64,
    },
    /// Decoding takes too long.
    #[error("this picture takes longer than {seconds} s to decode; give a smaller version")]
    TooSlow {
        /// What it may take.
        seconds: u64,
    },
    /// Too many others wait.
    #[error("too many pictures wait to be decoded; try again later")]
    Busy,
    /// Pixels of another number.
    #[error(
        "an image has {} bytes of pixels ({} planes of {}x{}), not {found}",
        .shape.len(), .shape.channels, .shape.height, .shape.width
    )]
    WrongPixels {
        /// What came.
        found: usize,
        /// The shape of an image of the data set.
        shape: ImageShape,
    },
    /// A model of images that are not in colour.
    #[error("a picture has 3 channels, and the images of this data set have {channels}: send pixels")]
    NotColour {
        /// Channels of an image of the data set.
        channels: u32,
    },
}
