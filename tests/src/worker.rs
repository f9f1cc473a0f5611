//! A worker as a process of its own, as people start it on another machine.

use crate::{
    Coordinator, Host, Line,
    place::{binary, log_filter},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Worker {
    /// Starts one on the CPU for `coordinator`, with `flags`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(coordinator: &Coordinator, name: &str, flags: &[&str]) -> Self {
        Self::spawn(Command::new(binary("worker")), &coordinator.url(), name, &on_cpu(flags))
    }

    /// As [`Self::start`], for the coordinator at `url`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_for(url: &str, name: &str, flags: &[&str]) -> Self {
        Self::spawn(Command::new(binary("worker")), url, name, &on_cpu(flags))
    }

    /// As [`Self::start_failing`], on a GPU that [`gpu`] has found.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_on_gpu(coordinator: &Coordinator, index: u32, flags: &[&str], fault: &str) -> Self {
        let mut command = Command::new(binary("worker"));
        command.env("COXSWAIN_FAULT", fault);
        let index_flag = index.to_string();
        let flags = [&["--gpu", &index_flag], flags].concat();
        Self::spawn(command, &coordinator.url(), &format!("gpu-{index}"), &flags)
    }

    /// As [`Self::start`], to fail as [`fail_in`](crate::fail_in) has it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_failing(coordinator: &Coordinator, name: &str, flags: &[&str], fault: &str) -> Self {
        let mut command = Command::new(binary("worker"));
        command.env("COXSWAIN_FAULT", fault);
        Self::spawn(command, &coordinator.url(), name, &on_cpu(flags))
    }

    /// As [`Self::start`], for the coordinator at the end of `line`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_behind(line: &Line, name: &str, flags: &[&str]) -> Self {
        Self::spawn(Command::new(binary("worker")), &line.url(), name, &on_cpu(flags))
    }

    /// As [`Self::start_failing`], on another host, for the coordinator at `url`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_on(host: &Host, url: &str, name: &str, flags: &[&str], fault: &str) -> Self {
        let mut command = host.command(binary("worker"));
        command.env("COXSWAIN_FAULT", fault);
        Self::spawn(command, url, name, &on_cpu(flags))
    }

    fn spawn(mut command: Command, url: &str, name: &str, flags: &[&str]) -> Self {
        let mut child = command
            .args(["--coordinator", url, "--name", name])
            .args(flags)
            .env_remove("COXSWAIN_DATA_DIR")
            .env("RUST_LOG", log_filter())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker can be started");
        let mut stderr = child.stderr.take().expect("standard error is a pipe");
        let log = thread::spawn(move || {
            let mut text = String::new();
            // What was read until then is all there is to show.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { child, log: Some(log) }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("the worker runs");
    }

    /// Waits for its end: its exit code, -1 if it was killed, and what it wrote to standard error.
    ///
    /// # Panics
    /// If it cannot be waited for.
    #[must_use]
    pub fn wait(mut self) -> (i32, String) {
        let status = self.child.wait().expect("the worker can be waited for");
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        (status.code().unwrap_or(-1), log)
    }
}

fn on_cpu<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["--cpu"], flags].concat()
}

/// Whether a worker can use that GPU of this machine. Otherwise `test` is skipped, and says so.
///
/// # Panics
/// If the program cannot be started.
#[must_use]
pub fn gpu(index: u32, test: &str) -> bool {
    /// Of a worker without its device.
    const NO_DEVICE: i32 = 5;
    let mut probe = Command::new(binary("worker"));
    probe.args(["--gpu", &index.to_string(), "--coordinator", "http://127.0.0.1:9", "--give-up-after", "0s"]);
    let output = probe.output().expect("the worker can be started");
    let found = output.status.code() != Some(NO_DEVICE);
    if !found {
        // Past the capture of a passing test's output: that it did not run has to be seen.
        let _ = writeln!(io::stderr(), "SKIPPED {test}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    found
}

impl Drop for Worker {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
