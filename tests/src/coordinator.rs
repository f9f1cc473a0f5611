//! A coordinator as a process.

use crate::{
    place::{binary, data_dir, log_filter},
    process::runs,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::{GetRunRequest, Run, training_client::TrainingClient};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Longer than any run of these tests takes on a slow machine.
const LIMIT: Duration = Duration::from_mins(5);

/// Of loopback, for the system to choose.
const ANY_PORT: &str = "127.0.0.1:0";

/// A running coordinator; killed when dropped.
pub struct Coordinator {
    child: Child,
    address: String,
    /// What it wrote to standard error, as far as it was waited for.
    seen: String,
    log: mpsc::Receiver<String>,
    run_dir: PathBuf,
    /// Of its environment: the next one gets them too.
    variables: Vec<(String, String)>,
    /// Whether another one has taken its workers over.
    gone: bool,
}

/// A coordinator that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard error.
    pub log: String,
    run_dir: PathBuf,
    /// Its summary and metrics, where the run directory is no more.
    remembered: Option<(Value, Vec<Value>)>,
}

impl Ended {
    /// As it is, for when the run directory is removed.
    ///
    /// # Panics
    /// As [`Self::summary`] and [`Self::metrics`].
    #[must_use]
    pub fn remembered(mut self) -> Self {
        self.remembered = Some((self.summary(), self.metrics()));
        self
    }

    /// The run's `summary.json`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn summary(&self) -> Value {
        if let Some((summary, _)) = &self.remembered {
            return summary.clone();
        }
        let path = self.run_dir.join("summary.json");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.log));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lines of the run's `metrics.jsonl`.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn metrics(&self) -> Vec<Value> {
        if let Some((_, metrics)) = &self.remembered {
            return metrics.clone();
        }
        let text = fs::read_to_string(self.run_dir.join("metrics.jsonl")).expect("an epoch is done");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The digest of the final weights.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn weights(&self) -> String {
        self.summary()["weights_sha256"].as_str().unwrap_or_else(|| panic!("no weights\n{}", self.log)).to_owned()
    }

    /// Asserts that it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn well(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.log);
        self
    }
}

impl Coordinator {
    /// Starts one on a free port of loopback, with `flags` beside the run directory and the data set, unless they name another.
    ///
    /// # Panics
    /// If it ends before it listens: use [`Self::fails`] for that.
    #[must_use]
    pub fn start(run_dir: &Path, flags: &[&str]) -> Self {
        Self::start_at(ANY_PORT, run_dir, flags)
    }

    /// As [`Self::start`], with local workers that fail as [`fail_at`](crate::fail_at) has it.
    ///
    /// # Panics
    /// If it ends before it listens.
    #[must_use]
    pub fn start_failing(run_dir: &Path, flags: &[&str], faults: &[String]) -> Self {
        Self::start_within(&[("COXSWAIN_FAULT", &faults.join(","))], run_dir, flags)
    }

    /// As [`Self::start`], with some variables in its environment, and so in that of local workers.
    ///
    /// # Panics
    /// If it ends before it listens.
    #[must_use]
    pub fn start_within(variables: &[(&str, &str)], run_dir: &Path, flags: &[&str]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::spawn(ANY_PORT, run_dir, flags, variables.collect())
    }

    /// As [`Self::start`], on an address.
    ///
    /// # Panics
    /// If it ends before it listens.
    #[must_use]
    pub fn start_at(listen: &str, run_dir: &Path, flags: &[&str]) -> Self {
        Self::spawn(listen, run_dir, flags, Vec::new())
    }

    /// As [`Self::start`], with another `program` than the one that was built, such as one beside another `worker`.
    ///
    /// # Panics
    /// If it ends before it listens.
    #[must_use]
    pub fn start_program(program: &Path, run_dir: &Path, flags: &[&str]) -> Self {
        Self::listening(command(program, run_dir, ANY_PORT, flags), run_dir, Vec::new())
    }

    fn spawn(listen: &str, run_dir: &Path, flags: &[&str], variables: Vec<(String, String)>) -> Self {
        Self::listening(command(&binary("coordinator"), run_dir, listen, flags), run_dir, variables)
    }

