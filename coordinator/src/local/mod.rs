//! Workers on this machine, started and ended by the coordinator.

mod ends;
mod environment;
mod keeper;
mod processes;
mod record;
mod said;
mod standing;

pub use processes::LocalProcesses;

use crate::{error::Error, helm::HelmInput};
use keeper::Keeper;
use program::Log;
use proto::v1;
use record::Record;
use standing::Standings;
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    process::Command,
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// How local workers are started.
#[derive(Debug, Clone)]
pub struct LocalOptions<'a> {
    /// The program, from [`worker_program`].
    pub program: PathBuf,
    /// How many.
    pub count: usize,
    /// Workers without which a run that has begun does not go on.
    pub least: usize,
    /// Where the coordinator listens.
    pub address: SocketAddr,
    /// The data set, theirs too.
    pub data_dir: &'a Path,
    /// The run's directory, where their processes are kept.
    pub run_dir: &'a Path,
    /// Where their traces go.
    pub profile: Option<&'a Path>,
    /// The collector of their spans, if the coordinator knows one.
    pub otlp_endpoint: Option<&'a str>,
    /// How long they get to end by themselves.
    pub farewell: Duration,
    /// Where what they log goes.
    pub log: &'a Log,
    /// The run, which tells how they do.
    pub view: watch::Receiver<v1::Run>,
    /// What ends all of them at once.
    pub processes: LocalProcesses,
}

/// Keeps workers running until it is told to end them.
#[derive(Debug)]
pub struct LocalWorkers {
    tasks: Vec<JoinHandle<()>>,
    end: watch::Sender<bool>,
    standings: Standings,
    /// Workers that the run needs before it begins, and from then on.
    needed: (usize, usize),
    /// The generation before it began.
    before: u64,
    /// What the helm knows to be wrong.
    told: String,
    /// Why the run was said to be in vain.
    in_vain: Option<String>,
}

impl LocalWorkers {
    /// Starts the workers. Those that an earlier coordinator of the run has left behind are taken over.
    #[must_use]
    pub fn start(options: &LocalOptions<'_>) -> Self {
        let (end, ended) = watch::channel(false);
        let standings = Standings::default();
        let tasks = (0..options.count)
            .map(|index| {
                let name = format!("local-{index}");
                let keeper = Keeper {
                    command: command(options, &name),
                    record: Record::new(options.run_dir, &name),
                    latest: Arc::default(),
                    farewell: options.farewell,
                    end: ended.clone(),
                    view: options.view.clone(),
                    log: options.log.clone(),
                    standings: standings.clone(),
                    processes: options.processes.clone(),
                    name,
                };
                tokio::spawn(keeper.keep())
            })
            .collect();
        let before = options.view.borrow().generation;
        let needed = (options.count, options.least);
        Self { tasks, end, standings, needed, before, told: String::new(), in_vain: None }
    }

    /// Tells the helm what is wrong with workers that do not come to train, and if the run waits in vain. How the run
    /// stands is in `run`.
    pub fn report(&mut self, run: &v1::Run, inputs: &mpsc::Sender<HelmInput>) {
        let text = self.standings.trouble();
        // A helm that is busy is told later.
        if text != self.told && inputs.try_send(HelmInput::Trouble { text: text.clone() }).is_ok() {
            self.told = text;
        }
        let (first, later) = self.needed;
        let needed = if run.generation > self.before { later } else { first };
        // Said again until the run ends: the helm only heeds it while the run waits.
        if let Some(reason) = self.standings.hopeless(run, needed)
            && inputs.try_send(HelmInput::Fail { reason: reason.clone() }).is_ok()
        {
            self.in_vain = Some(reason);
        }
    }

    /// Waits until the workers have ended, and ends them if they do not. Of a run that failed for want of them `result` says
    /// so.
    ///
    /// # Errors
    /// That of `result`.
    pub async fn end(self, result: Result<(), Error>) -> Result<(), Error> {
        self.end.send_replace(true);
        for task in self.tasks {
            // A task only fails if it panics, and then there is nothing left to wait for.
            let _ = task.await;
        }
        match (result, self.in_vain) {
            (Err(Error::Failed(why)), Some(reason)) if why == reason => Err(Error::Spawn(reason)),
            (result, _) => result,
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

/// What starts the worker `name`.
fn command(options: &LocalOptions<'_>, name: &str) -> Command {
    let mut command = Command::new(&options.program);
    command
        .args(["--cpu", "--coordinator", &format!("http://{}", options.address), "--name", name])
        .args(["--log-format", options.log.format().flag(), "--data-dir"])
        .arg(options.data_dir)
        .stdin(Stdio::null())
        // What libraries print there is not the run's.
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C is for the coordinator, which ends the workers in its own time.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = options.profile {
        command.arg("--profile").arg(directory);
    }
    if let Some(endpoint) = options.otlp_endpoint {
        command.args(["--otlp-endpoint", endpoint]);
    }
    environment::prepare(&mut command);
    command
}

/// The program `worker` beside this one.
///
/// # Errors
/// If there is none.
pub fn worker_program() -> Result<PathBuf, Error> {
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
