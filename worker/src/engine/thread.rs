//! The thread that owns all tensors of a worker.

use crate::engine::{Control, EngineError, Reducer, Replica, evaluate_chunk, train_step};
use checkpoint::State;
use cifar::Dataset;
use nccl_rs::{Backend, GroupOptions, ProcessGroup, Store};
use plan::{ChunkResult, Position, RunConfig, Totals, epoch_order};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor};
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
    /// The training set.
    pub train: Arc<Dataset>,
    /// The test set.
    pub test: Arc<Dataset>,
}

/// A worker's place in a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formation {
    /// Which generation.
    pub generation: u64,
    /// This worker's rank.
    pub rank: u32,
    /// The number of ranks.
    pub world_size: u32,
}

/// Where the state of a generation comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// From this or another rank, which holds it.
    Held,
    /// From this rank, which was given it.
    Given(Box<State>),
    /// From the run's seed.
    Initial,
}

/// What the engine is told to do. Commands of a generation that is over are passed over.
#[derive(Debug)]
pub enum Command {
    /// Takes a place in a generation; rank 0 opens the rendezvous store.
    Form(Formation),
    /// Builds the process group over the store at host and port.
    Connect {
        /// Which generation.
        generation: u64,
        /// Where rank 0 is.
        host: String,
        /// The store's port there.
        port: u16,
    },
    /// Takes over one rank's state.
    Synchronise {
        /// Which generation.
        generation: u64,
        /// Whose state.
        source_rank: u32,
        /// Where that rank has it from.
        source: Source,
    },
    /// Trains to the end of an epoch.
    Train {
        /// Which generation.
        generation: u64,
        /// Which epoch.
        epoch: u32,
        /// Its first step to be done.
        first_step: u32,
        /// One rate for the epoch, or one a step of it.
        rates: Vec<f64>,
    },
    /// Evaluates chunks of the test set.
    Evaluate {
        /// Which generation.
        generation: u64,
        /// Which epoch.
        epoch: u32,
        /// The chunks.
        chunks: std::ops::Range<u32>,
    },
    /// Gives a copy of the state.
    Upload {
        /// Which generation.
        generation: u64,
    },
}

impl Command {
    fn generation(&self) -> u64 {
        match self {
            Self::Form(formation) => formation.generation,
            Self::Connect { generation, .. }
            | Self::Synchronise { generation, .. }
            | Self::Train { generation, .. }
            | Self::Evaluate { generation, .. }
            | Self::Upload { generation } => *generation,
        }
    }
}

/// What became of a stretch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The next step.
    pub position: Position,
    /// Of the epoch so far.
    pub totals: Totals,
    /// Time spent in steps.
    pub seconds: f64,
    /// Images that the cluster trained in that time.
    pub images: u64,
}

/// What the engine reports.
#[derive(Debug)]
pub enum Event {
    /// The rendezvous store is open at this port.
    StoreOpened {
        /// The generation.
        generation: u64,
        /// The port.
        port: u16,
    },
    /// The process group stands.
    Ready {
        /// The generation.
        generation: u64,
        /// The state that this worker holds.
        held: Option<Position>,
        /// Of the epoch that it is in.
        totals: Totals,
    },
    /// The epoch is trained.
    EpochDone {
        /// The generation.
        generation: u64,
        /// What it came to.
        outcome: Outcome,
    },
    /// Training stopped after a step, as asked.
    Halted {
        /// The generation.
        generation: u64,
        /// What it came to.
        outcome: Outcome,
    },
    /// Chunks of the test set are evaluated.
    Evaluated {
        /// The generation.
        generation: u64,
        /// The epoch.
        epoch: u32,
        /// The results.
        results: Vec<ChunkResult>,
    },
    /// A copy of the state.
    State {
        /// The generation.
        generation: u64,
        /// The state.
        state: Box<State>,
    },
    /// The generation cannot go on.
    Failed {
        /// The generation.
        generation: u64,
        /// Why.
        error: EngineError,
    },
}

/// Where the engine is, for people; the last value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// The generation; 0 before the first.
    pub generation: u64,
    /// The next step.
    pub position: Position,
    /// Of the epoch so far.
    pub totals: Totals,
    /// Of the whole cluster, over the last steps.
    pub images_per_second: f64,
}

/// The handle on the engine's thread. The thread ends when the handle is dropped and its work is done or aborted.
#[derive(Debug)]
pub struct Engine {
    commands: mpsc::SyncSender<Command>,
    /// Shared with the thread.
    pub control: Arc<Control>,
    /// The last progress.
    pub progress: watch::Receiver<Progress>,
}

/// Commands under way at most: an epoch brings a handful.
const COMMANDS: usize = 64;

