//! Keeping one local worker running.

use crate::local::{
    ends::{End, Ends},
    processes::LocalProcesses,
    record::{Process, Record},
    said::Said,
    standing::{Standing, Standings},
};
use program::Log;
use proto::v1::{self, RunState};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// The pause before a worker that died is started again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A worker that lived for this long died of something new, so its pauses start over.
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// How often a worker that an earlier coordinator started is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the last words of a worker may take to come through its pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Keeps one worker running.
pub(super) struct Keeper {
    pub(super) name: String,
    pub(super) command: Command,
    pub(super) record: Record,
    /// The id of the process that was started last.
    pub(super) latest: Arc<AtomicU32>,
    /// How long the process gets to end by itself.
    pub(super) farewell: Duration,
    /// Turns true when the workers are to end.
    pub(super) end: watch::Receiver<bool>,
    pub(super) view: watch::Receiver<v1::Run>,
    pub(super) log: Log,
    pub(super) standings: Standings,
    pub(super) processes: LocalProcesses,
}

/// How one process ended, and what it did until then.
struct Life {
    end: End,
    length: Duration,
    /// Whether it got so far that it could train.
    could_train: bool,
    said: Option<String>,
}

impl Keeper {
    /// Takes over a worker that an earlier coordinator left behind, or starts one. Starts it again whenever it ends,
    /// until the workers are to end or the run is over.
    pub(super) async fn keep(mut self) {
        self.standings.set(&self.name, Standing::Starting);
        if !self.take_over().await {
            return;
        }
        let (mut pause, mut ends) = (FIRST_PAUSE, Ends::default());
        while let Some(life) = self.live().await {
            if life.end.is_success() && self.is_over().await {
                return;
            }
            let given_up = ends.add(&life.end, life.could_train);
            self.tell(&life, &ends, given_up);
            // A worker that was well until somebody killed it is wanted back at once.
            if life.length > GOOD_LIFE || (life.could_train && life.end.is_sent()) {
                pause = FIRST_PAUSE;
            } else if given_up {
                pause = LONGEST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = told(&mut self.end) => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes over a worker that was left behind, and waits for its end. Returns whether a worker is to be started.
    async fn take_over(&mut self) -> bool {
        let record = self.record.clone();
        // The disk may stand still. A task only fails if it panics.
        let Ok(Some(process)) = spawn_blocking(move || record.read()).await else { return true };
        let name = &self.name;
        tracing::info!("taking {name} over, process {}, which an earlier coordinator started", process.id());
        self.processes.adopt(name, process);
        self.standings.set(name, Standing::Well);
        tokio::select! {
            () = ended(process) => {
                if self.processes.are_over() || self.is_over().await {
                    return false;
                }
                tracing::warn!("{} ended; starting it again", self.name);
                true
            }
            () = told(&mut self.end) => {
                process.terminate();
                if timeout(self.farewell, ended(process)).await.is_err() {
                    process.kill();
                }
                false
            }
        }
    }

    /// Runs one process until it ends. `None` if no worker is wanted any more.
    async fn live(&mut self) -> Option<Life> {
        let start = Instant::now();
        let mut child = match self.processes.spawn(&self.name, &mut self.command) {
            Ok(child) => child?,
            Err(error) => {
                let (end, length) = (End::NotStarted(error), start.elapsed());
                return Some(Life { end, length, could_train: false, said: None });
            }
        };
        if let Some(id) = child.id() {
            let (record, name, latest) = (self.record.clone(), self.name.clone(), Arc::clone(&self.latest));
            latest.store(id, Ordering::Relaxed);
            // Nobody waits for the disk. If it takes long, the id may be the next process's by then.
            drop(spawn_blocking(move || {
                if let Err(error) = record.write(latest.load(Ordering::Relaxed)) {
                    tracing::warn!("cannot keep which process {name} is: {error}");
                }
            }));
        }
        let said = Said::default();
        let listening = child.stderr.take().map(|stderr| {
            let (said, name, log) = (said.clone(), self.name.clone(), self.log.clone());
            tokio::spawn(said.listen(name, stderr, log))
        });
        let mut could_train = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = trains(&mut self.view, &self.name), if !could_train => {
                    could_train = true;
                    self.standings.set(&self.name, Standing::Well);
                }
                () = told(&mut self.end) => {
                    wait_or_kill(child, self.farewell).await;
                    return None;
                }
            }
        };
        if let Some(listening) = listening {
            // A process that it left behind may hold the pipe open for longer.
            let _ = timeout(LAST_WORDS, listening).await;
        }
        if self.processes.are_over() {
            return None;
        }
        let end = status.map_or_else(End::NotStarted, End::Status);
        Some(Life { end, length: start.elapsed(), could_train, said: said.last() })
    }

    /// Reports that the worker ended, and how it stands.
    fn tell(&self, life: &Life, ends: &Ends, given_up: bool) {
        let (name, end) = (&self.name, &life.end);
        if life.could_train {
            self.standings.set(name, Standing::Starting);
            tracing::warn!("{name} ended with {end}; starting it again");
            return;
        }
        let said = life.said.as_ref().map_or_else(String::new, |said| format!("; it said: {said}"));
        if given_up {
            let times = ends.in_a_row();
            let why =
                format!("{name} ended {times} times in a row before it could train, the last time with {end}{said}");
            // Once in words is enough.
            if matches!(self.standings.get(name), Some(Standing::GivenUp(_))) {
                tracing::debug!("{why}");
            } else {
                tracing::error!("{why}");
            }
            self.standings.set(name, Standing::GivenUp(why));
        } else {
            tracing::warn!("{name} ended before it could train, with {end}; starting it again");
            let why = format!("{name} ended before it could train, with {end}{said}");
            self.standings.set(name, Standing::Failing(why));
        }
    }

    /// Whether the run needs no workers any more. This waits while the last state is being saved, as that decides it.
    async fn is_over(&mut self) -> bool {
        let decided = |run: &v1::Run| run.state() != RunState::Saving;
        tokio::select! {
            // A helm that is gone needs no workers either.
            run = self.view.wait_for(decided) => run.map_or(true, |run| {
                matches!(run.state(), RunState::Stopping | RunState::Finished | RunState::Stopped | RunState::Failed)
            }),
            () = told(&mut self.end) => true,
        }
    }
}

/// Returns once the run lists the worker `name` as prepared.
async fn trains(view: &mut watch::Receiver<v1::Run>, name: &str) {
    let prepared = |run: &v1::Run| run.workers.iter().any(|worker| worker.name == name && !worker.preparing);
    if view.wait_for(prepared).await.is_err() {
        // The helm is gone, and says nothing more.
        std::future::pending::<()>().await;
    }
}

/// Returns when the workers are to end, or when the handle that says so was dropped.
async fn told(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}

/// Returns when `process`, which is no child of this one, has ended.
async fn ended(process: Process) {
    while process.lives() {
        sleep(LOOK).await;
    }
}

/// Asks `child` to end, and kills it if it has not ended after `farewell`.
async fn wait_or_kill(mut child: Child, farewell: Duration) {
    if let Some(process) = child.id().and_then(Process::running) {
        process.terminate();
    }
    if timeout(farewell, child.wait()).await.is_err() {
        // If it cannot be killed it is gone already.
        let _ = child.kill().await;
    }
}
