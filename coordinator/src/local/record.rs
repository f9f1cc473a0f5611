//! Which processes are this run's local workers, for a coordinator that comes after one that was killed.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Of the run directory.
const DIRECTORY: &str = "local-workers";

/// A process, told from a later one with the same number by the time at which it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    id: u32,
    /// In ticks since the machine was started, as Linux counts them.
    started: u64,
}

impl Process {
    /// The process that has the number `id` now; `None` if there is none that runs.
    #[must_use]
    pub fn running(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name in parentheses may hold anything; after it come the state and, as the 20th, the start.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Self { id, started })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(self) -> bool {
        Self::running(self.id) == Some(self)
    }

    /// Its number.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }

    /// Asks it to end.
    pub fn terminate(self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it at once.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(self, signal: Signal) {
        if self.lives() {
            // It may have ended just now.
            let _ = kill(Pid::from_raw(self.id as i32), signal);
        }
    }
}

/// The workers of the run in `run_dir` that run, with their names.
#[must_use]
pub fn running(run_dir: &Path) -> Vec<(String, Process)> {
    // Where none was ever started there is no directory.
    let entries = fs::read_dir(run_dir.join(DIRECTORY)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| Record::new(run_dir, &name).read().map(|process| (name, process))).collect()
}

/// The file in which the process of one local worker is kept.
#[derive(Debug, Clone)]
pub struct Record(PathBuf);

impl Record {
    /// That of the worker `name` of the run in `run_dir`.
    #[must_use]
    pub fn new(run_dir: &Path, name: &str) -> Self {
        Self(run_dir.join(DIRECTORY).join(name))
    }

    /// The process that was kept last, if it runs.
    #[must_use]
    pub fn read(&self) -> Option<Process> {
        let text = fs::read_to_string(&self.0).ok()?;
        let (id, started) = text.trim().split_once(' ')?;
        let process = Process { id: id.parse().ok()?, started: started.parse().ok()? };
        process.lives().then_some(process)
    }

    /// Keeps the process with the number `id`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, id: u32) -> io::Result<()> {
        let Some(process) = Process::running(id) else { return Ok(()) };
        if let Some(directory) = self.0.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&self.0, format!("{} {}\n", process.id, process.started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let record = Record::new(directory.path(), "local-0");
        assert_eq!(record.read(), None);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        record.write(child.id()).unwrap();
        let process = record.read().unwrap();
        assert_eq!(process.id(), child.id());
        assert_eq!(running(directory.path()), [("local-0".to_owned(), process)]);
        process.kill();
        child.wait().unwrap();
        assert!(!process.lives());
        assert_eq!(record.read(), None);
        assert_eq!(running(directory.path()), []);
    }

    #[test]
    fn another_process_with_the_same_number_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let record = Record::new(directory.path(), "local-0");
        record.write(std::process::id()).unwrap();
        let own = record.read().unwrap();
        fs::write(&record.0, format!("{} {}\n", own.id, own.started + 1)).unwrap();
        assert_eq!(record.read(), None);
    }
}
