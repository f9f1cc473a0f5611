//! A coordinator as a process.

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Longer than a coordinator takes to begin, or to end.
const LIMIT: Duration = Duration::from_mins(1);
/// Lines of its log that wait to be looked at.
const LINES: usize = 1024;

/// A coordinator that was built beside this program. It is asked to end when this is dropped, and waited for.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: mpsc::Receiver<String>,
    /// What was looked at.
    seen: Vec<String>,
}

impl Program {
    /// Starts it. `arguments` are added to its command line.
    ///
    /// # Errors
    /// If it is not there.
    pub fn coordinator(arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<Self> {
        let path = std::env::current_exe()?.with_file_name("coordinator");
        let mut command = Command::new(&path);
        let command = arguments(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
        let (sender, log) = mpsc::sync_channel(LINES);
        let lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
        thread::spawn(move || {
            // Once nobody looks, the rest is passed over.
            lines.map_while(Result::ok).for_each(|line| drop(sender.try_send(line)));
        });
        Ok(Self { child, log, seen: Vec::new() })
    }

    /// The word that its log has after `words`, such as an address after "listening on ".
    ///
    /// # Errors
    /// If it ends, or does not say so.
    pub fn told(&mut self, words: &str) -> Result<String> {
        let begin = Instant::now();
        loop {
            let found = self.seen.iter().find_map(|line| line.split_once(words));
            if let Some(word) = found.and_then(|(_, rest)| rest.split_whitespace().next()) {
                return Ok(word.to_owned());
            }
            match self.log.recv_timeout(LIMIT.saturating_sub(begin.elapsed())) {
                Ok(line) => self.seen.push(line),
                Err(_) => bail!("the coordinator does not say {words:?}: {}", self.seen.join("\n")),
            }
        }
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has its local workers end. If it is gone already, there is nothing to do.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < LIMIT {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
