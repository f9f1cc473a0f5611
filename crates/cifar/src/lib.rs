//! CIFAR-10: fetch it, verify it, read it, augment it.
//!
//! A [`Dataset`] is the official binary files, mapped into memory and checked against their published checksums. Batches
//! are written into buffers of the caller, channels last and normalised; crop and flip are pure functions of seed, epoch
//! and sample, so that no generator has state that would have to be saved.
//!
//! # Layout
//!
//! - `fetch`, `files` and `verify`: where the files come from, and whether they are the right ones.
//! - `dataset`: the files in memory.
//! - `augment`, `normalise` and `batch`: from images to batches.
//!
//! # Example
//!
//! ```
//! use cifar::{IMAGE_BYTES, normalise_image};
//!
//! // Every pixel at its mean is nearly 0.
//! let mut values = vec![0.0; IMAGE_BYTES];
//! normalise_image(&[125; IMAGE_BYTES], &mut values);
//! assert!(values.iter().all(|value| value.abs() < 0.3));
//! ```

mod augment;
mod batch;
mod dataset;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod files;
mod normalise;
mod verify;

pub use augment::{Augment, PADDING};
pub use batch::{plain_batch, train_batch};
pub use dataset::Dataset;
pub use error::Error;
#[cfg(feature = "fetch")]
pub use fetch::{Event, FetchError, Source, fetch};
pub use files::{FOLDER, FileSpec, Split, files_in};
pub use normalise::{PADDING_VALUE, normalise_chw, normalise_image};
pub use verify::verify_file;

/// Pixels along one side of an image.
pub const SIDE: usize = 32;

/// Colour channels of an image: red, green, blue.
pub const CHANNELS: usize = 3;

/// Bytes of one image, and values of one normalised image.
pub const IMAGE_BYTES: usize = CHANNELS * SIDE * SIDE;

/// Classes of the data set.
pub const CLASSES: usize = plan::CLASSES;

/// Names of the classes, by label.
pub const CLASS_NAMES: [&str; CLASSES] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Bytes of one record of a file: the label, then the image.
pub const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
