//! Data sets as values: what one is, its images in memory, and from images to batches.
//!
//! A [`DatasetSpec`] says all that the rest of the product has to know: shape, classes, normalisation, and the files by their
//! checksums. Where those come from and what they are called is an importer's affair. A [`Dataset`] is the files of one split,
//! mapped into memory and checked. [`Batches`] writes images into buffers of the caller, channels last and normalised. What is
//! done to training samples is a list of [`Augmentations`].
//!
//! # Layout
//!
//! - `spec`: what a data set is.
//! - `verify` and `dataset`: its files, checked and in memory.
//! - `augment`: augmentations, a file each, and the terms that they are told in.
//! - `normalise` and `batch`: from images to batches.
//!
//! # Example
//!
//! ```
//! use data::{Augmentations, ImageShape};
//!
//! let augmentations: Augmentations = "crop:4,flip".parse()?;
//! let shape = ImageShape { channels: 3, height: 32, width: 32 };
//! // The same on every worker: it depends on seed, epoch and sample alone.
//! assert_eq!(augmentations.look(7, 0, 99, shape), augmentations.look(7, 0, 99, shape));
//! # Ok::<(), data::UnknownAugmentation>(())
//! ```

mod augment;
mod batch;
mod dataset;
mod error;
mod normalise;
mod spec;
mod verify;

pub use augment::{Augmentation, Augmentations, Axis, Crop, Flip, Look, UnknownAugmentation};
pub use batch::Batches;
pub use dataset::Dataset;
pub use error::Error;
pub use normalise::Normaliser;
pub use spec::{Blob, DatasetSpec, ImageShape, Normalisation, Record, Split};
pub use verify::{blob_of, hex, verify};
