//! The rendezvous store: where the ranks of a group find each other.

use crate::{Error, Operation, ffi};
use std::{ffi::CString, ptr::NonNull, time::Duration};

/// A TCP store of libtorch. Rank 0 serves it, the others reach it.
#[derive(Debug)]
pub struct Store {
    pub(crate) pointer: NonNull<ffi::CxStore>,
}

// SAFETY: c10d's TCPStore guards its connection with a mutex, and its reference count is atomic.
unsafe impl Send for Store {}

impl Store {
    /// Serves a store on a port that the system chooses ([`Self::port`]).
    ///
    /// # Errors
    /// If no port can be opened.
    pub fn serve(timeout: Duration) -> Result<Self, Error> {
        Self::open("127.0.0.1", 0, true, 0, timeout)
    }

    /// Reaches the store that rank 0 serves at `host` and `port`.
    ///
    /// # Errors
    /// If it cannot be reached within `timeout`.
    pub fn reach(host: &str, port: u16, rank: u32, timeout: Duration) -> Result<Self, Error> {
        Self::open(host, port, false, rank, timeout)
    }

    fn open(host: &str, port: u16, server: bool, rank: u32, timeout: Duration) -> Result<Self, Error> {
        let operation = if server { Operation::Serve } else { Operation::Reach };
        let name = CString::new(host).map_err(|_| Error::Argument {
            rank,
            operation,
            message: format!("{host:?} is no host name"),
        })?;
        // SAFETY: `name` is a C string that lives through the call, which copies it.
        let pointer = unsafe { ffi::cx_store_open(name.as_ptr(), port, server.into(), timeout.as_millis() as i64) };
        let pointer =
            NonNull::new(pointer).ok_or_else(|| Error::Backend { rank, operation, message: ffi::last_error() })?;
        Ok(Self { pointer })
    }

    /// The port on which the store is served.
    #[must_use]
    pub fn port(&self) -> u16 {
        // SAFETY: the pointer came from `cx_store_open` and is freed in `drop` alone.
        unsafe { ffi::cx_store_port(self.pointer.as_ptr()) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `cx_store_open`, and nothing uses it after this. Groups over the store hold
        // references of their own.
        unsafe { ffi::cx_store_free(self.pointer.as_ptr()) }
    }
}
