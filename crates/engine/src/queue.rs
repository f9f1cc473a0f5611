//! Commands on their way to the engine. Commands of a generation that is over are dropped. So an engine that was busy
//! for long finds what counts.

use crate::control::Control;
use crate::messages::Command;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// The most commands that wait: an epoch brings a handful.
const COMMANDS: usize = 64;

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    /// Whether the sender is gone: nothing more comes.
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end where commands are put. Dropping it tells the other end.
#[derive(Debug)]
pub(super) struct Sender(Arc<Queue>);

/// The end where the engine takes them.
#[derive(Debug)]
pub(super) struct Receiver(Arc<Queue>);

/// Makes a queue: both ends of it.
pub(super) fn queue() -> (Sender, Receiver) {
    let queue = Arc::new(Queue::default());
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl Sender {
    /// Drops commands of generations that `control` has ended, then queues `command`. Returns `false` if there is no
    /// room, or nobody takes any more.
    pub fn put(&self, command: Command, control: &Control) -> bool {
        let mut waiting = self.0.lock();
        waiting.commands.retain(|command| command.generation().is_none_or(|of| !control.is_aborted(of)));
        if waiting.commands.len() >= COMMANDS || Arc::strong_count(&self.0) < 2 {
            return false;
        }
        waiting.commands.push_back(command);
        self.0.changed.notify_one();
        true
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Receiver {
    /// Waits for the next command. `None` once the queue is empty and the sender is gone.
    pub fn next(&self) -> Option<Command> {
        let mut waiting = self.0.lock();
        loop {
            if let Some(command) = waiting.commands.pop_front() {
                return Some(command);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_makes_room() {
        let (sender, receiver) = queue();
        let control = Control::default();
        let evaluate = |generation| Command::Evaluate { generation, epoch: 0, chunks: 0..1 };
        (0..COMMANDS).for_each(|_| assert!(sender.put(evaluate(1), &control)));
        assert!(!sender.put(evaluate(1), &control), "there is no room");
        control.abort(1);
        assert!(sender.put(Command::Attest { request: 5 }, &control));
        assert!(sender.put(evaluate(2), &control));
        assert!(matches!(receiver.next(), Some(Command::Attest { request: 5 })));
        assert!(matches!(receiver.next(), Some(Command::Evaluate { generation: 2, .. })));
        drop(sender);
        assert!(receiver.next().is_none());
    }

    #[test]
    fn an_engine_that_has_ended_takes_nothing() {
        let (sender, receiver) = queue();
        drop(receiver);
        assert!(!sender.put(Command::Rehearse, &Control::default()));
    }
}
