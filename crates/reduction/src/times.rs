//! Where the time of a reduction went.

use operations::Mark;
use std::time::Duration;

/// Where the time of a step's reduction went, in the time of the device.
#[derive(Debug)]
pub struct Times {
    /// How long the backward pass stood still for it.
    pub within: Duration,
    /// How long this worker waited for slower ones, where that can be told: in shared memory.
    pub lagged: Duration,
    /// When the reduction began, and how long it went on beside the backward pass. `None` for a single worker.
    pub beside: Option<(Mark, Duration)>,
}
