//! A collective under way.

use crate::{Error, Operation, ffi};
use std::{cell::RefCell, ptr::NonNull, time::Duration};
use tch::{Tensor, no_grad};

/// A collective under way. It holds the tensors that it reads and writes. Dropping it abandons the collective, whose
/// buffers libtorch then keeps until it has ended.
#[derive(Debug)]
#[must_use = "a collective is over only when it has been waited for"]
pub struct Work {
    pointer: NonNull<ffi::CxWork>,
    rank: u32,
    operation: Operation,
    tensors: Vec<Tensor>,
    /// What was written in main memory and where it belongs, until it has been brought there.
    back: RefCell<Option<(Tensor, Tensor)>>,
}

// SAFETY: c10d's Work guards its state with a mutex and its reference count is atomic; `tch` declares Tensor Send.
unsafe impl Send for Work {}

impl Work {
    /// Takes over what a collective of the shim returned.
    pub(crate) fn new(
        pointer: *mut ffi::CxWork,
        rank: u32,
        operation: Operation,
        tensors: Vec<Tensor>,
        back: Option<(Tensor, Tensor)>,
    ) -> Result<Self, Error> {
        let pointer =
            NonNull::new(pointer).ok_or_else(|| Error::Backend { rank, operation, message: ffi::last_error() })?;
        Ok(Self { pointer, rank, operation, tensors, back: RefCell::new(back) })
    }

    /// Whether it has ended, well or not. The result is in its place once it has been waited for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        // SAFETY: the pointer came from the shim and is freed in `drop` alone.
        unsafe { ffi::cx_work_is_done(self.pointer.as_ptr()) != 0 }
    }

    /// Waits for at most `timeout`. Returns whether the collective has ended well. `false` means that the time has
    /// passed: it can be waited for again.
    ///
    /// # Errors
    /// If the collective failed.
    pub fn wait_for(&self, timeout: Duration) -> Result<bool, Error> {
        // c10d takes 0 for no limit at all.
        let millis = (timeout.as_millis() as i64).max(1);
        // SAFETY: as in `is_done`.
        match unsafe { ffi::cx_work_wait(self.pointer.as_ptr(), millis) } {
            1 => self.bring_back().map(|()| true),
            0 => Ok(false),
            _ => Err(Error::Backend { rank: self.rank, operation: self.operation, message: ffi::last_error() }),
        }
    }

    /// Copies the result to the device, where collectives go by way of main memory.
    fn bring_back(&self) -> Result<(), Error> {
        let Some((staged, mut output)) = self.back.borrow_mut().take() else { return Ok(()) };
        no_grad(|| output.f_copy_(&staged)).map_err(|error| Error::Backend {
            rank: self.rank,
            operation: self.operation,
            message: error.to_string(),
        })
    }

    /// Waits until the collective has ended, for at most `timeout`.
    ///
    /// # Errors
    /// If it failed or the time has passed; the collective is abandoned then.
    pub fn wait(self, timeout: Duration) -> Result<(), Error> {
        self.wait_unless(timeout, || false)
    }

    /// Waits like [`Self::wait`], and gives up as soon as `cancelled` says so: it is asked every few milliseconds.
    ///
    /// # Errors
    /// If the collective failed, the time has passed or `cancelled` said so; the collective is abandoned then.
    pub fn wait_unless(self, timeout: Duration, cancelled: impl Fn() -> bool) -> Result<(), Error> {
        /// How long a waiting thread can overlook that it was told to give up.
        const PATIENCE: Duration = Duration::from_millis(5);
        let start = std::time::Instant::now();
        loop {
            if self.wait_for(PATIENCE)? {
                return Ok(());
            }
            if cancelled() {
                return Err(Error::Cancelled { rank: self.rank, operation: self.operation });
            }
            if start.elapsed() >= timeout {
                return Err(Error::Timeout { rank: self.rank, operation: self.operation, after: timeout });
            }
        }
    }

    /// The tensors that the backend reads and writes.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the shim, and nothing uses it after this. While the collective is under way
        // libtorch holds references of its own.
        unsafe { ffi::cx_work_free(self.pointer.as_ptr()) }
    }
}
