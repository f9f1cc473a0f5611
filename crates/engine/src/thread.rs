//! The thread that owns all tensors of a worker: its places in generations, and what it does with its commands.

use crate::control::Control;
use crate::digest::digest;
use crate::error::EngineError;
use crate::evaluate::evaluate_chunk;
use crate::handle::EngineOptions;
use crate::hardware::Hardware;
use crate::messages::{Command, EngineEvent, EngineProgress, Formation};
use crate::outgoing::Outgoing;
use crate::profile::Profile;
use crate::queue::Receiver;
use crate::rehearsal::rehearse;
use crate::replica::Replica;
use crate::reports::Reports;
use crate::resident::Resident;
use nccl_rs::{Backend, GroupOptions, ProcessGroup, Rendezvous, Store};
use plan::{Held, Position};
use reduction::{Reducer, ReducerOptions};
use std::{rc::Rc, sync::Arc};
use tch::{Kind, Tensor};
use tokio::sync::{mpsc as async_mpsc, watch};

/// What the thread has; [`Engine`](crate::Engine) is the handle on it.
pub(super) struct Thread {
    pub(super) options: EngineOptions,
    pub(super) control: Arc<Control>,
    pub(super) events: async_mpsc::Sender<EngineEvent>,
    pub(super) progress: watch::Sender<EngineProgress>,
    pub(super) replica: Replica,
    pub(super) formation: Option<Formation>,
    /// The store that this worker serves as rank 0.
    pub(super) store: Option<Store>,
    pub(super) reducer: Option<Reducer>,
    /// The epoch's order of samples.
    pub(super) order: Option<(u32, Arc<[u32]>)>,
    pub(super) profile: Profile,
    /// The training set, where the device has a memory of its own.
    pub(super) resident: Option<Rc<Resident>>,
}

/// The training set in the memory of the device, if that keeps it and it fits there.
fn resident(options: &EngineOptions, hardware: Hardware) -> Option<Rc<Resident>> {
    if !hardware.keeps_the_data() {
        return None;
    }
    match Resident::new(&options.train, hardware) {
        Ok(resident) => Some(Rc::new(resident)),
        Err(error) => {
            tracing::warn!("{error}; batches are made on the processor instead");
            None
        }
    }
}

impl Thread {
    /// A thread that holds no state and has no place in any generation yet.
    pub(super) fn new(
        options: EngineOptions,
        control: Arc<Control>,
        replica: Replica,
        events: async_mpsc::Sender<EngineEvent>,
        progress: watch::Sender<EngineProgress>,
    ) -> Self {
        Self {
            profile: Profile::new(options.trace.is_some(), options.device),
            resident: resident(&options, replica.hardware),
            options,
            control,
            events,
            progress,
            replica,
            formation: None,
            store: None,
            reducer: None,
            order: None,
        }
    }

    /// Obeys until the handle is dropped.
    pub(super) fn run(mut self, commands: &Receiver) {
        while let Some(command) = self.control.while_waiting(|| commands.next()) {
            let generation = command.generation();
            if generation.is_some_and(|generation| self.control.is_aborted(generation)) {
                continue;
            }
            let place = self.place(&command);
            match place.in_scope(|| self.obey(command)) {
                Ok(Some(event)) => self.report(event),
                Ok(None) => {}
                Err(error) => {
                    let error = self.examined(error);
                    // Nothing of this generation can be used again, and what comes of it is not for this state.
                    if let Some(generation) = generation {
                        self.control.abort(generation);
                    }
                    self.leave();
                    if error.is_of_the_state()
                        && let Err(error) = self.replica.forget()
                    {
                        self.report(EngineEvent::Failed { generation: generation.unwrap_or_default(), error });
                    }
                    if !error.is_abort() {
                        self.report(EngineEvent::Failed { generation: generation.unwrap_or_default(), error });
                    }
                }
            }
            self.control.set_held(self.held());
        }
    }

    /// What log lines say of where a command is done. It is of the highest level, so that every line has it.
    fn place(&self, command: &Command) -> tracing::Span {
        let formation = if let Command::Form(formation) = command { Some(*formation) } else { self.formation };
        match (command.generation(), formation) {
            (Some(generation), Some(Formation { rank, .. })) => {
                tracing::error_span!("generation", generation, rank)
            }
            _ => tracing::Span::none(),
        }
    }

    /// Returns `error`, or that the GPU it came from does nothing any more.
    fn examined(&self, error: EngineError) -> EngineError {
        if !self.replica.hardware.can_die() || error.is_abort() {
            return error;
        }
        let alive = Tensor::f_ones([1], (Kind::Float, self.options.device)).and_then(|one| f64::try_from(&one));
        if alive.is_ok() { error } else { EngineError::Dead { cause: error.to_string() } }
    }

    /// Leaves the process group behind, without waiting for it.
    fn leave(&mut self) {
        self.reducer = None;
        self.store = None;
        self.profile.abandon();
    }

