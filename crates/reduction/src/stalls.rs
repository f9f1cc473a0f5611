//! How long a device stands still for other workers.
//!
//! On a GPU the thread waits for a collective long before the GPU comes to it. So its own time does not tell who is
//! slow. What counts is the device's time. It runs from the end of all work given to the device before the wait, to the
//! first work given to it afterwards.

use crate::error::ReductionError;
use operations::Mark;
use std::{cell::RefCell, time::Duration};
use tch::{Device, TchError};

/// Stretches of a device's time.
#[derive(Debug)]
pub(crate) struct Stalls {
    device: Device,
    stretches: RefCell<Vec<(Mark, Mark)>>,
}

impl Stalls {
    /// No stretches yet, on `device`.
    pub fn new(device: Device) -> Self {
        Self { device, stretches: RefCell::default() }
    }

    /// Where a stretch begins.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn begin(&self) -> Result<Mark, ReductionError> {
        Mark::now(self.device).map_err(torch())
    }

    /// Notes the stretch that began at `start`.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn end(&self, start: Mark) -> Result<(), ReductionError> {
        let end = self.begin()?;
        self.stretches.borrow_mut().push((start, end));
        Ok(())
    }

    /// Does `wait`, and notes how long the device stood still for it.
    ///
    /// # Errors
    /// Those of `wait`, or if the device is out of order.
    pub fn around(&self, wait: impl FnOnce() -> Result<(), ReductionError>) -> Result<(), ReductionError> {
        let start = self.begin()?;
        wait()?;
        self.end(start)
    }

    /// Adds up the stretches, and forgets them.
    ///
    /// # Errors
    /// If the device has not come to their ends yet.
    pub fn take(&self) -> Result<Duration, ReductionError> {
        let stretches = self.stretches.take();
        let lengths = stretches.iter().map(|(start, end)| start.until(end));
        lengths.sum::<Result<_, _>>().map_err(torch())
    }
}

fn torch() -> impl FnOnce(TchError) -> ReductionError {
    ReductionError::torch("ask the device how long it waited")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn stretches_are_added_up_once() {
        let stalls = Stalls::new(Device::Cpu);
        for _ in 0..2 {
            let start = stalls.begin().unwrap();
            sleep(Duration::from_millis(2));
            stalls.end(start).unwrap();
        }
        assert!(stalls.take().unwrap() >= Duration::from_millis(4));
        assert_eq!(stalls.take().unwrap(), Duration::ZERO);
    }
}
