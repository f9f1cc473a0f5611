//! The thread that owns all tensors of a worker.

use crate::engine::{
    Command, Control, EngineError, Event, Fault, Formation, Input, Outcome, Profile, Progress, Reducer, ReducerOptions,
    Replica, Resident, Samples, Source, evaluate_chunk, reports::Reports, speed::Speed, train_step,
};
use checkpoint::State;
use cifar::Dataset;
use nccl_rs::{Backend, GroupOptions, ProcessGroup, Store};
use plan::{Position, Reduction, RunConfig, Totals, epoch_order};
use std::{
    path::PathBuf,
    rc::Rc,
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
    /// How long a collective may take.
    pub collective_timeout: Duration,
    /// The training set.
    pub train: Arc<Dataset>,
    /// The test set.
    pub test: Arc<Dataset>,
    /// What is to go wrong, for tests.
    pub fault: Option<Fault>,
    /// Where this worker is, if it shares its memory with others that are there too ([`ReducerOptions`]).
    pub place: Option<u64>,
    /// Where to write a trace, and under which name of this process.
    pub trace: Option<(PathBuf, String)>,
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

/// Between two looks at whether the generation is over.
const GLANCE: Duration = Duration::from_millis(5);

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
            operations::set_deterministic(options.config.reduction == Reduction::Tree);
            let replica = match Replica::new(&options.config, options.device) {
                Ok(replica) => replica,
                Err(error) => {
                    // The caller waits for this; if it is gone nobody is left to tell.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            let traced = options.trace.is_some();
            let resident = resident(&options);
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
                profile: Profile::new(traced),
                resident,
            };
            worker.run(&receiver);
        };
        let spawned = thread::Builder::new().name("engine".to_owned()).spawn(body);
        spawned.map_err(EngineError::thread("engine"))?;
        start.recv().map_err(|_| EngineError::OutOfOrder {
            order: "start".to_owned(),
            state: "the engine's thread died".to_owned(),
        })??;
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
    order: Option<(u32, Arc<[u32]>)>,
    profile: Profile,
    /// The training set, where the device has a memory of its own.
    resident: Option<Rc<Resident>>,
}

/// The training set in the memory of a GPU, if it fits there.
fn resident(options: &EngineOptions) -> Option<Rc<Resident>> {
    if !options.device.is_cuda() {
        return None;
    }
    match Resident::new(&options.train, options.device) {
        Ok(resident) => Some(Rc::new(resident)),
        Err(error) => {
            tracing::warn!("{error}; batches are made on the processor instead");
            None
        }
    }
}

impl Thread {
    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(command) = self.control.while_waiting(|| commands.recv()) {
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
            Command::Synchronise { generation, source_rank, source } => {
                self.synchronise(generation, source_rank, source).map(|()| None)
            }
            Command::Train { generation, epoch, first_step, rates, digest_every, save_every } => {
                // Any member's state would do.
                let sends = self.formation.is_some_and(|formation| formation.rank == 0);
                let reports = Reports { digest_every, save_every, sends };
                self.train(generation, Position { epoch, step: first_step }, &rates, reports).map(Some)
            }
            Command::Evaluate { generation, epoch, chunks } => {
                let mut results = Vec::new();
                for chunk in chunks {
                    if self.control.is_aborted(generation) {
                        return Err(EngineError::Aborted { generation });
                    }
                    results.push(evaluate_chunk(&self.replica, &self.options.test, chunk, || self.control.beat())?);
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
                timeout: self.options.collective_timeout,
            };
            let cancelled = || self.control.is_aborted(generation);
            Some(self.control.while_waiting(|| ProcessGroup::connect(store, &options, cancelled))?)
        };
        let config = &self.options.config;
        let options = ReducerOptions {
            reduction: config.reduction,
            wire: config.wire,
            shards: config.shards,
            gradients: self.replica.layout.parameters(),
            len: self.replica.vector_len(),
            place: self.options.place,
        };
        let reducer = Reducer::new(generation, group, options, self.options.device, &self.control)?;
        if world_size > 1 {
            let how = if reducer.shares_memory() { "in shared memory" } else { "over the network" };
            tracing::info!(generation, "gradients are added up {how}");
        }
        self.reducer = Some(reducer);
        Ok(Event::Ready { generation, held: self.replica.position, totals: self.replica.totals })
    }

