//! How fast a request has to come while others wait for memory. Who announces much and sends little keeps it from them.

use inference::Budget;
use std::{
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Bytes that have to come in each [`TICK`].
const LEAST: usize = 32 << 10;
/// So many times in a row a request is too slow before it is given up.
const SLOW: u32 = 2;
/// How often that is looked at.
pub const TICK: Duration = Duration::from_millis(500);

/// Looks at how a request comes.
pub struct Pace {
    /// Of which a share is kept for it.
    memory: Budget,
    tick: Interval,
    /// What has come since the last tick, in bytes.
    came: usize,
    /// Ticks in a row in which it came too slowly.
    slow: u32,
}

impl Pace {
    /// Of a request that has a share of `memory`, or will have.
    pub fn new(memory: Budget) -> Self {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { memory, tick, came: 0, slow: 0 }
    }

    /// Its time begins now.
    pub fn begin(&mut self) {
        self.tick.reset();
        (self.came, self.slow) = (0, 0);
    }

    /// So many bytes have come.
    pub fn take(&mut self, bytes: usize) {
        self.came += bytes;
    }

    /// Waits for the next look: how many bytes came since the last one, if it is too slow and is to be given up.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        ready!(self.tick.poll_tick(context));
        let came = std::mem::take(&mut self.came);
        self.slow = if came < LEAST && self.memory.is_waited_for() { self.slow + 1 } else { 0 };
        Poll::Ready((self.slow >= SLOW).then_some(came))
    }
}

/// In words.
pub fn too_slow(came: usize) -> String {
    format!("{came} bytes in {} s are too slow while others wait for memory", TICK.as_secs_f64())
}
