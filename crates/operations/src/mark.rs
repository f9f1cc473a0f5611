//! Points in the time of a device.
//!
//! A GPU works behind the thread that gives it work. How long a piece of work took there is the time between two events in
//! its stream, as [`torch.cuda.Event.elapsed_time`] has it. On a CPU it is the time between two calls.
//!
//! [`torch.cuda.Event.elapsed_time`]: https://docs.pytorch.org/docs/stable/generated/torch.cuda.Event.html

use crate::ffi::DeviceEvent;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tch::{Device, TchError};

/// A point in the time of a device: all work that was given to it before is done there.
#[derive(Debug, Clone)]
pub struct Mark(Point);

#[derive(Debug, Clone)]
enum Point {
    /// The work was done when the call that gave it returned.
    Processor(Instant),
    /// An event in the device's current stream.
    Device(Rc<DeviceEvent>),
}

impl Mark {
    /// The point at which all work is done that this thread has given to `device`.
    ///
    /// # Errors
    /// If the device does not take an event.
    pub fn now(device: Device) -> Result<Self, TchError> {
        Ok(Self(match device {
            Device::Cuda(index) => Point::Device(Rc::new(DeviceEvent::record(index)?)),
            _ => Point::Processor(Instant::now()),
        }))
    }

    /// Whether the device has come as far. Does not wait for it.
    ///
    /// # Errors
    /// If the device does not answer.
    pub fn is_reached(&self) -> Result<bool, TchError> {
        match &self.0 {
            Point::Processor(_) => Ok(true),
            Point::Device(event) => event.is_reached(),
        }
    }

    /// The time from this mark to `later`, to about a microsecond on a GPU. It is zero if `later` is no later.
    ///
    /// # Errors
    /// If the device has not come to `later` yet, or the marks are of different devices.
    pub fn until(&self, later: &Self) -> Result<Duration, TchError> {
        match (&self.0, &later.0) {
            (Point::Processor(start), Point::Processor(end)) => Ok(end.saturating_duration_since(*start)),
            (Point::Device(start), Point::Device(end)) => {
                let seconds = start.milliseconds_until(end)? / 1e3;
                Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
            }
            _ => Err(TchError::Torch("marks of different devices were compared".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::thread;

    #[test]
    fn on_a_processor_a_mark_is_a_point_in_time() {
        let [early, late] = [0, 3].map(|wait| {
            thread::sleep(Duration::from_millis(wait));
            Mark::now(Device::Cpu).unwrap()
        });
        assert!(early.is_reached().unwrap());
        assert!(early.until(&late).unwrap() >= Duration::from_millis(3));
        assert_eq!(late.until(&early).unwrap(), Duration::ZERO);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_and_no_crash() {
        if !tch::Cuda::is_available() {
            assert!(Mark::now(Device::Cuda(0)).is_err());
        }
    }
}
