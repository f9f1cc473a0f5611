//! What the coordinator orders, passed on to the engine.

use crate::{
    Error,
    session::{Joined, Session, connect::Bulk, place, report::prepared},
    state_transfer,
};
use config::RunConfig;
use engine::{Command, EngineError, Formation, StateSource};
use nccl_rs::Backend;
use plan::{Rates, Timeouts};
use proto::{
    Malformed,
    v1::{self, Order, order::Order as Kind, report::Report as Up, synchronise::Source as From},
};
use std::{
    sync::{Arc, mpsc as std_mpsc},
    time::Duration,
};
use tch::Device;

/// Longer than any coordinator sets a worker aside.
const LONGEST_ASIDE: Duration = Duration::from_hours(1);

impl Session {
    /// Does what is ordered. Returns what there is to say to it at once.
    pub(super) fn obey(&mut self, bulk: &Bulk, order: Order) -> Result<Option<Up>, Error> {
        let kind = order.order.ok_or_else(|| Malformed::new("an empty order"))?;
        if let Kind::SetAside(set_aside) = kind {
            self.step_aside(&set_aside);
            return Ok(None);
        }
        if self.joined.is_none() {
            return answer_unprepared(&kind);
        }
        match &kind {
            Kind::Form(form) => {
                self.generation = form.generation;
                self.membership = Some((form.generation, form.rank));
            }
            Kind::Abort(abort) => self.spans.aborted(abort.generation, &abort.reason),
            _ => {}
        }
        let _place = self.log_place().entered();
        let Some(joined) = &self.joined else { return Ok(None) };
        if let Some(command) = self.command_of(bulk, joined, kind)? {
            self.spans.commanded(&joined.run_id, &command);
            command_engine(joined, command)?;
        }
        Ok(None)
    }

    /// Notes until when it is set aside. Then it has to rehearse.
    fn step_aside(&mut self, v1::SetAside { reason, pause_ms }: &v1::SetAside) {
        let pause = Duration::from_millis(*pause_ms).min(LONGEST_ASIDE);
        self.membership = None;
        self.spans.end(Some(reason));
        let _place = self.log_place().entered();
        tracing::warn!("set aside for {:.0} s: {reason}", pause.as_secs_f64());
        self.aside = Some(tokio::time::Instant::now() + pause);
        self.doubted = true;
    }

    /// The command that an order is for the engine. What the engine is to notice while it is busy, it is told here.
    fn command_of(&self, bulk: &Bulk, joined: &Joined, kind: Kind) -> Result<Option<Command>, Error> {
        let control = &joined.engine.control;
        Ok(Some(match kind {
            Kind::Form(form) => {
                // What is under way belongs to a generation that is over.
                control.abort(form.generation.saturating_sub(1));
                tracing::info!("forming a generation of {}: {}", form.world_size, form.members.join(", "));
                let (generation, rank, world_size) = (form.generation, form.rank, form.world_size);
                Command::Form(Formation { generation, rank, world_size })
            }
            Kind::Connect(order) => self.connect(order)?,
            Kind::Synchronise(order) => self.synchronise(bulk, joined, order)?,
            Kind::Train(v1::Train { generation, epoch, first_step, rates, digest_every, save_every, ticket }) => {
                let ticket = (ticket != 0).then_some(ticket);
                let rates = Rates::new(rates, joined.config.steps().count())
                    .map_err(|error| Malformed::new(format!("an order to train: {error}")))?;
                Command::Train { generation, epoch, first_step, rates, digest_every, save_every, ticket }
            }
            Kind::Evaluate(v1::Evaluate { generation, epoch, first_chunk, chunks }) => {
                let end =
                    first_chunk.checked_add(chunks).ok_or_else(|| Malformed::new("more chunks than there are"))?;
                Command::Evaluate { generation, epoch, chunks: first_chunk..end }
            }
            Kind::Upload(v1::Upload { ticket }) => Command::Upload { ticket },
            Kind::Attest(v1::Attest { request, generation }) => {
                control.abort(generation);
                Command::Attest { request }
            }
            Kind::Halt(v1::Halt { generation, epoch, reason }) => {
                tracing::info!(generation, "halting after the step in progress: {reason}");
                control.halt(generation, epoch);
                return Ok(None);
            }
            Kind::Abort(v1::Abort { generation, reason }) => {
                tracing::info!(generation, "generation aborted: {reason}");
                control.abort(generation);
                return Ok(None);
            }
            Kind::Welcome(_) | Kind::Dismiss(_) | Kind::SetAside(_) => return Ok(None),
        }))
    }

    fn connect(&self, v1::Connect { generation, host, port, backend }: v1::Connect) -> Result<Command, Error> {
        let port = port.try_into().map_err(|_| Malformed::new(format!("the port {port}")))?;
        let backend = match (v1::Backend::try_from(backend), self.device) {
            (Ok(v1::Backend::Gloo), _) => Backend::Gloo,
            (Ok(v1::Backend::Nccl), Device::Cuda(device)) => Backend::Nccl { device },
            _ => return Err(Malformed::new(format!("the backend {backend} on {:?}", self.device)).into()),
        };
        Ok(Command::Connect { generation, host, port, backend })
    }

