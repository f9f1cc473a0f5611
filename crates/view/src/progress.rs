//! How far a run is.

use proto::v1::{Run, RunState};

/// How far a run is, counted as people do: from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The epoch in progress.
    pub epoch: u32,
    /// All epochs.
    pub epochs: u32,
    /// Steps of that epoch that are done.
    pub step: u32,
    /// Steps of an epoch.
    pub steps: u32,
    /// Of the whole run, from 0 to 1.
    pub fraction: f64,
}

impl Progress {
    /// Of `run`.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let epochs = run.total_epochs();
        let steps = run.steps_per_epoch;
        // A finished run has no next step; whatever position it reports, everything is done.
        if run.state() == RunState::Finished {
            return Self { epoch: epochs, epochs, step: steps, steps, fraction: 1.0 };
        }
        let of_epoch = if steps == 0 { 0.0 } else { f64::from(run.step) / f64::from(steps) };
        let of_run = if epochs == 0 { 0.0 } else { (f64::from(run.epoch) + of_epoch) / f64::from(epochs) };
        let epoch = run.epoch.saturating_add(1).min(epochs.max(1));
        Self { epoch, epochs, step: run.step, steps, fraction: of_run.clamp(0.0, 1.0) }
    }

    /// Of the epoch in progress, from 0 to 1.
    #[must_use]
    pub fn of_epoch(&self) -> f64 {
        if self.steps == 0 { 0.0 } else { f64::from(self.step) / f64::from(self.steps) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counted_from_one() {
        let config = Some(proto::to_message(&json!({"epochs": 4})));
        let mut run = Run { epoch: 1, step: 5, steps_per_epoch: 10, config, ..Run::default() };
        let progress = Progress::of(&run);
        assert_eq!((progress.epoch, progress.step, progress.fraction), (2, 5, 0.375));
        assert_eq!(progress.of_epoch(), 0.5);
        run.set_state(RunState::Finished);
        assert_eq!(Progress::of(&run), Progress { epoch: 4, epochs: 4, step: 10, steps: 10, fraction: 1.0 });
    }

    #[test]
    fn an_empty_run_is_at_its_beginning() {
        let progress = Progress::of(&Run::default());
        assert_eq!((progress.epoch, progress.fraction, progress.of_epoch()), (1, 0.0, 0.0));
    }
}
