//! Memory that processes of one machine share: counters and floats. They count up to tell each other how far they are,
//! and work on the floats in turns.
//!
//! It has no name anywhere. So nothing is left behind however they end: the kernel frees it with the last of them.
//!
//! # Layout
//!
//! - `segment`: a piece of memory, and the ticket by which another process finds it.
//! - `error`: why there is none.
//!
//! # Example
//!
//! ```
//! use shared_memory::{Segment, SegmentShape};
//! use std::sync::atomic::Ordering;
//!
//! let shape = SegmentShape { counters: 2, floats: 16 };
//! let (ours, ticket) = Segment::create(shape)?;
//! // As another process would.
//! let theirs = Segment::open(ticket, shape)?;
//! ours.counter(1)?.store(7, Ordering::Release);
//! assert_eq!(theirs.counter(1)?.load(Ordering::Acquire), 7);
//! # Ok::<(), shared_memory::Error>(())
//! ```

mod error;
mod segment;

pub use error::Error;
pub use segment::{Segment, SegmentShape, Ticket};
