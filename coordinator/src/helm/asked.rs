//! What people ask of a run while it goes on: to pause, to go on, to save its state now.

use crate::helm::Helm;
use plan::Position;
use tokio::sync::oneshot;

/// Who waits for a checkpoint at most.
const MOST: usize = 64;

/// Where the answer goes. Who has asked may be gone.
pub type Answer<T> = oneshot::Sender<Result<T, Declined>>;

/// Why something that was asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The run is over, or about to be.
    Over(String),
    /// There is no state to be saved.
    Nothing,
    /// The state could not be saved.
    Unsaved(String),
    /// Too many ask for the same.
    Busy,
}

/// Those who wait for a checkpoint, each with how far the state was when it asked.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<(Option<Position>, Answer<String>)>);

impl Waiting {
    /// Tells all of them why there is none.
    pub fn decline(&mut self, why: &Declined) {
        for (_, answer) in self.0.drain(..) {
            // Who has asked may be gone.
            let _ = answer.send(Err(why.clone()));
        }
    }
}

impl Helm {
    pub(super) fn pause(&mut self, reason: &str, answer: Answer<()>) {
        let paused = self.steering.is_paused();
        let answered = match self.steering.pause(self.now(), reason) {
            Some(decisions) => {
                if !paused {
                    self.note(reason);
                }
                self.carry_out(decisions);
                Ok(())
            }
            None => Err(Declined::Over(self.steering.status().reason)),
        };
        let _ = answer.send(answered);
    }

    pub(super) fn resume(&mut self, answer: Answer<()>) {
        if self.steering.is_paused() {
            self.note("asked to go on");
        }
        let decisions = self.steering.resume(self.now());
        self.carry_out(decisions);
        let _ = answer.send(Ok(()));
    }

    pub(super) fn save_now(&mut self, answer: Answer<String>) {
        let at = self.steering.reached();
        self.waiting.0.retain(|(_, answer)| !answer.is_closed());
        if self.waiting.0.len() >= MOST {
            let _ = answer.send(Err(Declined::Busy));
            return;
        }
        match self.steering.save_now(self.now()) {
            Some(decisions) => {
                self.waiting.0.push((at, answer));
                self.carry_out(decisions);
            }
            None => {
                let _ = answer.send(Err(Declined::Over(self.steering.status().reason)));
            }
        }
    }

    /// Tells those who wait for a checkpoint what became of it, once nothing is on its way to the disk any more.
    pub(super) fn answer_who_waits(&mut self) {
        if self.waiting.0.is_empty() || self.steering.is_saving() || !self.saver.is_idle() {
            return;
        }
        let on_disk = self.steering.on_disk();
        for (at, answer) in std::mem::take(&mut self.waiting.0) {
            let answered = match &self.newest {
                Some((name, _)) if at <= on_disk => Ok(name.clone()),
                None if at.is_none() => Err(Declined::Nothing),
                _ => Err(Declined::Unsaved("no worker could hand the newest state over".to_owned())),
            };
            let _ = answer.send(answered);
        }
    }
}
