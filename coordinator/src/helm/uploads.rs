//! Which states may be sent: those that were ordered, by those who were told to. An order has a ticket that nobody else knows.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use steering::WorkerId;

/// What a ticket is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The number of the order.
    pub upload: u64,
    /// Who was told to send.
    pub worker: WorkerId,
}

#[derive(Debug, Clone, Copy)]
struct Ticket {
    expected: Expected,
    /// Whether states come for it again and again.
    repeated: bool,
    /// Whether a state is coming.
    busy: bool,
}

/// The tickets that are good. Shared by the helm, which gives them out, and the service, which takes them.
#[derive(Debug, Clone, Default)]
pub struct Tickets {
    uploads: Arc<Mutex<HashMap<u64, Ticket>>>,
    /// For states that are to be fetched, by the one member that is to.
    fetches: Arc<Mutex<HashSet<u64>>>,
    keys: RandomState,
}

/// A ticket that was shown: another state for it has to wait.
#[derive(Debug)]
pub struct Shown {
    tickets: Tickets,
    ticket: u64,
    /// What it is good for.
    pub expected: Expected,
}

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Ticket>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket for the order `upload` to `worker`, good for one state or, as `repeated`, for several.
    #[must_use]
    pub fn issue(&self, upload: u64, worker: WorkerId, repeated: bool) -> u64 {
        // The keys are random, so that nobody who has one ticket knows another. 0 is none.
        let ticket = self.keys.hash_one((upload, worker)).max(1);
        let expected = Expected { upload, worker };
        self.lock().insert(ticket, Ticket { expected, repeated, busy: false });
        ticket
    }

    /// Takes a ticket that `worker` was given; `None` if it has none such.
    #[must_use]
    pub fn take(&self, ticket: u64, worker: WorkerId) -> Option<u64> {
        let mut tickets = self.lock();
        let known = tickets.get(&ticket).filter(|known| known.expected.worker == worker)?;
        let (upload, repeated) = (known.expected.upload, known.repeated);
        if !repeated {
            tickets.remove(&ticket);
        }
        Some(upload)
    }

    /// Shows a ticket. `None`: it is not good, or a state is coming for it already.
    #[must_use]
    pub fn show(&self, ticket: u64) -> Option<Shown> {
        let mut tickets = self.lock();
        let known = tickets.get_mut(&ticket)?;
        if std::mem::replace(&mut known.busy, true) {
            return None;
        }
        let expected = known.expected;
        drop(tickets);
        Some(Shown { tickets: self.clone(), ticket, expected })
    }

    /// A ticket to fetch the state that `generation` begins from.
    #[must_use]
    pub fn issue_fetch(&self, generation: u64) -> u64 {
        let ticket = self.keys.hash_one(("fetch", generation)).max(1);
        self.fetches().insert(ticket);
        ticket
    }

    /// Takes a ticket to fetch a state. Returns whether it is good.
    #[must_use]
    pub fn take_fetch(&self, ticket: u64) -> bool {
        self.fetches().remove(&ticket)
    }

    fn fetches(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tickets of a worker that is gone worthless.
    pub fn revoke(&self, worker: WorkerId) {
        self.lock().retain(|_, ticket| ticket.expected.worker != worker);
    }

    /// Makes tickets that were good for several states worthless: their generation is over.
    pub fn end_generation(&self) {
        self.lock().retain(|_, ticket| !ticket.repeated);
        self.fetches().clear();
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut tickets = self.tickets.lock();
        match tickets.get_mut(&self.ticket) {
            Some(known) if known.repeated => known.busy = false,
            Some(_) => {
                tickets.remove(&self.ticket);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_unless_it_is_for_several() {
        let tickets = Tickets::default();
        let (once, often) = (tickets.issue(1, 5, false), tickets.issue(2, 5, true));
        let shown = tickets.show(once).unwrap();
        assert_eq!(shown.expected, Expected { upload: 1, worker: 5 });
        assert!(tickets.show(once).is_none(), "a state is coming already");
        drop(shown);
        assert!(tickets.show(once).is_none());
        drop(tickets.show(often).unwrap());
        drop(tickets.show(often).unwrap());
        tickets.end_generation();
        assert!(tickets.show(often).is_none());
        let fetch = tickets.issue_fetch(1);
        assert!(tickets.take_fetch(fetch) && !tickets.take_fetch(fetch) && !tickets.take_fetch(0));
        let third = tickets.issue(3, 6, false);
        assert_eq!(tickets.take(third, 5), None, "another's");
        tickets.revoke(6);
        assert!(tickets.show(third).is_none() && tickets.show(12345).is_none());
    }
}
