//! The handle on the thread that owns all tensors of a worker.

use crate::control::Control;
use crate::error::EngineError;
use crate::fault::Fault;
use crate::messages::{Command, EngineEvent, EngineProgress};
use crate::queue::{self, queue};
use crate::rehearsal::{Rehearsal, rehearse};
use crate::replica::Replica;
use crate::thread::Thread;
use config::RunConfig;
use data::Dataset;
use plan::Reduction;
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};
use tch::Device;
use tokio::sync::{mpsc as async_mpsc, watch};

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The run.
    pub config: RunConfig,
    /// Where to compute.
    pub device: Device,
    /// The address of this machine under which other workers reach it.
    pub host: String,
    /// How long building a process group may take.
    pub connect_timeout: Duration,
    /// How long a collective may take.
    pub collective_timeout: Duration,
    /// The training set.
    pub train: Arc<Dataset>,
    /// The test set.
    pub test: Arc<Dataset>,
    /// What is to go wrong, for tests.
    pub faults: Vec<Fault>,
    /// Where this worker is, if it shares its memory with others that are there too
    /// ([`ReducerOptions`](reduction::ReducerOptions)).
    pub place: Option<u64>,
    /// Whether NCCL is not to be used, where it could.
    pub gloo: bool,
    /// Where to write a trace, and under which name of this process.
    pub trace: Option<(PathBuf, String)>,
}

/// The handle on the engine's thread. The thread ends when the handle is dropped and its work is done or aborted.
#[derive(Debug)]
pub struct Engine {
    commands: queue::Sender,
    /// Shared with the thread.
    pub control: Arc<Control>,
    /// The last progress.
    pub progress: watch::Receiver<EngineProgress>,
    /// What its first rehearsal has shown.
    pub rehearsal: Rehearsal,
}

impl Engine {
    /// Starts the thread, and returns when it could train. Events go to `events`. The thread logs within the span that this is
    /// called in.
    ///
    /// # Errors
    /// If there is no memory for a step of the model, or no thread.
    pub fn start(options: EngineOptions, events: async_mpsc::Sender<EngineEvent>) -> Result<Self, EngineError> {
        let (commands, receiver) = queue();
        let control = Arc::new(Control::default());
        let (progress_sender, progress) = watch::channel(EngineProgress::default());
        let (started, start) = mpsc::sync_channel(1);
        options.faults.iter().filter_map(|fault| fault.drags()).for_each(|longer| control.drag(longer));
        let shared = Arc::clone(&control);
        let place = tracing::Span::current();
        let body = move || {
            let _place = place.entered();
            // Both are per process or per thread, so they are set here, where the tensors live.
            tch::set_num_threads(options.config.threads as i32);
            tch::Cuda::cudnn_set_benchmark(false);
            operations::keep_all_bits();
            operations::set_deterministic(options.config.reduction == Reduction::Tree);
            let prepared = Replica::new(&options.config, options.device).and_then(|mut replica| {
                let rehearsal = rehearse(&mut replica, &options, &shared)?;
                Ok((replica, rehearsal))
            });
            let (replica, rehearsal) = match prepared {
                Ok(replica) => replica,
                Err(error) => {
                    // The caller waits for this; if it is gone nobody is left to tell.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let thread = Thread::new(options, shared, replica, events, progress_sender);
            let _ = started.send(Ok(rehearsal));
            thread.run(&receiver);
        };
        let spawned = thread::Builder::new().name("engine".to_owned()).spawn(body);
        spawned.map_err(EngineError::thread("engine"))?;
        let rehearsal = start.recv().map_err(|_| EngineError::OutOfOrder {
            order: "start".to_owned(),
            state: "the engine's thread died".to_owned(),
        })??;
        Ok(Self { commands, control, progress, rehearsal })
    }

    /// Gives the engine a command. Returns `false` if it has ended or does not keep up.
    #[must_use]
    pub fn command(&self, command: Command) -> bool {
        self.commands.put(command, &self.control)
    }
}