    /// The position of the state in memory, with its totals and the generation that it is of. `None` without a state.
    pub(super) fn held(&self) -> Option<Held> {
        let Replica { position, totals, lineage, .. } = &self.replica;
        position.map(|position| Held { position, totals: *totals, lineage: *lineage })
    }

    /// What is held, with its digest.
    fn attest(&self) -> Result<Option<(Held, u64)>, EngineError> {
        self.held().map(|held| Ok((held, digest(&self.replica)?))).transpose()
    }

    fn report(&self, event: EngineEvent) {
        // Only fails when the session is gone, and then the command channel is closed as well.
        let _ = self.events.blocking_send(event);
    }

    fn obey(&mut self, command: Command) -> Result<Option<EngineEvent>, EngineError> {
        match command {
            Command::Form(formation) => self.form(formation),
            Command::Connect { generation, host, port, backend } => {
                self.connect(generation, &host, port, backend).map(Some)
            }
            Command::Synchronise { generation, source_rank, source, digest } => {
                self.synchronise(generation, source_rank, source, digest).map(Some)
            }
            Command::Train { generation, epoch, first_step, rates, digest_every, save_every, ticket } => {
                let reports = Reports { digest_every, save_every, ticket };
                self.train(generation, Position { epoch, step: first_step }, &rates, reports).map(Some)
            }
            Command::Evaluate { generation, epoch, chunks } => {
                for chunk in chunks {
                    if self.control.is_aborted(generation) {
                        return Err(EngineError::Aborted { generation });
                    }
                    let result = evaluate_chunk(&self.replica, &self.options.test, chunk, || self.control.beat())?;
                    self.report(EngineEvent::Evaluated { generation, epoch, result });
                }
                Ok(None)
            }
            Command::Upload { .. } if self.options.faults.iter().any(|fault| fault.keeps(self.replica.position)) => {
                Ok(None)
            }
            Command::Upload { ticket }
                if self.options.faults.iter().any(|fault| fault.breaks_upload(self.replica.position)) =>
            {
                Ok(Some(EngineEvent::NotUploaded { ticket, cause: "the line was made to break".to_owned() }))
            }
            Command::Upload { ticket } => match self.replica.state() {
                Ok(state) => {
                    self.control.outgoing.put(Outgoing { ticket, state: Box::new(state) });
                    Ok(None)
                }
                Err(error) => Ok(Some(EngineEvent::NotUploaded { ticket, cause: error.to_string() })),
            },
            Command::Attest { request } => Ok(Some(EngineEvent::Attested { request, held: self.attest()? })),
            Command::Rehearse => {
                self.leave();
                let options = &self.options;
                Ok(Some(EngineEvent::Rehearsed(rehearse(&mut self.replica, options, &self.control)?)))
            }
        }
    }

    fn form(&mut self, formation: Formation) -> Result<Option<EngineEvent>, EngineError> {
        self.leave();
        self.formation = Some(formation);
        if formation.rank != 0 {
            return Ok(None);
        }
        let store = Store::serve(self.options.connect_timeout)?;
        let event = EngineEvent::StoreOpened { generation: formation.generation, port: store.port() };
        self.store = Some(store);
        Ok(Some(event))
    }

    fn connect(
        &mut self,
        generation: u64,
        host: &str,
        port: u16,
        backend: Backend,
    ) -> Result<EngineEvent, EngineError> {
        let Some(Formation { rank, world_size, .. }) = self.formation.filter(|f| f.generation == generation) else {
            return Err(EngineError::OutOfOrder {
                order: format!("connect generation {generation}"),
                state: "this worker has no place in it".to_owned(),
            });
        };
        let hardware = self.replica.hardware;
        let staged = hardware.stages(backend, self.options.gloo);
        let group = if world_size == 1 {
            None
        } else {
            let timeout = self.options.connect_timeout;
            let rendezvous = match self.store.take() {
                Some(store) => Rendezvous::Served(store),
                None => Rendezvous::At { host: host.to_owned(), port, timeout },
            };
            let options = GroupOptions {
                backend,
                host: self.options.host.clone(),
                rank,
                world_size,
                connect_timeout: 3 * self.options.connect_timeout,
                timeout: self.options.collective_timeout,
                staged,
            };
            let cancelled = || self.control.is_aborted(generation);
            Some(self.control.while_waiting(|| ProcessGroup::connect(rendezvous, &options, cancelled))?)
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
        let reducer = Reducer::new(generation, group, options, &hardware.memory(), self.control.as_ref())?;
        if world_size > 1 {
            let how = match backend {
                _ if reducer.shares_memory() => "in shared memory",
                Backend::Gloo if staged => "over the network, by way of main memory",
                Backend::Gloo => "over the network",
                Backend::Nccl { .. } => "by NCCL",
            };
            tracing::info!("gradients are added up {how}");
        }
        self.reducer = Some(reducer);
        Ok(EngineEvent::Ready { generation, held: self.attest()? })
    }
}
