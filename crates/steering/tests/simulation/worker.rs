//! A worker as the machine sees it: it obeys at once, but what it does takes steps of the simulation.

use plan::{Held, Position, Totals};
use std::{collections::VecDeque, rc::Rc, time::Duration};
use steering::{Event, Order};

/// What a worker holds, with all the steps that it went through. A step that is missing, or was done twice, shows for
/// the rest of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub at: Position,
    pub totals: Totals,
    pub steps: Vec<(u32, u32)>,
    /// Steps whose gradients came from a worker with a wrong state.
    pub taint: u32,
}

impl State {
    pub fn digest(&self) -> u64 {
        let steps = self.steps.iter().fold(1, |digest: u64, (epoch, step)| {
            digest.wrapping_mul(31).wrapping_add(u64::from(*epoch) * 7 + u64::from(*step))
        });
        steps.wrapping_mul(31).wrapping_add(u64::from(self.taint))
    }
}

/// What is wrong with a worker, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// Every step fails on it for a reason of its own, as on a GPU with an error that stays.
    Fails,
    /// It cannot be a member at all, for a reason of its own, as with an address that is not its own.
    CannotConnect,
    /// Nobody reaches it: a generation with it and others is never formed.
    Unreachable,
    /// It says that it is ready, and never is: neither a generation nor a step with it comes to anything.
    Claims,
    /// Like `Claims`. It seems to work all the time, on a machine that is very slow by its own words.
    Poses,
    /// Like `Poses`. It also says that it has done a step, which has taken it very long.
    Boasts,
    /// No state comes to it.
    Starves,
    /// Collectives with it break, for all members alike.
    Breaks,
    /// It neither does nor says anything from its first step on.
    Dies,
    /// It reports impossible things.
    Lies,
    /// It never tells what it evaluated, and seems to work on it.
    Lingers,
    /// It sends no state: it says so, and that it holds none.
    Withholds,
    /// It sends no state, and says nothing of it.
    Keeps,
    /// It goes on with an epoch in which it was told to stop, and seems to work.
    Ignores,
}

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Worker {
    pub held: Option<Rc<State>>,
    /// The generation in which it took the state over.
    pub lineage: u64,
    /// Whether a bit of what it holds is flipped.
    pub corrupt: bool,
    /// Whether it is ready to train.
    pub prepared: bool,
    /// Until when it is set aside.
    pub aside_until: Option<Duration>,
    /// The last generation that it was told of.
    pub generation: u64,
    /// What it does together with the others.
    pub orders: VecDeque<Order>,
    /// What it does alone.
    pub tasks: VecDeque<Order>,
    pub halt: Option<(u64, u32)>,
    pub pulse: u64,
    pub illness: Option<Illness>,
    /// The last generation in which it has shown that it lives and what it holds.
    pub ready_in: u64,
    /// The generation in which it was told that it may go.
    pub dismissed: Option<u64>,
    /// Whether it has fallen silent for good.
    pub silent: bool,
}

impl Worker {
    pub fn description(&self) -> Option<Held> {
        let state = self.held.as_ref()?;
        Some(Held { position: state.at, totals: state.totals, lineage: self.lineage })
    }

    pub fn digest(&self) -> u64 {
        self.held.as_ref().map_or(0, |state| state.digest()) ^ (u64::from(self.corrupt) << 60)
    }

    pub fn is_mute(&self) -> bool {
        self.silent
    }

    pub fn sign_of_life(&self, generation: u64, epoch: u32, now: Duration) -> Event {
        let boasts = self.illness == Some(Illness::Boasts);
        let held = self.held.as_ref().map(|state| state.at).unwrap_or_default();
        let position = if boasts { Position { epoch, step: 1 } } else { held };
        let stretch = Duration::from_millis(10);
        let poses = boasts || matches!(self.illness, Some(Illness::Poses | Illness::Lingers));
        let compute = if boasts { 1e6 } else { 0.1 };
        // The pulse is different each time.
        let pulse = if poses { self.pulse + now.as_millis() as u64 } else { self.pulse };
        Event::Progress { generation, position, pulse, waiting: !poses, compute, stretch }
    }

    /// Whether it sends the states that it holds.
    pub fn gives(&self) -> bool {
        !matches!(self.illness, Some(Illness::Withholds | Illness::Keeps))
    }

    /// Whether it says that it is ready without being so.
    pub fn pretends(&self) -> bool {
        matches!(self.illness, Some(Illness::Claims | Illness::Poses | Illness::Boasts))
    }

    /// The longest piece of its work, by its own words.
    pub fn rehearsed(&self) -> Duration {
        let slow = matches!(self.illness, Some(Illness::Poses | Illness::Boasts));
        if slow { Duration::from_secs(1000) } else { Duration::from_millis(10) }
    }
}
