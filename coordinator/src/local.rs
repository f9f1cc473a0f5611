//! Workers on this machine, started and ended by the coordinator.

use crate::Error;
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How long workers get to end by themselves.
const GRACE: Duration = Duration::from_secs(5);
/// Before a worker that died is started again; longer each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps `count` workers running until it is told to end them.
#[derive(Debug)]
pub struct LocalWorkers {
    tasks: Vec<JoinHandle<()>>,
    end: watch::Sender<bool>,
}

impl LocalWorkers {
    /// Starts the workers of a coordinator that listens on `address`. The data set in `data_dir` is theirs too; traces go
    /// to `profile`.
    ///
    /// # Errors
    /// If there is no program `worker` beside this one.
    pub fn start(count: usize, address: SocketAddr, data_dir: &Path, profile: Option<&Path>) -> Result<Self, Error> {
        let program = worker_program()?;
        let (end, ended) = watch::channel(false);
        let tasks = (0..count)
            .map(|index| {
                let mut command = Command::new(&program);
                command
                    .args(["--cpu", "--coordinator", &format!("http://{address}")])
                    .args(["--name", &format!("local-{index}")])
                    .arg("--data-dir")
                    .arg(data_dir)
                    .stdin(Stdio::null())
                    // A terminal's Ctrl-C is for the coordinator, which ends the workers in its own time.
                    .process_group(0)
                    .kill_on_drop(true);
                if let Some(directory) = profile {
                    command.arg("--profile").arg(directory);
                }
                if env::var_os("RUST_LOG").is_none() {
                    command.env("RUST_LOG", "warn");
                }
                tokio::spawn(keep_running(command, index, ended.clone()))
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

async fn keep_running(mut command: Command, index: usize, mut end: watch::Receiver<bool>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match command.spawn() {
            Ok(mut child) => {
                tokio::select! {
                    status = child.wait() => {
                        match status {
                            // Dismissed.
                            Ok(status) if status.success() => return,
                            Ok(status) => tracing::warn!("local-{index} ended: {status}; starting it again"),
                            Err(error) => tracing::warn!("local-{index}: {error}; starting it again"),
                        }
                    }
                    () = told(&mut end) => return wait_or_kill(child).await,
                }
            }
            Err(error) => tracing::warn!("cannot start local-{index}: {error}; trying again"),
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

async fn wait_or_kill(mut child: Child) {
    if timeout(GRACE, child.wait()).await.is_err() {
        // If it cannot be killed it is gone already.
        let _ = child.kill().await;
    }
}
