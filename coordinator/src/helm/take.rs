//! How the helm takes inputs: workers' events are told to the machine together, and the rest is dealt with one by one.

use super::{Helm, HelmInput, Recorded, report};
use crate::journal::Entry;
use plan::Blame;
use proto::v1;
use std::time::Duration;
use steering::{Event, Failure, RunState, WorkerId};

/// How old what others see may be before a sign of life renews it.
const LONGEST_UNSHOWN: Duration = Duration::from_millis(20);

fn is_progress(report: &v1::Report) -> bool {
    matches!(report.report, Some(v1::report::Report::Progress(_)))
}

fn is_prepared(report: &v1::Report) -> bool {
    matches!(report.report, Some(v1::report::Report::Prepared(_)))
}

impl Helm {
    /// Takes what has happened, in its order. What workers did in between other things is told to the machine at once.
    pub(super) fn take_all(&mut self, inputs: impl Iterator<Item = HelmInput>) {
        // What is logged says where in the run it was.
        let mut place = self.place();
        let mut events: Vec<(Duration, WorkerId, Event)> = Vec::new();
        let mut shows = false;
        for input in inputs {
            // Of many workers signs of life come by the hundred: they show a little later.
            shows |= !matches!(&input, HelmInput::Report { report, .. } if is_progress(report));
            if let Some(event) = self.as_event(&input) {
                events.push(event);
            }
            match input {
                HelmInput::Report { .. }
                | HelmInput::Detached { .. }
                | HelmInput::StateMoved { .. }
                | HelmInput::StateFailed { .. } => {}
                HelmInput::State { expected, state, .. } => {
                    self.states.insert((expected.upload, state.position), *state);
                    // It is kept until the machine has said whether it wants it.
                    self.tell(&mut events);
                }
                other => {
                    self.tell(&mut events);
                    self.move_on(&mut place);
                    self.take(other);
                    self.move_on(&mut place);
                }
            }
        }
        self.tell(&mut events);
        self.move_on(&mut place);
        self.forget_the_deaf();
        self.record_what_was_survived();
        if self.steering.members().is_empty() {
            self.spans.end_generation();
        }
        self.answer_who_waits();
        if shows || self.shown.elapsed() > LONGEST_UNSHOWN {
            self.show();
        }
    }

    fn tell(&mut self, events: &mut Vec<(Duration, WorkerId, Event)>) {
        if !events.is_empty() {
            let decisions = self.steering.handle_all(events.drain(..));
            self.carry_out(decisions);
        }
    }

    /// What an input tells the machine of a worker, and when it happened.
    fn as_event(&mut self, input: &HelmInput) -> Option<(Duration, WorkerId, Event)> {
        Some(match input {
            HelmInput::Report { at, worker, report } => {
                if is_prepared(report)
                    && let Err(why) = self.admit(*worker)
                {
                    let cause = why.message().to_owned();
                    self.turn_away(*worker, why);
                    return Some((self.since_began(*at), *worker, Event::Detached { cause }));
                }
                (self.since_began(*at), *worker, self.event(*worker, report.clone())?)
            }
            HelmInput::Detached { at, worker, cause } => {
                self.attachments.remove(worker);
                self.tickets.revoke(*worker);
                (self.since_began(*at), *worker, Event::Detached { cause: cause.clone() })
            }
            HelmInput::StateMoved { at, expected } => {
                (self.since_began(*at), expected.worker, Event::UploadMoved { upload: expected.upload })
            }
            HelmInput::State { at, expected, state, digest } => {
                let (upload, position, digest) = (expected.upload, state.position, *digest);
                (self.since_began(*at), expected.worker, Event::StateArrived { upload, position, digest })
            }
            HelmInput::StateFailed { at, expected, cause } => {
                let (upload, cause) = (expected.upload, cause.clone());
                (self.since_began(*at), expected.worker, Event::UploadFailed { upload, cause })
            }
            _ => return None,
        })
    }

