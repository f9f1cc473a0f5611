//! Faults at a step of one's choice.

/// Has the local worker `worker` fail before a step of generation 1, epoch and step counted from 0. `what` is one of
///
/// - `kill`, `stop`, `exit`, `hang`: of its process or its engine;
/// - `drop`: its stream to the coordinator breaks;
/// - `corrupt`: a bit of its parameters flips;
/// - `slow=MILLISECONDS`: every step from there on takes longer;
/// - `fail`: every step from there on fails, for a reason of its own;
/// - `halfway`: it dies while others take its state over;
/// - `keep`: the state of that step never goes to the coordinator.
#[must_use]
pub fn fail_at(worker: u32, at: (u32, u32), what: &str) -> String {
    fail_in(1, &format!("local-{worker}"), at, what)
}

/// A pace that all workers keep to in all generations: every step takes `millis` longer. Without it what a run has done
/// while something else happens, such as a time-out, would be a matter of the machine's speed.
#[must_use]
pub fn pace(millis: u32) -> String {
    format!("*@*:0:0:slow={millis}")
}

/// As [`fail_at`], in a generation of one's choice, of a worker of any name.
#[must_use]
pub fn fail_in(generation: u64, worker: &str, (epoch, step): (u32, u32), what: &str) -> String {
    format!("{worker}@{generation}:{epoch}:{step}:{what}")
}