    fn synchronise(&mut self, generation: u64, source_rank: u32, source: Source) -> Result<(), EngineError> {
        let own = self.formation.is_some_and(|formation| formation.rank == source_rank);
        match source {
            Source::Given(state) if own => {
                let state = self.given(generation, &state)?;
                self.replica.load(&state)?;
            }
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

    /// The state that is on its way.
    fn given(&self, generation: u64, state: &mpsc::Receiver<Result<State, EngineError>>) -> Result<State, EngineError> {
        loop {
            match state.recv_timeout(GLANCE) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Timeout) if !self.control.is_aborted(generation) => {}
                // Who was to give it has given up too.
                Err(_) => return Err(EngineError::Aborted { generation }),
            }
        }
    }

    fn train(
        &mut self,
        generation: u64,
        from: Position,
        rates: &[f64],
        reports: Reports,
    ) -> Result<Event, EngineError> {
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
            self.order = Some((from.epoch, epoch_order(config.seed, from.epoch, config.train_samples).into()));
        }
        let order = self.order.as_ref().map(|(_, order)| Arc::clone(order)).unwrap_or_default();
        let (plan, count, shards) = (config.steps(), config.shards, reducer.shards());
        let ranges = (from.step..steps).flat_map(move |step| {
            shards.clone().map(move |shard| plan.shard_of(step, shard, count)).filter(|range| !range.is_empty())
        });
        let ranges = ranges.map(|range| range.start as usize..range.end as usize);
        let samples = Samples { order, seed: config.seed, epoch: from.epoch, ranges: Box::new(ranges) };
        let mut input = match &self.resident {
            Some(data) => Input::resident(Rc::clone(data), samples),
            None => Input::ahead(Arc::clone(&self.options.train), samples, self.options.device)?,
        };
        let start = Instant::now();
        let mut images = 0;
        let mut speed = Speed::default();
        let mut halted = false;
        for step in from.step..steps {
            let rate = if rates.len() == 1 { rates[0] } else { rates.get(step as usize).copied().unwrap_or(0.0) };
            let (began, waited) = (Instant::now(), self.control.waited());
            if let Some(fault) = self.options.fault {
                fault.strike(generation, &mut self.replica, &self.control)?;
            }
            let outcome = train_step(&mut self.replica, reducer, &mut input, rate, &self.control, &mut self.profile)?;
            images += outcome.samples;
            speed.add(outcome.samples, began.elapsed(), self.control.waited().saturating_sub(waited));
            let (compute_seconds, wait_seconds) = speed.step();
            let position = Position { step: step + 1, ..from };
            self.control.set_held(Some(position));
            self.progress.send_replace(Progress {
                generation,
                position,
                totals: self.replica.totals,
                images_per_second: speed.images_per_second(),
                compute_seconds,
                wait_seconds,
            });
            reports.make(generation, &self.replica, steps, &self.events)?;
            if outcome.halt && step + 1 < steps {
                halted = true;
                break;
            }
        }
        let position = self.replica.position.unwrap_or(from);
        let outcome = Outcome { position, totals: self.replica.totals, seconds: start.elapsed().as_secs_f64(), images };
        if let Some((path, process)) = &self.options.trace {
            // No reason to stop training for.
            if let Err(error) = self.profile.write(path, process) {
                tracing::warn!("cannot write the trace {}: {error}", path.display());
            }
        }
        Ok(if halted { Event::Halted { generation, outcome } } else { Event::EpochDone { generation, outcome } })
    }
}