impl Engine {
    /// Starts the thread. Events go to `events`.
    ///
    /// # Errors
    /// If there is no memory for the model, or no thread.
    pub fn start(options: EngineOptions, events: async_mpsc::Sender<Event>) -> Result<Self, EngineError> {
        let (commands, receiver) = mpsc::sync_channel(COMMANDS);
        let control = Arc::new(Control::default());
        let (progress_sender, progress) = watch::channel(Progress::default());
        let (started, start) = mpsc::sync_channel(1);
        let shared = Arc::clone(&control);
        let body = move || {
            // Both are per process or per thread, so they are set here, where the tensors live.
            tch::set_num_threads(options.config.threads as i32);
            tch::Cuda::cudnn_set_benchmark(false);
            let replica = match Replica::new(&options.config, options.device) {
                Ok(replica) => replica,
                Err(error) => {
                    // The caller waits for this; if it is gone nobody is left to tell.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            let worker = Thread {
                options,
                control: shared,
                events,
                progress: progress_sender,
                replica,
                formation: None,
                store: None,
                reducer: None,
                order: None,
            };
            worker.run(&receiver);
        };
        let spawned = thread::Builder::new().name("engine".to_owned()).spawn(body);
        let failure = |why: String| EngineError::OutOfOrder { order: "start".to_owned(), state: why };
        spawned.map_err(|error| failure(error.to_string()))?;
        start.recv().map_err(|_| failure("the engine's thread died".to_owned()))??;
        Ok(Self { commands, control, progress })
    }

    /// Gives the engine a command. Returns `false` if it has ended or does not keep up.
    #[must_use]
    pub fn command(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }
}

struct Thread {
    options: EngineOptions,
    control: Arc<Control>,
    events: async_mpsc::Sender<Event>,
    progress: watch::Sender<Progress>,
    replica: Replica,
    formation: Option<Formation>,
    /// The store that this worker serves as rank 0.
    store: Option<Store>,
    reducer: Option<Reducer>,
    /// The epoch's order of samples.
    order: Option<(u32, Vec<u32>)>,
}

impl Thread {
    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            let generation = command.generation();
            if self.control.is_aborted(generation) {
                continue;
            }
            match self.obey(command) {
                Ok(Some(event)) => self.report(event),
                Ok(None) => {}
                Err(error) => {
                    // Nothing of this generation can be used again, and what comes of it is not for this state.
                    self.control.abort(generation);
                    self.reducer = None;
                    self.store = None;
                    if !error.is_abort() {
                        self.report(Event::Failed { generation, error });
                    }
                }
            }
            self.control.set_held(self.replica.position);
        }
    }

    fn report(&self, event: Event) {
        // Only fails when the session is gone, and then the command channel is closed as well.
        let _ = self.events.blocking_send(event);
    }

    fn obey(&mut self, command: Command) -> Result<Option<Event>, EngineError> {
        match command {
            Command::Form(formation) => self.form(formation),
            Command::Connect { generation, host, port } => self.connect(generation, &host, port).map(Some),
            Command::Synchronise { source_rank, source, .. } => self.synchronise(source_rank, source).map(|()| None),
            Command::Train { generation, epoch, first_step, rates } => {
                self.train(generation, Position { epoch, step: first_step }, &rates).map(Some)
            }
            Command::Evaluate { generation, epoch, chunks } => {
                let mut results = Vec::new();
                for chunk in chunks {
                    if self.control.is_aborted(generation) {
                        return Err(EngineError::Aborted { generation });
                    }
                    results.push(evaluate_chunk(&self.replica, &self.options.test, chunk)?);
                }
                Ok(Some(Event::Evaluated { generation, epoch, results }))
            }
            Command::Upload { generation } => {
                let state = Box::new(self.replica.state()?);
                Ok(Some(Event::State { generation, state }))
            }
        }
    }

    fn form(&mut self, formation: Formation) -> Result<Option<Event>, EngineError> {
        // Left behind, not waited for.
        self.reducer = None;
        self.store = None;
        self.formation = Some(formation);
        if formation.rank != 0 {
            return Ok(None);
        }
        let store = Store::serve(self.options.connect_timeout)?;
        let event = Event::StoreOpened { generation: formation.generation, port: store.port() };
        self.store = Some(store);
        Ok(Some(event))
    }

    fn connect(&mut self, generation: u64, host: &str, port: u16) -> Result<Event, EngineError> {
        let Some(Formation { rank, world_size, .. }) = self.formation.filter(|f| f.generation == generation) else {
            return Err(EngineError::OutOfOrder {
                order: format!("connect generation {generation}"),
                state: "this worker has no place in it".to_owned(),
            });
        };
        let group = if world_size == 1 {
            None
        } else {
            let timeout = self.options.connect_timeout;
            let store = match self.store.take() {
                Some(store) => store,
                None => Store::reach(host, port, rank, timeout)?,
            };
            let options = GroupOptions {
                backend: Backend::for_device(self.options.device),
                host: self.options.host.clone(),
                rank,
                world_size,
                timeout,
            };
            Some(ProcessGroup::connect(store, &options, || self.control.is_aborted(generation))?)
        };
        let config = &self.options.config;
        let len = self.replica.vector_len();
        let reducer = Reducer::new(generation, group, config.reduction, config.shards, len, self.options.device)?;
        self.reducer = Some(reducer);
        Ok(Event::Ready { generation, held: self.replica.position, totals: self.replica.totals })
    }

    fn synchronise(&mut self, source_rank: u32, source: Source) -> Result<(), EngineError> {
        let own = self.formation.is_some_and(|formation| formation.rank == source_rank);
        match source {
            Source::Given(state) if own => self.replica.load(&state)?,
            Source::Initial => {
                let state = State::initial(&self.replica.layout, self.options.config.seed);
                self.replica.load(&state)?;
            }
            Source::Held | Source::Given(_) => {}
        }
        let Some(reducer) = &self.reducer else {
            return Err(EngineError::OutOfOrder {
                order: "synchronise".to_owned(),
                state: "no process group stands".to_owned(),
            });
        };
        let replica = &mut self.replica;
        for tensor in [&replica.parameters, &replica.statistics, &replica.momentum] {
            reducer.broadcast(tensor, source_rank, &self.control)?;
        }
        // Counts are exact in f64 up to 2^53.
        let position = replica.position.unwrap_or_default();
        let scalars = [
            f64::from(position.epoch),
            f64::from(position.step),
            replica.totals.loss,
            replica.totals.correct as f64,
            replica.totals.samples as f64,
        ];
        let torch = || EngineError::torch("synchronise");
        let scalars = Tensor::f_from_slice(&scalars)
            .and_then(|scalars| scalars.f_to_device(self.options.device))
            .map_err(torch())?;
        reducer.broadcast(&scalars, source_rank, &self.control)?;
        let scalars = scalars
            .f_to_device(Device::Cpu)
            .and_then(|scalars| Vec::<f64>::try_from(&scalars.f_to_kind(Kind::Double)?))
            .map_err(torch())?;
        replica.position = Some(Position { epoch: scalars[0] as u32, step: scalars[1] as u32 });
        replica.totals = Totals { loss: scalars[2], correct: scalars[3] as u64, samples: scalars[4] as u64 };
        Ok(())
    }

    fn train(&mut self, generation: u64, from: Position, rates: &[f64]) -> Result<Event, EngineError> {
        let steps = self.options.config.steps().count();
        let held = self.replica.position;
        // Past the last step of an epoch is before the first of the next.
        let next_epoch = Position { epoch: from.epoch.wrapping_sub(1), step: steps };
        if from.step == 0 && held == Some(next_epoch) {
            self.replica.position = Some(from);
            self.replica.totals = Totals::default();
        } else if held != Some(from) {
            return Err(EngineError::OutOfOrder {
                order: format!("train from {from}"),
                state: held.map_or("no state is loaded".to_owned(), |held| format!("the state is at {held}")),
            });
        }
        let Some(reducer) = &mut self.reducer else {
            return Err(EngineError::OutOfOrder {
                order: "train".to_owned(),
                state: "no process group stands".to_owned(),
            });
        };
        let config = &self.options.config;
        if self.order.as_ref().is_none_or(|(epoch, _)| *epoch != from.epoch) {
            self.order = Some((from.epoch, epoch_order(config.seed, from.epoch, config.train_samples)));
        }
        let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
        let start = Instant::now();
        let mut images = 0;
        let mut speed = Speed::default();
        let mut halted = false;
        for step in from.step..steps {
            let rate = if rates.len() == 1 { rates[0] } else { rates.get(step as usize).copied().unwrap_or(0.0) };
            let began = Instant::now();
            let outcome = train_step(&mut self.replica, reducer, &self.options.train, order, rate, &self.control)?;
            images += outcome.samples;
            speed.add(outcome.samples, began.elapsed());
            let position = Position { step: step + 1, ..from };
            self.control.set_held(Some(position));
            self.progress.send_replace(Progress {
                generation,
                position,
                totals: self.replica.totals,
                images_per_second: speed.images_per_second(),
            });
            if outcome.halt && step + 1 < steps {
                halted = true;
                break;
            }
        }
        let position = self.replica.position.unwrap_or(from);
        let outcome = Outcome { position, totals: self.replica.totals, seconds: start.elapsed().as_secs_f64(), images };
        Ok(if halted { Event::Halted { generation, outcome } } else { Event::EpochDone { generation, outcome } })
    }
}

/// Images a second, smoothed over a few dozen steps.
#[derive(Default)]
struct Speed {
    images: f64,
    seconds: f64,
}

impl Speed {
    fn add(&mut self, images: u64, time: Duration) {
        /// How much an older step counts against the one after it.
        const FADE: f64 = 0.95;
        self.images = self.images * FADE + images as f64;
        self.seconds = self.seconds * FADE + time.as_secs_f64();
    }

    fn images_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.images / self.seconds } else { 0.0 }
    }
}
