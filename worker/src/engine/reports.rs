//! What goes up of the state between two steps, while training goes on.

use crate::engine::{EngineError, Event, Replica, digest};
use tokio::sync::mpsc;

/// What is told of the state in passing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reports {
    /// Steps between two digests.
    pub digest_every: u32,
    /// Steps between two checkpoints; 0: none. A state is one only if all have the same digest of it.
    pub save_every: u32,
    /// Whether this worker is the one that sends its state for them.
    pub sends: bool,
}

impl Reports {
    /// Those that are due after a step of an epoch of `steps`. What finds no room within the epoch is left out, for no step
    /// waits for it; the digest at its end comes before the epoch's own report, as the checkpoint there wants it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn make(
        self,
        generation: u64,
        replica: &Replica,
        steps: u32,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), EngineError> {
        let Some(position) = replica.position else { return Ok(()) };
        let due = |every: u32| every > 0 && position.step.is_multiple_of(every);
        let save = due(self.save_every) && position.step < steps;
        let last = position.step == steps;
        if save || last || due(self.digest_every) {
            let event = Event::Digest { generation, position, digest: digest(replica)? };
            // Fails for want of room, or because the session is gone.
            let _ = if last { events.blocking_send(event).is_ok() } else { events.try_send(event).is_ok() };
        }
        if save && self.sends {
            let _ = events.try_send(Event::State { generation, state: Box::new(replica.state()?) });
        }
        Ok(())
    }
}
