//! What has to reach the engine while it is busy.

use crate::outgoing::StateSlot;
use plan::Held;
use reduction::Supervisor;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Set by the session, looked at by the engine between operations and while it waits.
#[derive(Debug)]
pub struct Control {
    /// Generations up to this one are over.
    aborted: AtomicU64,
    /// The generation and epoch in which training is to stop after a step.
    halt: Mutex<Option<(u64, u32)>>,
    /// The state that the engine holds, for the next hello.
    held: Mutex<Option<Held>>,
    /// A state on its way to the coordinator.
    pub outgoing: StateSlot,
    /// Counts what the engine does. It is how a coordinator tells one that works from one that is stuck.
    pulse: AtomicU64,
    /// How many waits the engine is in.
    waits: AtomicU64,
    /// Time spent in waits, in nanoseconds.
    waited: AtomicU64,
    /// From here times are counted.
    began: Instant,
    /// When the engine last beat, or began to work after a wait, in nanoseconds.
    beaten: AtomicU64,
    /// The longest that it has worked without a beat, in nanoseconds.
    stretch: AtomicU64,
    /// How much longer every hundredth beat takes, for tests, in milliseconds.
    drag: AtomicU64,
    /// Whether the session is to lose its stream.
    cut: AtomicBool,
}

/// Beats of which one takes longer where a test asks for it.
const DRAGGED: u64 = 100;

impl Default for Control {
    fn default() -> Self {
        Self {
            aborted: AtomicU64::default(),
            halt: Mutex::default(),
            held: Mutex::default(),
            outgoing: StateSlot::default(),
            pulse: AtomicU64::default(),
            waits: AtomicU64::default(),
            waited: AtomicU64::default(),
            began: Instant::now(),
            beaten: AtomicU64::default(),
            stretch: AtomicU64::default(),
            drag: AtomicU64::default(),
            cut: AtomicBool::default(),
        }
    }
}

impl Control {
    /// Ends all generations up to `generation`.
    pub fn abort(&self, generation: u64) {
        self.aborted.fetch_max(generation, Ordering::AcqRel);
    }

    /// Whether `generation` is over.
    #[must_use]
    pub fn is_aborted(&self, generation: u64) -> bool {
        self.aborted.load(Ordering::Acquire) >= generation
    }

    /// Asks for a stop after a step of `epoch` in `generation`.
    pub fn halt(&self, generation: u64, epoch: u32) {
        *self.halt.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, epoch));
    }

    /// Whether a stop is asked for in `epoch` of `generation`.
    #[must_use]
    pub fn is_halted(&self, generation: u64, epoch: u32) -> bool {
        *self.halt.lock().unwrap_or_else(PoisonError::into_inner) == Some((generation, epoch))
    }

    /// The engine has done something: a layer, a batch, a chunk.
    pub fn beat(&self) {
        let beats = self.pulse.load(Ordering::Relaxed);
        let drag = self.drag.load(Ordering::Relaxed);
        if drag > 0 && beats.is_multiple_of(DRAGGED) {
            thread::sleep(Duration::from_millis(drag));
        }
        self.pulse.fetch_add(1, Ordering::Relaxed);
        let now = self.began.elapsed().as_nanos() as u64;
        let before = self.beaten.swap(now, Ordering::Relaxed);
        // Who waits does not work.
        if self.waits.load(Ordering::Relaxed) == 0 {
            self.stretch.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
        }
    }

    /// Makes every hundredth beat take so much longer, for tests.
    pub(crate) fn drag(&self, longer: Duration) {
        self.drag.store(longer.as_millis() as u64, Ordering::Relaxed);
    }

    /// The engine begins to work: what was before is no part of a stretch.
    pub(crate) fn begin_stretch(&self) {
        self.beaten.store(self.began.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// Forgets how long the engine has worked without a beat, and begins to measure it.
    pub(crate) fn measure_anew(&self) {
        self.stretch.store(0, Ordering::Relaxed);
        self.begin_stretch();
    }

    /// The longest that the engine has worked without a beat.
    #[must_use]
    pub fn stretch(&self) -> Duration {
        Duration::from_nanos(self.stretch.load(Ordering::Relaxed))
    }

    /// Does `wait`, which waits for other workers or for orders.
    pub(crate) fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.beat();
        self.waits.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let result = wait();
        self.waited.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        self.begin_stretch();
        self.waits.fetch_sub(1, Ordering::Relaxed);
        self.beat();
        result
    }

    /// How long the engine has waited in all.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    /// How much the engine has done, in counts of its own, and whether it waits for other workers or for orders.
    #[must_use]
    pub fn pulse(&self) -> (u64, bool) {
        let pulse = self.pulse.load(Ordering::Relaxed).wrapping_add(operations::progress());
        (pulse, self.waits.load(Ordering::Relaxed) > 0)
    }

    /// Has the session lose its stream.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Whether the session is to lose its stream, once.
    #[must_use]
    pub fn takes_cut(&self) -> bool {
        self.cut.swap(false, Ordering::AcqRel)
    }

    /// Notes which state the engine holds.
    pub(crate) fn set_held(&self, held: Option<Held>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Which state the engine holds.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor for Control {
    fn beat(&self) {
        Self::beat(self);
    }

    fn is_aborted(&self, generation: u64) -> bool {
        Self::is_aborted(self, generation)
    }

    fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        Self::while_waiting(self, wait)
    }
}
