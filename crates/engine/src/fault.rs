//! Faults that a test asks for, at a step of its choice.

use crate::control::Control;
use crate::error::EngineError;
use crate::replica::Replica;
use nix::{
    libc,
    sys::signal::{Signal, raise},
};
use plan::Position;
use state::PARAMETERS;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tch::no_grad;
use thiserror::Error;

/// The environment variable that asks for faults: `NAME@GENERATION:EPOCH:STEP:WHAT`, several with commas between them.
/// NAME is a worker's, and EPOCH and STEP count from 0. The generation keeps a worker from failing again when it does
/// the step again. `*` stands for any name and any generation.
pub const FAULTS: &str = "COXSWAIN_FAULT";

/// Stands for any name, or any generation.
const ANY: &str = "*";

/// Since when this process cannot send states.
static BROKEN_SINCE: OnceLock<Instant> = OnceLock::new();

/// Whether this process has flipped its bit.
static FLIPPED: AtomicBool = AtomicBool::new(false);

/// The exit code of a worker that was made to exit.
const EXIT: i32 = 42;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// The process ends by itself.
    Exit,
    /// The stream to the coordinator breaks; the engine goes on.
    Drop,
    /// A bit of a parameter flips, every time the step is reached.
    Corrupt,
    /// A bit of a parameter flips, once in the life of the process.
    Flip,
    /// A parameter becomes NaN.
    Nan,
    /// Every hundredth beat takes this much longer, as if the machine were slow.
    Drag(Duration),
    /// The engine does nothing until its generation is aborted.
    Hang,
    /// Every step from this one on takes this much longer.
    Slow(Duration),
    /// Every step from this one on fails, for a reason of the worker's own.
    Fail,
    /// SIGKILL, after a part of the state was broadcast to the others.
    Halfway,
    /// The state at this step is never sent to the coordinator.
    Keep,
    /// From this step on, states cannot be sent for this long.
    Unsent(Duration),
}

/// A text in [`FAULTS`] that is not of the right form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no fault: it has the form NAME@GENERATION:EPOCH:STEP:WHAT")]
pub struct BadFault(pub String);

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The generation in which it strikes; `None` for any.
    generation: Option<u64>,
    position: Position,
    what: What,
}