    fn listening(mut command: Command, run_dir: &Path, variables: Vec<(String, String)>) -> Self {
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().expect("the coordinator can be started");
        let log = lines(&mut child);
        let mut seen = String::new();
        let start = Instant::now();
        let address = loop {
            let line = log.recv_timeout(LIMIT.saturating_sub(start.elapsed()));
            let line = line.unwrap_or_else(|_| panic!("the coordinator does not listen:\n{seen}"));
            seen += &line;
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        Self { child, address, seen, log, run_dir: run_dir.to_owned(), variables, gone: false }
    }

    /// Kills it, as `kill -9` does, does `between`, and starts it again with the same address, run directory and
    /// environment.
    ///
    /// # Panics
    /// If it cannot be killed, or ends before it listens.
    #[must_use]
    pub fn killed_and_restarted(self, flags: &[&str], between: impl FnOnce()) -> Self {
        let mut old = self;
        old.kill();
        old.gone = true;
        between();
        Self::spawn(&old.address, &old.run_dir, flags, old.variables.clone())
    }

    /// Starts one with local workers and waits for its end.
    #[must_use]
    pub fn run(run_dir: &Path, workers: u32, flags: &[&str]) -> Ended {
        let workers = workers.to_string();
        let mut all = vec!["--local", "--workers", &workers];
        all.extend_from_slice(flags);
        Self::start(run_dir, &all).wait()
    }

    /// Starts one that is expected to end by itself before it listens.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn fails(run_dir: &Path, flags: &[&str]) -> Ended {
        let output =
            command(&binary("coordinator"), run_dir, ANY_PORT, flags).output().expect("the coordinator can be started");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { code: output.status.code().unwrap_or(-1), log, run_dir: run_dir.to_owned(), remembered: None }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The process of its local worker `name`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn worker(&self, name: &str) -> u32 {
        self.local_worker(name).unwrap_or_else(|| panic!("no worker {name} of {}", self.run_dir.display()))
    }

    /// The process of its local worker `name`, whoever started it, if there is one.
    #[must_use]
    pub fn local_worker(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.run_dir.join("local-workers").join(name)).ok()?;
        let id = text.split_whitespace().next()?.parse().ok()?;
        runs(id).then_some(id)
    }

    /// Kills it, as `kill -9` does; its local workers live on.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("the coordinator runs");
        // A child that was killed ends.
        let _ = self.child.wait();
    }

    /// Asks it to stop.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("the coordinator runs");
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The run as it tells it; `None` while it does not answer.
    #[must_use]
    pub fn run_state(&self) -> Option<Run> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async {
            let mut client = TrainingClient::connect(self.url()).await.ok()?;
            Some(client.get_run(GetRunRequest {}).await.ok()?.into_inner())
        })
    }

    /// Checks that nothing has ended the run. It may train, evaluate or form a generation at this moment.
    ///
    /// # Panics
    /// If the run is over, or the coordinator does not answer.
    pub fn assert_goes_on(&self) {
        let run = self.run_state().expect("the coordinator answers");
        assert!(!view::is_over(run.state()), "the run is over: {}", run.reason);
    }

    /// Waits until the run is as `wanted`.
    ///
    /// # Panics
    /// If that takes too long, or the coordinator ends.
    pub fn wait_until(&mut self, wanted: impl Fn(&Run) -> bool) -> Run {
        let start = Instant::now();
        loop {
            if let Some(run) = self.run_state()
                && wanted(&run)
            {
                return run;
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || start.elapsed() > LIMIT {
                let log: String = self.log.try_iter().collect();
                panic!("the run did not get there ({ended:?}):\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has logged a line with `text` in it.
    ///
    /// # Panics
    /// If that takes too long, or the coordinator ends.
    pub fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            let line = self.log.recv_timeout(LIMIT.saturating_sub(start.elapsed()));
            self.seen += &line.unwrap_or_else(|_| panic!("no word of {text:?}:\n{}", self.seen));
        }
    }

    /// The address of its page, once it has said it.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn page(&mut self) -> String {
        const WORDS: &str = "page on ";
        self.wait_for(WORDS);
        let rest = self.seen.split_once(WORDS).map_or("", |(_, rest)| rest);
        rest.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it neither says anything nor gets any further for too long.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let mut log = std::mem::take(&mut self.seen);
        let far = |of: &Self| of.run_state().map(|run| (run.epoch, run.step));
        let mut before = None;
        loop {
            match self.log.recv_timeout(LIMIT) {
                Ok(line) => log += &line,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // A long run without incidents has nothing to say.
                    let now = far(&self);
                    assert!(now.is_some() && now != before, "the run does not end:\n{log}");
                    before = now;
                }
            }
        }
        let status = self.child.wait().expect("the coordinator can be waited for");
        Ended { code: status.code().unwrap_or(-1), log, run_dir: self.run_dir.clone(), remembered: None }
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its workers outlive it.
        for index in 0..16 {
            if let Some(worker) = self.local_worker(&format!("local-{index}")) {
                let _ = kill(Pid::from_raw(worker as i32), Signal::SIGKILL);
            }
        }
    }
}

/// Workers that are members of the generation.
#[must_use]
pub fn members(run: &Run) -> usize {
    run.workers.iter().filter(|worker| worker.rank.is_some()).count()
}

fn command(program: &Path, run_dir: &Path, listen: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--listen", listen, "--run-dir"])
        .arg(run_dir)
        .args(flags)
        .env("RUST_LOG", log_filter())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if !flags.contains(&"--data-dir") {
        command.arg("--data-dir").arg(data_dir());
    }
    command
}

fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let stderr = child.stderr.take().expect("standard error is a pipe");
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line + "\n").is_err() {
                return;
            }
        }
    });
    receiver
}
