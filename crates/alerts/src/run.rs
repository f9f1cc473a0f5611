//! What is told of the run.

use crate::{
    alert::Kind,
    lookout::{Disk, Lookout, Seen},
};
use proto::v1::{Run, RunState};
use std::time::Duration;
use view::{duration, is_over, percent};

/// A disk that was nearly full is so until it has this many times as much free.
const RELIEF: f64 = 1.2;

/// How far a run is: it gets further if one of these grows.
pub type Place = (u32, u32, u32);

impl Lookout {
    pub(crate) fn look_at_run(&mut self, seen: &Seen<'_>) {
        self.look_at_headway(seen.run, seen.at);
        self.look_at_loss(seen.run);
        self.look_at_accuracy(seen.run);
        if let Some(disk) = seen.disk {
            self.look_at_disk(disk);
        }
        self.look_at_end(seen.run);
    }

    fn look_at_headway(&mut self, run: &Run, at: Duration) {
        let place = (run.epoch, run.step, view::epochs_done(run));
        let since = match self.reached {
            // A run that is paused stands still by right.
            Some((before, since)) if before == place && run.state() != RunState::Paused => since,
            _ => at,
        };
        self.reached = Some((place, since));
        let stands = at.saturating_sub(since);
        // Who pauses a run knows that it stands.
        let may_stand = is_over(run.state()) || run.state() == RunState::Paused;
        let stalled = stands >= self.rules.stalled_after && !may_stand;
        let reason = &run.reason;
        self.lasts(Kind::RunStalled, None, stalled, |begins| {
            if !begins {
                return "the run goes on".to_owned();
            }
            format!("no step for {}: {reason}", duration(stands.as_secs_f64()))
        });
    }

    fn look_at_loss(&mut self, run: &Run) {
        let last = run.epochs.last().map(|epoch| epoch.test_loss);
        let broken = run.train_loss.into_iter().chain(last).find(|loss| !loss.is_finite());
        if let Some(loss) = broken {
            self.tell_once(Kind::RunDiverged, format!("the loss is {loss}: begin another run with a lower --lr"));
        }
    }

    fn look_at_accuracy(&mut self, run: &Run) {
        let Some(last) = run.epochs.last() else { return };
        let (accuracy, epoch) = (last.test_accuracy, last.epoch + 1);
        if let Some(wanted) = self.rules.accuracy_above
            && accuracy >= wanted
        {
            let text = format!(
                "the test accuracy is {} after epoch {epoch}, and {} was wanted",
                percent(accuracy),
                percent(wanted)
            );
            self.tell_once(Kind::AccuracyAbove, text);
        }
        if let Some(least) = self.rules.accuracy_below {
            self.lasts(Kind::AccuracyBelow, None, accuracy < least, |begins| {
                let side = if begins { "below" } else { "no longer below" };
                format!("the test accuracy is {} after epoch {epoch}, {side} {}", percent(accuracy), percent(least))
            });
        }
    }

    fn look_at_disk(&mut self, disk: Disk) {
        let least = (disk.total as f64 * self.rules.disk_free_ratio).min(self.rules.disk_free_enough as f64);
        let least = if self.is_lasting(Kind::DiskNearlyFull) { least * RELIEF } else { least };
        let mib = disk.free >> 20;
        self.lasts(Kind::DiskNearlyFull, None, (disk.free as f64) < least, |_| {
            format!("the disk of the run directory has {mib} MiB left")
        });
    }

    fn look_at_end(&mut self, run: &Run) {
        let kind = match run.state() {
            RunState::Finished => Kind::RunFinished,
            RunState::Stopped => Kind::RunStopped,
            RunState::Failed => Kind::RunFailed,
            _ => return,
        };
        self.tell_once(kind, run.reason.clone());
    }
}
