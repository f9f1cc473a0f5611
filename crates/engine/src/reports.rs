//! What goes up of the state between two steps, while training goes on.

use crate::control::Control;
use crate::digest::digest;
use crate::error::EngineError;
use crate::messages::EngineEvent;
use crate::outgoing::Outgoing;
use crate::replica::Replica;
use tokio::sync::mpsc;

/// What is told of the state in passing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reports {
    /// Steps between two digests.
    pub digest_every: u32,
    /// Steps between two checkpoints; 0: none. A state is one only if all have the same digest of it.
    pub save_every: u32,
    /// For what order this worker sends its state for them; `None`: another member does.
    pub ticket: Option<u64>,
}

impl Reports {
    /// Those that are due after a step of an epoch of `steps`, after which training stops if it is `halted`. A digest that
    /// finds no room in between is left out, for no step waits for it. The one at the end comes before the report of that.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn make(
        self,
        generation: u64,
        replica: &Replica,
        (steps, halted): (u32, bool),
        control: &Control,
        events: &mpsc::Sender<EngineEvent>,
    ) -> Result<(), EngineError> {
        let position = replica.held()?;
        let due = |every: u32| every > 0 && position.step.is_multiple_of(every);
        let save = due(self.save_every) && position.step < steps;
        let last = halted || position.step == steps;
        if save || last || due(self.digest_every) {
            let event = EngineEvent::Digest { generation, position, digest: digest(replica)? };
            control.beat();
            // Fails for want of room, or because the session is gone.
            let _ = if last { events.blocking_send(event).is_ok() } else { events.try_send(event).is_ok() };
        }
        if let Some(ticket) = self.ticket.filter(|_| save) {
            control.outgoing.put(Outgoing { ticket, state: Box::new(replica.state()?) });
            control.beat();
        }
        Ok(())
    }
}
