//! Faults at a step of one's choice.

/// Has the local worker `worker` fail before a step of generation 1, epoch and step counted from 0. `what` is kill, stop,
/// exit, drop (its stream to the coordinator), corrupt (a bit of its parameters), hang, or slow=MILLISECONDS (every step
/// from there on).
#[must_use]
pub fn fail_at(worker: u32, (epoch, step): (u32, u32), what: &str) -> String {
    format!("local-{worker}@1:{epoch}:{step}:{what}")
}
