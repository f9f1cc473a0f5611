//! Waiting for other ranks, in a collective.

use crate::{error::ReductionError, supervisor::Supervisor};
use nccl_rs::Work;
use std::time::Duration;

/// The longest that a collective may take. The coordinator sees all workers, so it judges who is too slow. This only
/// keeps abandoned collectives from living for ever. It is above the group's own limit, whatever the failure time-out.
const LIMIT: Duration = Duration::from_hours(4);

/// Waits for `work` of `generation`.
///
/// # Errors
/// If another worker is gone, or `supervisor` ends the generation.
pub(crate) fn wait(work: Work, generation: u64, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
    Ok(supervisor.while_waiting(|| work.wait_unless(LIMIT, || supervisor.is_aborted(generation)))?)
}