impl Fault {
    /// The faults that `text`, in the form of [`FAULTS`], asks of the worker `name`.
    ///
    /// # Errors
    /// If `text` is not of that form.
    pub fn of(name: &str, text: &str) -> Result<Vec<Self>, BadFault> {
        let mut faults = Vec::new();
        for fault in text.split(',').filter(|fault| !fault.is_empty()) {
            let bad = || BadFault(fault.to_owned());
            let (worker, when) = fault.split_once('@').ok_or_else(bad)?;
            let parsed = Self::parse(when).ok_or_else(bad)?;
            if worker == name || worker == ANY {
                faults.push(parsed);
            }
        }
        Ok(faults)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ':');
        let generation = match words.next()? {
            ANY => None,
            generation => Some(generation.parse().ok()?),
        };
        let position = Position { epoch: words.next()?.parse().ok()?, step: words.next()?.parse().ok()? };
        let what = match words.next()?.split_once('=') {
            Some(("slow", millis)) => What::Slow(Duration::from_millis(millis.parse().ok()?)),
            Some(("unsent", millis)) => What::Unsent(Duration::from_millis(millis.parse().ok()?)),
            Some(("drag", millis)) => What::Drag(Duration::from_millis(millis.parse().ok()?)),
            Some(_) => return None,
            None => match text.rsplit(':').next()? {
                "kill" => What::Kill,
                "stop" => What::Stop,
                "exit" => What::Exit,
                "drop" => What::Drop,
                "corrupt" => What::Corrupt,
                "flip" => What::Flip,
                "nan" => What::Nan,
                "hang" => What::Hang,
                "fail" => What::Fail,
                "halfway" => What::Halfway,
                "keep" => What::Keep,
                _ => return None,
            },
        };
        Some(Self { generation, position, what })
    }

    /// Makes the fault happen, if it is due before the replica's next step.
    pub(crate) fn strike(self, generation: u64, replica: &mut Replica, control: &Control) -> Result<(), EngineError> {
        if self.generation.is_some_and(|wanted| wanted != generation) {
            return Ok(());
        }
        if let What::Slow(longer) = self.what
            && replica.position >= Some(self.position)
        {
            thread::sleep(longer);
            return Ok(());
        }
        if self.what == What::Fail && replica.position >= Some(self.position) {
            return Err(EngineError::Asked);
        }
        if replica.position != Some(self.position) {
            return Ok(());
        }
        match self.what {
            // It fails only for an invalid signal.
            What::Kill => drop(raise(Signal::SIGKILL)),
            What::Stop => drop(raise(Signal::SIGSTOP)),
            // SAFETY: `_exit` takes any code; nothing of this process is needed after.
            What::Exit => unsafe { libc::_exit(EXIT) },
            What::Drop => control.cut(),
            What::Corrupt => flip(replica).map_err(EngineError::torch("flip a bit"))?,
            What::Flip if !FLIPPED.swap(true, Ordering::Relaxed) => {
                flip(replica).map_err(EngineError::torch("flip a bit"))?;
            }
            What::Nan => {
                let spoilt = no_grad(|| replica.slot(PARAMETERS).f_narrow(0, 0, 1)?.f_fill_(f64::NAN));
                let _ = spoilt.map_err(EngineError::torch("spoil a parameter"))?;
            }
            What::Hang => {
                while !control.is_aborted(generation) {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            What::Flip | What::Slow(_) | What::Drag(_) | What::Fail | What::Halfway | What::Keep | What::Unsent(_) => {}
        }
        Ok(())
    }

    /// How much longer every hundredth beat is to take.
    pub(crate) fn drags(self) -> Option<Duration> {
        match self.what {
            What::Drag(longer) => Some(longer),
            _ => None,
        }
    }

    /// Kills the process in the middle of broadcasting a state, from the fault's step on.
    pub(crate) fn strike_halfway(self, generation: u64, position: Position) {
        let wanted = self.generation.is_none_or(|wanted| wanted == generation);
        if self.what == What::Halfway && wanted && position >= self.position {
            // It fails only for an invalid signal.
            let _ = raise(Signal::SIGKILL);
        }
    }

    /// Whether the state at `position` cannot be sent now. The time starts with the first attempt.
    pub(crate) fn breaks_upload(self, position: Option<Position>) -> bool {
        let What::Unsent(time) = self.what else { return false };
        position >= Some(self.position) && BROKEN_SINCE.get_or_init(Instant::now).elapsed() < time
    }

    /// Whether the state at `position` is to be withheld from the coordinator.
    pub(crate) fn keeps(self, position: Option<Position>) -> bool {
        self.what == What::Keep && position == Some(self.position)
    }
}

/// Flips a bit of the first parameter.
fn flip(replica: &mut Replica) -> Result<(), tch::TchError> {
    no_grad(|| {
        let mut first = replica.slot(PARAMETERS).f_narrow(0, 0, 1)?;
        let value = f64::try_from(&first)? as f32;
        let _ = first.f_fill_(f64::from(f32::from_bits(value.to_bits() ^ 1 << 20)))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_of_one_worker_at_one_step() {
        let text = "a@1:0:5:kill,b@2:3:4:slow=250";
        let position = Position { epoch: 3, step: 4 };
        let slow = Fault { generation: Some(2), position, what: What::Slow(Duration::from_millis(250)) };
        assert_eq!(Fault::of("b", text).unwrap(), [slow]);
        assert_eq!(Fault::of("a", text).unwrap()[0].what, What::Kill);
        assert_eq!(Fault::of("c", text).unwrap(), []);
        assert_eq!(Fault::of("c", "").unwrap(), []);
        let always = Fault { generation: None, ..slow };
        assert_eq!(Fault::of("c", "*@*:3:4:slow=250").unwrap(), [always]);
        assert_eq!(Fault::of("b", &format!("{text},*@*:3:4:slow=250")).unwrap(), [slow, always]);
        for wrong in ["a@1:0:5", "1:0:5:kill", "a@1:0:x:kill", "a@1:0:5:explode", "a@1:0:5:kill=3"] {
            assert!(Fault::of("b", wrong).is_err(), "{wrong}");
        }
    }
}
