//! Memory that processes of one machine share: numbers that they count up to tell each other how far they are, and floats
//! that they work on in turns.
//!
//! It has no name anywhere, so that nothing is left behind however they end: the kernel frees it with the last of them.

mod error;
mod segment;

pub use error::Error;
pub use segment::{Segment, Shape, Ticket};