    fn take(&mut self, input: HelmInput) {
        let decisions = match input {
            HelmInput::Attach { hello, answer } => {
                let (answered, decisions) = match self.attach(hello) {
                    Ok((attached, decisions)) => (Ok(attached), decisions),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // A worker that has gone again ends its stream next.
                let _ = answer.send(answered);
                decisions
            }
            HelmInput::Recorded(recorded) => {
                self.recorded(recorded);
                return;
            }
            HelmInput::Saved(saved) => {
                self.saved(*saved);
                return;
            }
            HelmInput::Unreadable { name, why, instead } => {
                tracing::warn!("checkpoint {name} cannot be read: {why}");
                self.steering.unreadable(self.now(), (&name, &why), instead)
            }
            HelmInput::Stop { reason } => {
                self.note(&format!("stopping: {reason}"));
                self.gives_up = self.ending.is_some();
                self.steering.stop(self.now(), &reason)
            }
            HelmInput::Pause { reason, answer } => return self.pause(&reason, answer),
            HelmInput::Resume { answer } => return self.resume(answer),
            HelmInput::Save { answer } => return self.save_now(answer),
            HelmInput::Note { text } => {
                self.recorder.record(Entry::Event(text));
                return;
            }
            HelmInput::Trouble { text } => {
                self.trouble = text;
                return;
            }
            // Unless somebody came meanwhile.
            HelmInput::Fail { .. } if self.steering.status().state != RunState::Waiting => return,
            HelmInput::Fail { reason } => self.steering.fail(self.now(), &reason),
            HelmInput::Tick { at } => {
                self.retry_the_last();
                let at = self.since_began(at);
                if !self.held_back.is_empty() {
                    self.steering.held_up(at);
                }
                self.steering.tick(at)
            }
            // Told to the machine.
            HelmInput::Report { .. }
            | HelmInput::Detached { .. }
            | HelmInput::StateMoved { .. }
            | HelmInput::State { .. }
            | HelmInput::StateFailed { .. } => return,
        };
        self.carry_out(decisions);
    }

    fn event(&mut self, worker: WorkerId, report: v1::Report) -> Option<Event> {
        let report = report.report?;
        if let v1::report::Report::Progress(progress) = &report
            && let Some(attachment) = self.attachments.get_mut(&worker)
        {
            attachment.progress = *progress;
        }
        match report::event(worker, report, &self.tickets) {
            Ok(event) => event,
            // Whatever it meant to say is missing now.
            Err(malformed) => {
                let message = format!("it says what no worker of this version says: {malformed}");
                Some(Event::Failed { generation: 0, failure: Failure { blame: Blame::Own, message } })
            }
        }
    }

    /// Takes notice of what was recorded.
    fn recorded(&mut self, recorded: Recorded) {
        match recorded {
            Recorded::UpTo(number) => {
                self.recorder.reached(number);
                if self.recorder.has(self.survived_at) {
                    self.shown_as_survived = self.survived;
                }
                self.send_what_may_go();
            }
            Recorded::Last(result) => self.finished = Some(result),
            Recorded::Damaged(error) => {
                // Without a journal nothing more can be promised, but the newest state is saved.
                let reason = error.to_string();
                self.recorder.reached(u64::MAX);
                if self.damaged.replace(error).is_none() {
                    let decisions = self.steering.fail(self.now(), &reason);
                    self.carry_out(decisions);
                }
                self.send_what_may_go();
            }
        }
    }

    fn record_what_was_survived(&mut self) {
        while let Some(recovery) = self.steering.recoveries().get(self.survived)
            && recovery.resumed_ms.is_some()
        {
            self.spans.recovery(recovery, self.steering.held().unwrap_or_default());
            self.survived_at = self.recorder.record(Entry::Recovery(recovery.clone()));
            self.survived += 1;
        }
    }
}