    fn synchronise(&self, bulk: &Bulk, joined: &Joined, order: v1::Synchronise) -> Result<Command, Error> {
        let source = match order.source {
            Some(From::Checkpoint(name)) => {
                // Beside the stream, as it may take long.
                let (given, source) = std_mpsc::sync_channel(1);
                let (mut client, control) = (bulk.client(), Arc::clone(&joined.engine.control));
                let (config, patience) = (joined.config.clone(), self.timeouts.transfer);
                tokio::spawn(async move {
                    let wanted = || {
                        control.beat();
                        !control.is_aborted(order.generation)
                    };
                    let state =
                        state_transfer::download(&mut client, (&name, order.ticket), &config, patience, wanted).await;
                    // Nobody takes it if the generation is over.
                    let _ = state.transpose().map(|state| given.try_send(state));
                });
                StateSource::Given(source)
            }
            Some(From::Initial(true)) => StateSource::Initial,
            Some(From::Held(true)) => StateSource::Held,
            Some(From::Initial(false) | From::Held(false)) | None => {
                return Err(Malformed::new("a state to take over without its source").into());
            }
        };
        let (generation, source_rank, digest) = (order.generation, order.source_rank, order.digest);
        Ok(Command::Synchronise { generation, source_rank, source, digest })
    }

    /// The pause is over: a step is rehearsed, or what there is to rehearse with is prepared again.
    pub(super) fn rehearse(&mut self, bulk: &Bulk) -> Result<Option<Up>, Error> {
        if let Some(joined) = &self.joined {
            tracing::info!("rehearsing a step");
            command_engine(joined, Command::Rehearse)?;
        } else if let Some((run_id, config)) = self.welcomed.clone()
            && self.preparation.is_none()
        {
            tracing::info!("preparing again");
            self.preparation = Some(self.prepare(bulk, run_id, config)?);
        }
        Ok(None)
    }

    /// Returns what there is to say to it at once.
    pub(super) fn welcome(&mut self, bulk: &Bulk, welcome: v1::Welcome) -> Result<Option<Up>, Error> {
        let _place = place::of_run(&welcome.run_id).entered();
        let failure = Duration::from_millis(u64::from(welcome.failure_timeout_ms));
        self.timeouts = Timeouts::new(failure).map_err(|error| Malformed::new(error.to_string()))?;
        let config = welcome.config.ok_or_else(|| Malformed::new("a welcome without a configuration"))?;
        let config =
            RunConfig::of_values(proto::to_value(&config)).map_err(|error| Malformed::new(error.to_string()))?;
        if let Some(joined) = self.joined.take_if(|joined| joined.config.precision != config.precision) {
            // Nothing was saved of what it computed in the other.
            tracing::info!("the run computes in {} by now: preparing again", config.precision);
            joined.engine.control.abort(u64::MAX);
        }
        if let Some(joined) = &self.joined {
            // The coordinator has compared the run's id with what the hello said.
            tracing::info!("attached again to run {}", joined.run_id);
            // Nobody waits any more for what was ordered before.
            joined.engine.control.outgoing.clear();
            if self.doubted {
                // Its pause is known to the coordinator by its name, if that is still the same.
                return self.rehearse(bulk);
            }
            return Ok(Some(prepared(joined.engine.rehearsal)));
        }
        tracing::info!(
            "attached to run {} as {}: {} in {}",
            welcome.run_id,
            self.name.text,
            config.model,
            config.precision
        );
        self.welcomed = Some((welcome.run_id.clone(), config.clone()));
        self.preparation = Some(self.prepare(bulk, welcome.run_id, config)?);
        Ok(None)
    }
}

/// What a worker that prepares answers to an order: it holds nothing.
fn answer_unprepared(kind: &Kind) -> Result<Option<Up>, Error> {
    match *kind {
        Kind::Attest(v1::Attest { request, .. }) => Ok(Some(Up::Attested(v1::Attested { request, held: None }))),
        Kind::Upload(v1::Upload { ticket }) => {
            Ok(Some(Up::NotUploaded(v1::NotUploaded { ticket, cause: "it holds no state".to_owned() })))
        }
        Kind::Abort(_) => Ok(None),
        _ => Err(Malformed::new("an order to a worker that is not prepared").into()),
    }
}

/// Gives the engine a command.
fn command_engine(joined: &Joined, command: Command) -> Result<(), Error> {
    if joined.engine.command(command) {
        return Ok(());
    }
    Err(EngineError::OutOfOrder {
        order: "take another command".to_owned(),
        state: "the engine has ended or does not keep up".to_owned(),
    }
    .into())
}
