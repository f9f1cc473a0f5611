//! What tests of several crates draw alike, in Rust and in Python: weights and batches that are functions of a seed.
//!
//! No program uses it.
//!
//! # Layout
//!
//! - `drawn`: the twin of `tests/golden/drawn.py`.
//!
//! # Example
//!
//! ```no_run
//! let (images, labels) = testkit::batch(7, 2);
//! assert_eq!((images.len(), labels.len()), (2, 2));
//! ```

mod drawn;

pub use drawn::{batch, normalised, perturb};
