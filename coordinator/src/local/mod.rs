//! Workers on this machine, started and ended by the coordinator.

mod record;

use crate::Error;
use record::{Process, Record};
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Before a worker that died is started again; longer each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A worker that has lived for this long died of something new: its pauses begin anew.
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// How often a worker that an earlier coordinator started is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How local workers are started.
#[derive(Debug, Clone, Copy)]
pub struct LocalOptions<'a> {
    /// How many.
    pub count: usize,
    /// Where the coordinator listens.
    pub address: SocketAddr,
    /// The data set, theirs too.
    pub data_dir: &'a Path,
    /// The run's directory, where their processes are kept.
    pub run_dir: &'a Path,
    /// Where their traces go.
    pub profile: Option<&'a Path>,
    /// How long they get to end by themselves.
    pub farewell: Duration,
}

/// Keeps workers running until it is told to end them.
#[derive(Debug)]
pub struct LocalWorkers {
    tasks: Vec<JoinHandle<()>>,
    end: watch::Sender<bool>,
}

impl LocalWorkers {
    /// Starts the workers. Those that an earlier coordinator of the run has left behind are taken over.
    ///
    /// # Errors
    /// If there is no program `worker` beside this one.
    pub fn start(options: LocalOptions<'_>) -> Result<Self, Error> {
        let program = worker_program()?;
        let (end, ended) = watch::channel(false);
        let tasks = (0..options.count)
            .map(|index| {
                let name = format!("local-{index}");
                let mut command = Command::new(&program);
                command
                    .args(["--cpu", "--coordinator", &format!("http://{}", options.address), "--name", &name])
                    .arg("--data-dir")
                    .arg(options.data_dir)
                    .stdin(Stdio::null())
                    // A terminal's Ctrl-C is for the coordinator, which ends the workers in its own time.
                    .process_group(0)
                    .kill_on_drop(true);
                if let Some(directory) = options.profile {
                    command.arg("--profile").arg(directory);
                }
                if env::var_os("RUST_LOG").is_none() {
                    command.env("RUST_LOG", "warn");
                }
                let record = Record::new(options.run_dir, &name);
                tokio::spawn(keep_running(command, name, record, options.farewell, ended.clone()))
            })
            .collect();
        Ok(Self { tasks, end })
    }

    /// Waits until the workers have ended, and ends them if they do not.
    pub async fn end(self) {
        self.end.send_replace(true);
        for task in self.tasks {
            // A task only fails if it panics, and then there is nothing left to wait for.
            let _ = task.await;
        }
    }
}

/// Ends the workers of the run in `run_dir` that an earlier coordinator left behind, where they are needed no longer.
pub fn end_left_behind(run_dir: &Path) {
    for (name, process) in record::running(run_dir) {
        tracing::info!("ending {name}, process {}, which an earlier coordinator started", process.id());
        process.kill();
    }
}

/// The program `worker` beside this one.
fn worker_program() -> Result<PathBuf, Error> {
    let own = env::current_exe().map_err(|error| Error::Spawn(error.to_string()))?;
    let program = own.with_file_name("worker");
    if !program.is_file() {
        return Err(Error::Spawn(format!(
            "there is no {}; build it with `cargo build --release -p worker`",
            program.display()
        )));
    }
    Ok(program)
}

async fn keep_running(
    mut command: Command,
    name: String,
    record: Record,
    farewell: Duration,
    mut end: watch::Receiver<bool>,
) {
    if let Some(process) = record.read() {
        tracing::info!("taking {name} over, process {}, which an earlier coordinator started", process.id());
        tokio::select! {
            () = ended(process) => tracing::warn!("{name} ended; starting it again"),
            () = told(&mut end) => {
                if timeout(farewell, ended(process)).await.is_err() {
                    process.kill();
                }
                return;
            }
        }
    }
    let mut pause = FIRST_PAUSE;
    loop {
        let start = Instant::now();
        match command.spawn() {
            Ok(mut child) => {
                if let Some(error) = child.id().and_then(|id| record.write(id).err()) {
                    tracing::warn!("cannot keep which process {name} is: {error}");
                }
                tokio::select! {
                    status = child.wait() => {
                        match status {
                            // Dismissed.
                            Ok(status) if status.success() => return,
                            Ok(status) => tracing::warn!("{name} ended: {status}; starting it again"),
                            Err(error) => tracing::warn!("{name}: {error}; starting it again"),
                        }
                    }
                    () = told(&mut end) => return wait_or_kill(child, farewell).await,
                }
            }
            Err(error) => tracing::warn!("cannot start {name}: {error}; trying again"),
        }
        if start.elapsed() > GOOD_LIFE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = told(&mut end) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Ends when the workers are to end. A handle that was dropped says so too.
async fn told(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}

/// Ends when `process`, which is no child of this one, has ended.
async fn ended(process: Process) {
    while process.lives() {
        sleep(LOOK).await;
    }
}

async fn wait_or_kill(mut child: Child, farewell: Duration) {
    if timeout(farewell, child.wait()).await.is_err() {
        // If it cannot be killed it is gone already.
        let _ = child.kill().await;
    }
}
