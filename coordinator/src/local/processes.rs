//! All processes of local workers, so that they can be ended at once.

use crate::local::record::Process;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// How long the kernel gets to take a killed process away.
const GONE: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// The processes of local workers. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LocalProcesses(Arc<Mutex<Processes>>);

#[derive(Debug, Default)]
struct Processes {
    running: BTreeMap<String, Process>,
    /// Whether there are to be no more.
    closed: bool,
}

impl LocalProcesses {
    /// Starts the process of the worker `name`; `None` if there are to be no more.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn spawn(&self, name: &str, command: &mut Command) -> io::Result<Option<Child>> {
        // Under the lock, so that none is started that would not be ended.
        let mut processes = self.lock();
        if processes.closed {
            return Ok(None);
        }
        let child = command.spawn()?;
        if let Some(process) = child.id().and_then(Process::running) {
            processes.running.insert(name.to_owned(), process);
        }
        Ok(Some(child))
    }

    /// Whether they were all ended, and none is started any more.
    pub(super) fn are_over(&self) -> bool {
        self.lock().closed
    }

    /// Takes notice of the process of the worker `name`, which somebody else started.
    pub(super) fn adopt(&self, name: &str, process: Process) {
        self.lock().running.insert(name.to_owned(), process);
    }

    /// Ends all of them at once, and lets none be started any more.
    pub fn kill_all(&self) {
        let mut processes = self.lock();
        processes.closed = true;
        let running = std::mem::take(&mut processes.running);
        drop(processes);
        for process in running.values() {
            process.kill();
        }
        let start = Instant::now();
        while running.values().any(|process| process.lives()) && start.elapsed() < GONE {
            thread::sleep(LOOK);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn none_is_left_behind_and_none_comes_after() {
        let processes = LocalProcesses::default();
        let mut command = Command::new("sleep");
        command.arg("60");
        let child = processes.spawn("a", &mut command).unwrap().unwrap();
        let process = Process::running(child.id().unwrap()).unwrap();
        processes.kill_all();
        assert!(!process.lives() && processes.are_over());
        assert!(processes.spawn("b", &mut command).unwrap().is_none());
    }
}
