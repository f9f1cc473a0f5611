//! What can go wrong.

use crate::raster::{LARGEST_SIDE, MOST_PIXELS};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The picture would have more pixels than a viewer can be expected to open.
    #[error(
        "the picture would have {width} x {height} pixels. At most {LARGEST_SIDE} a side and {MOST_PIXELS} in all are \
         drawn. Draw fewer rows or runs, choose a smaller scale, or write an SVG"
    )]
    TooLarge {
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
    },
    /// A scale that is no positive number.
    #[error("{0} is no scale. It has to be a number above 0, such as 2 for a dense screen")]
    Scale(f32),
    /// A buffer that is no image of its side.
    #[error("an image of side {side} has {expected} bytes of RGB, and {bytes} were given")]
    Picture {
        /// Pixels.
        side: u32,
        /// Bytes that such an image has.
        expected: u64,
        /// Bytes there were.
        bytes: usize,
    },
    /// Counts that are no square of the classes.
    #[error("a confusion matrix of {classes} classes has {expected} counts, and {counts} were given")]
    Counts {
        /// Named classes.
        classes: usize,
        /// The square of it.
        expected: usize,
        /// Counts there were.
        counts: usize,
    },
    /// A matrix that nobody could read.
    #[error("a confusion matrix of {classes} classes cannot be read. At most {most} are drawn")]
    TooManyClasses {
        /// Named classes.
        classes: usize,
        /// As many are drawn.
        most: usize,
    },
    /// The encoder refused.
    #[error("the picture could not be encoded as PNG: {0}")]
    Encode(#[from] png::EncodingError),
}
