//! Process groups for `tch` tensors: NCCL on GPUs, and Gloo on CPUs, whatever the crate's name says.
//!
//! libtorch carries the engines that PyTorch's DistributedDataParallel runs on (c10d). This crate drives the same ones
//! from Rust, behind one API. There is a rendezvous [`Store`], and a [`ProcessGroup`] over it. Its collectives return a
//! [`Work`], which can be polled, waited on for a time, or left behind.
//!
//! What it adds to c10d is that nothing hangs. Building a group can be [cancelled](ProcessGroup::connect). Work that
//! will never end can be abandoned. Dropping a group returns at once, although c10d's own destructor waits for
//! operations under way. The destructor runs on a thread of its own, which keeps the buffers of those operations alive.
//!
//! What c10d reads from the [`environment`] has to be set before the first group on a GPU is made.
//!
//! # Layout
//!
//! - `store`: where ranks find each other.
//! - `group`: ranks that do collectives together.
//! - `work`: a collective under way.
//! - [`environment`]: what c10d and NCCL read from variables.
//!
//! # Example
//!
//! ```no_run
//! use nccl_rs::{Backend, GroupOptions, ProcessGroup, Rendezvous, Store};
//! use std::time::Duration;
//! use tch::Tensor;
//!
//! let minute = Duration::from_secs(60);
//! let options = GroupOptions {
//!     backend: Backend::Gloo,
//!     host: "127.0.0.1".to_owned(),
//!     rank: 0,
//!     world_size: 1,
//!     connect_timeout: minute,
//!     timeout: minute,
//!     staged: false,
//! };
//! let group = ProcessGroup::connect(Rendezvous::Served(Store::serve(minute)?), &options, || false)?;
//! let values = Tensor::from_slice(&[1.0_f32, 2.0]);
//! group.all_reduce(&values)?.wait(minute)?;
//! assert_eq!(values.double_value(&[1]), 2.0);
//! # Ok::<(), nccl_rs::Error>(())
//! ```

pub mod environment;
mod error;
mod ffi;
mod group;
mod store;
mod work;

pub use error::{Error, Operation};
pub use group::{Backend, GroupOptions, ProcessGroup, Rendezvous};
pub use store::Store;
pub use work::Work;

/// NCCL's version, such as 22809 for 2.28.9.
#[cfg(feature = "cuda")]
#[must_use]
pub fn nccl_version() -> u32 {
    // SAFETY: it takes nothing and only reads a constant of the library.
    unsafe { ffi::cx_nccl_version() }.unsigned_abs()
}
