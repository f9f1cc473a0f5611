//! What holds of a run beside its state: always all conditions, each with its reason and since when.

use crate::{helm::Helm, journal::now};
use plan::Position;
use proto::v1::{self, Condition, ConditionStatus, RunState};

/// The conditions, as last shown.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

/// What is said of a condition: whether it holds, why in a word, and why in words.
type Said = (ConditionStatus, &'static str, String);

impl Conditions {
    /// The same conditions with what is `said` of them at `at`, in seconds since 1970. One whose status stays keeps its time.
    fn renewed(&mut self, said: [(&str, Said); 4], at: f64) -> Vec<Condition> {
        let known = std::mem::take(&mut self.0);
        for (kind, (status, reason, message)) in said {
            let before = known.iter().find(|before| before.r#type == kind && before.status() == status);
            let since = before.map_or(at, |before| before.since);
            let (r#type, reason) = (kind.to_owned(), reason.to_owned());
            self.0.push(Condition { r#type, status: status.into(), reason, message, since });
        }
        self.0.clone()
    }
}

impl Helm {
    /// What holds of `run`, which is as it stands but for this.
    pub(super) fn conditions(&mut self, run: &v1::Run) -> Vec<Condition> {
        let said = [
            ("Progressing", progressing(run.state(), &run.reason)),
            ("Degraded", self.degraded(run)),
            ("CheckpointDurable", self.durable(run)),
            ("Serving", serving(&run.checkpoint)),
        ];
        self.conditions.renewed(said, now())
    }

    fn degraded(&self, run: &v1::Run) -> Said {
        use ConditionStatus::{False, True};
        if view::is_over(run.state()) {
            return (False, "Over", "the run is over".to_owned());
        }
        if let Some(unsaved) = &self.unsaved {
            return (True, "DiskRefuses", format!("a checkpoint cannot be written: {}", unsaved.why));
        }
        if self.damaged.is_some() || self.waits_for_the_disk() {
            return (True, "DiskRefuses", "the journal does not take down what was decided".to_owned());
        }
        if let Some(worker) = run.workers.iter().find(|worker| worker.back_in_seconds.is_some()) {
            return (True, "WorkerSetAside", format!("{} is set aside: {}", worker.name, worker.set_aside));
        }
        let able = run.workers.iter().filter(|worker| !worker.preparing).count();
        let told = format!("{able} of {} workers are ready", self.wanted);
        if able < self.wanted { (True, "FewerWorkers", told) } else { (False, "AllWell", told) }
    }

    fn durable(&self, run: &v1::Run) -> Said {
        use ConditionStatus::{False, True, Unknown};
        let done = self.steering.epochs_done();
        let end = Position { epoch: done, step: 0 };
        let on_disk = self.steering.on_disk();
        match on_disk {
            _ if done == 0 => (Unknown, "NoEpochYet", "no epoch is done yet".to_owned()),
            Some(on_disk) if on_disk >= end => (
                True,
                "OnDisk",
                format!("the state after epoch {done} is on disk, newest checkpoint {}", run.checkpoint),
            ),
            _ if self.unsaved.is_some() => {
                (False, "DiskRefuses", format!("the state after epoch {done} cannot be written yet"))
            }
            _ if !self.saver.is_idle() => {
                (False, "BeingWritten", format!("the state after epoch {done} is being written"))
            }
            _ => (False, "NotSaved", format!("the state after epoch {done} is not on disk: only workers hold it")),
        }
    }
}

fn progressing(state: RunState, reason: &str) -> Said {
    use ConditionStatus::{False, True, Unknown};
    let (status, word) = match state {
        RunState::Unspecified => (Unknown, "Unknown"),
        RunState::Waiting => (False, "WaitingForWorkers"),
        RunState::Forming => (True, "Forming"),
        RunState::Training => (True, "Training"),
        RunState::Evaluating => (True, "Evaluating"),
        RunState::Saving => (True, "Saving"),
        RunState::Stopping => (True, "Stopping"),
        RunState::Finished => (False, "Finished"),
        RunState::Stopped => (False, "Stopped"),
        RunState::Failed => (False, "Failed"),
        RunState::Paused => (False, "Paused"),
    };
    (status, word, reason.to_owned())
}

fn serving(checkpoint: &str) -> Said {
    use ConditionStatus::{False, True};
    if checkpoint.is_empty() {
        (False, "NoCheckpoint", "predictions need a checkpoint, and there is none yet".to_owned())
    } else {
        (True, "CheckpointLoaded", format!("predictions are answered from checkpoint {checkpoint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let mut conditions = Conditions::default();
        let said = |state| {
            let other = || (ConditionStatus::Unknown, "NoEpochYet", String::new());
            [
                ("Progressing", progressing(state, "")),
                ("Degraded", other()),
                ("CheckpointDurable", other()),
                ("Serving", serving("")),
            ]
        };
        let told = |shown: &[Condition]| (shown[0].reason.clone(), shown[0].since, shown[3].since);
        assert_eq!(told(&conditions.renewed(said(RunState::Forming), 1.0)), ("Forming".to_owned(), 1.0, 1.0));
        assert_eq!(told(&conditions.renewed(said(RunState::Training), 2.0)), ("Training".to_owned(), 1.0, 1.0));
        assert_eq!(told(&conditions.renewed(said(RunState::Paused), 3.0)), ("Paused".to_owned(), 3.0, 1.0));
        let shown = conditions.renewed(said(RunState::Training), 4.0);
        let kinds: Vec<&str> = shown.iter().map(|condition| condition.r#type.as_str()).collect();
        assert_eq!(kinds, ["Progressing", "Degraded", "CheckpointDurable", "Serving"]);
    }
}
