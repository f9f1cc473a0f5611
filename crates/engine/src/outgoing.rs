//! A state on its way to the coordinator. At most one waits: a newer one takes its place. So an absent coordinator or a
//! slow line does not fill the memory.

use state::State;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// A state to be sent, and the ticket of the order that it is sent for.
#[derive(Debug)]
pub struct Outgoing {
    /// The ticket of that order.
    pub ticket: u64,
    /// A copy of the state in main memory.
    pub state: Box<State>,
}

/// Where the engine puts states, and the session takes them.
#[derive(Debug, Default)]
pub struct StateSlot {
    waiting: Mutex<Option<Outgoing>>,
    put: Notify,
}

impl StateSlot {
    /// Puts a state where the session finds it. It replaces one that still waits.
    pub fn put(&self, outgoing: Outgoing) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(outgoing);
        self.put.notify_one();
    }

    /// Forgets a state that nobody waits for any more.
    pub fn clear(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until a state for another order than `ticket` is there. It takes nothing.
    pub async fn other_than(&self, ticket: u64) {
        loop {
            let put = self.put.notified();
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|next| next.ticket);
            if waiting.is_some_and(|waiting| waiting != ticket) {
                return;
            }
            put.await;
        }
    }

    /// Waits for the next state, and takes it.
    pub async fn next(&self) -> Outgoing {
        loop {
            let put = self.put.notified();
            if let Some(outgoing) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return outgoing;
            }
            put.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::Slots;

    fn outgoing(ticket: u64) -> Outgoing {
        Outgoing { ticket, state: Box::new(State::zeros(&Slots::new(0, 0, &[]))) }
    }

    #[tokio::test]
    async fn a_newer_state_takes_the_place_of_one_that_waits() {
        let slot = StateSlot::default();
        slot.put(outgoing(1));
        slot.put(outgoing(2));
        assert_eq!(slot.next().await.ticket, 2);
        slot.put(outgoing(3));
        slot.clear();
        slot.put(outgoing(4));
        // Waiting takes nothing away.
        slot.other_than(3).await;
        assert_eq!(slot.next().await.ticket, 4);
    }
}
