//! A worker's dealings with its coordinator: finding it, attaching, passing orders to the engine and reports back, and
//! finding it again when it was gone. The engine goes on with its epoch meanwhile.

mod hello;
mod prepare;
mod report;

use crate::{
    Args, Error,
    engine::{Command, Engine, EngineError, Event, Formation, Source},
    state_transfer,
};
use hello::default_name;
use plan::{RunConfig, Timeouts};
use prepare::{Preparation, prepared};
use proto::{
    Malformed,
    v1::{
        self, Order, Report, cluster_client::ClusterClient, order::Order as Kind, report::Report as Up,
        synchronise::Source as From,
    },
};
use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    pin::pin,
    sync::{Arc, mpsc as std_mpsc},
    time::{Duration, Instant},
};
use tch::Device;
use tokio::{
    sync::mpsc,
    time::{interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};

/// Reports under way to the coordinator at most.
const REPORTS: usize = 64;
/// Events under way from the engine at most.
const EVENTS: usize = 64;
/// Pauses between attempts to find the coordinator.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The run that this worker takes part in, from its first welcome on.
struct Joined {
    run_id: String,
    config: RunConfig,
    engine: Engine,
}

/// How a stream ended.
enum Left {
    /// The run needs the worker no longer.
    Dismissed(String),
    /// The coordinator is gone, or has given the worker up.
    Lost(String),
}

/// A worker.
pub struct Session {
    args: Args,
    device: Device,
    name: String,
    /// Drawn for this process, to tell it from another one with its name.
    instance: u64,
    events: mpsc::Receiver<Event>,
    event_sender: mpsc::Sender<Event>,
    joined: Option<Joined>,
    /// What will be `joined`.
    preparation: Option<Preparation>,
    /// The last one that this worker was told of.
    generation: u64,
    leaving: bool,
    /// The run's, once it is known.
    timeouts: Timeouts,
}

impl Session {
    /// A worker on `device` that has not attached yet.
    #[must_use]
    pub fn new(args: Args, device: Device) -> Self {
        let (event_sender, events) = mpsc::channel(EVENTS);
        let name = args.name.clone().unwrap_or_else(default_name);
        let timeouts = Timeouts::default();
        // The keys of a new hasher are random.
        let instance = RandomState::new().build_hasher().finish();
        Self {
            args,
            device,
            name,
            instance,
            events,
            event_sender,
            joined: None,
            preparation: None,
            generation: 0,
            leaving: false,
            timeouts,
        }
    }

    /// Trains until the run is over. `leave` ending means that the worker is to go after the next step.
    ///
    /// # Errors
    /// Why the worker cannot take part, or no longer.
    pub async fn run(mut self, leave: impl Future<Output = ()>) -> Result<(), Error> {
        let mut leave = pin!(leave);
        loop {
            let mut client = tokio::select! {
                client = self.find() => client?,
                () = &mut leave, if !self.leaving => {
                    tracing::info!("stopped while looking for a coordinator");
                    return Ok(());
                }
            };
            let orders = self.attach(&mut client).await?;
            let Some((orders, reports)) = orders else { continue };
            let left = self.serve(client, orders, reports, leave.as_mut()).await?;
            // The next coordinator may have another run.
            self.preparation = None;
            match left {
                Left::Dismissed(reason) => {
                    tracing::info!("dismissed: {reason}");
                    return Ok(());
                }
                Left::Lost(_) if self.leaving => return Ok(()),
                Left::Lost(cause) => tracing::warn!("lost the coordinator: {cause}; looking for it again"),
            }
        }
    }

    /// Looks for the coordinator until it answers.
    async fn find(&self) -> Result<ClusterClient<Channel>, Error> {
        let url = &self.args.coordinator;
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| Error::BadUrl { url: url.clone(), cause: error.to_string() })?
            .connect_timeout(self.timeouts.request)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.timeouts.keepalive)
            .keep_alive_timeout(self.timeouts.keepalive);
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let cause = match endpoint.connect().await {
                Ok(channel) => return Ok(ClusterClient::new(channel)),
                Err(error) => innermost(&error),
            };
            if start.elapsed() + pause > self.args.give_up_after {
                return Err(Error::Unreachable { url: url.clone(), after: start.elapsed(), cause });
            }
            tracing::warn!("no coordinator at {url} ({cause}); trying again in {:.1} s", pause.as_secs_f64());
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Attaches. `None`: the coordinator was gone again before it answered.
    async fn attach(
        &mut self,
        client: &mut ClusterClient<Channel>,
    ) -> Result<Option<(Streaming<Order>, mpsc::Sender<Report>)>, Error> {
        let (reports, up) = mpsc::channel(REPORTS);
        // Cannot fail: the channel is new.
        let _ = reports.send(Report { report: Some(Up::Hello(self.hello().await)) }).await;
        let attached = timeout(self.timeouts.request, client.attach(Request::new(ReceiverStream::new(up)))).await;
        match attached {
            Ok(Ok(orders)) => Ok(Some((orders.into_inner(), reports))),
            Ok(Err(status)) => self.refused(&status).await.map(|()| None),
            Err(_) => Ok(None),
        }
    }

    /// Whether a refusal is final.
    async fn refused(&self, status: &Status) -> Result<(), Error> {
        match status.code() {
            Code::DeadlineExceeded => {
                let pulse = || self.joined.as_ref().map_or((0, true), |joined| joined.engine.control.pulse());
                let before = pulse();
                sleep(self.timeouts.doubt).await;
                // A process that was only stopped for a while comes back as any other.
                if before != pulse() || before.1 {
                    return Ok(());
                }
                Err(Error::GivenUp { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            Code::DataLoss => {
                Err(Error::Corrupt { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            Code::FailedPrecondition | Code::InvalidArgument | Code::AlreadyExists => {
                Err(Error::Refused { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            _ => {
                tracing::warn!("the coordinator does not take workers now: {}", status.message());
                sleep(FIRST_PAUSE).await;
                Ok(())
            }
        }
    }

    /// Passes orders down and reports up until the stream ends.
    async fn serve(
        &mut self,
        client: ClusterClient<Channel>,
        mut orders: Streaming<Order>,
        reports: mpsc::Sender<Report>,
        mut leave: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Left, Error> {
        let mut heartbeat = interval(self.timeouts.heartbeat);
        loop {
            if self.joined.as_ref().is_some_and(|joined| joined.engine.control.takes_cut()) {
                return Ok(Left::Lost("a fault that was asked for cut the stream".to_owned()));
            }
            if heartbeat.period() != self.timeouts.heartbeat {
                // The welcome has said what it is.
                heartbeat = interval(self.timeouts.heartbeat);
            }
            let report = tokio::select! {
                order = orders.message() => match order {
                    Ok(Some(Order { order: Some(Kind::Dismiss(dismiss)) })) => {
                        return Ok(Left::Dismissed(dismiss.reason));
                    }
                    Ok(Some(Order { order: Some(Kind::Welcome(welcome)) })) => {
                        match self.welcome(&client, welcome).await? {
                            Some(report) => report,
                            None => continue,
                        }
                    }
                    Ok(Some(order)) => {
                        self.obey(&client, order)?;
                        continue;
                    }
                    Ok(None) => return Ok(Left::Lost("it closed the stream".to_owned())),
                    Err(status) => {
                        self.refused(&status).await?;
                        return Ok(Left::Lost(status.message().to_owned()));
                    }
                },
                event = self.events.recv() => match event {
                    Some(event) => match self.report(&client, event) {
                        Some(report) => report,
                        None => continue,
                    },
                    None => continue,
                },
                joined = prepared(&mut self.preparation) => match joined {
                    Ok(joined) => {
                        self.joined = Some(joined);
                        Up::Prepared(v1::Prepared {})
                    }
                    // Another coordinator may do better, or this one at another time.
                    Err(Error::Interrupted(cause)) => {
                        sleep(FIRST_PAUSE).await;
                        return Ok(Left::Lost(cause));
                    }
                    Err(error) => return Err(error),
                },
                _ = heartbeat.tick() => self.progress(),
                () = &mut leave, if !self.leaving => {
                    self.leaving = true;
                    tracing::info!("leaving after the step in progress");
                    Up::Leaving(v1::Leaving { reason: "asked to stop".to_owned() })
                }
            };
            if reports.send(Report { report: Some(report) }).await.is_err() {
                return Ok(Left::Lost("the stream broke".to_owned()));
            }
        }
    }

    fn obey(&mut self, client: &ClusterClient<Channel>, order: Order) -> Result<(), Error> {
        let kind = order.order.ok_or_else(|| Malformed::new("an empty order"))?;
        let Some(joined) = &self.joined else {
            return Err(Malformed::new("an order before a welcome").into());
        };
        let command = match kind {
            Kind::Form(form) => {
                self.generation = form.generation;
                // What is under way belongs to a generation that is over.
                joined.engine.control.abort(form.generation.saturating_sub(1));
                tracing::info!(
                    generation = form.generation,
                    rank = form.rank,
                    "forming a generation of {}: {}",
                    form.world_size,
                    form.members.join(", ")
                );
                let (generation, rank, world_size) = (form.generation, form.rank, form.world_size);
                Command::Form(Formation { generation, rank, world_size })
            }
            Kind::Connect(v1::Connect { generation, host, port }) => {
                Command::Connect { generation, host, port: port as u16 }
            }
            Kind::Synchronise(order) => {
                let source = match order.source {
                    Some(From::Checkpoint(name)) => {
                        // Beside the stream, as it may take long.
                        let (given, source) = std_mpsc::sync_channel(1);
                        let (mut client, control) = (client.clone(), Arc::clone(&joined.engine.control));
                        tokio::spawn(async move {
                            let piece = || {
                                control.beat();
                                !control.is_aborted(order.generation)
                            };
                            let state = state_transfer::download(&mut client, &name, piece).await;
                            // Nobody takes it if the generation is over.
                            let _ = state.transpose().map(|state| given.try_send(state));
                        });
                        Source::Given(source)
                    }
                    Some(From::Initial(_)) => Source::Initial,
                    Some(From::Held(_)) | None => Source::Held,
                };
                Command::Synchronise { generation: order.generation, source_rank: order.source_rank, source }
            }
            Kind::Train(v1::Train { generation, epoch, first_step, rates, digest_every, save_every }) => {
                Command::Train { generation, epoch, first_step, rates, digest_every, save_every }
            }
            Kind::Evaluate(v1::Evaluate { generation, epoch, first_chunk, chunks }) => {
                Command::Evaluate { generation, epoch, chunks: first_chunk..first_chunk + chunks }
            }
            Kind::Upload(v1::Upload { generation }) => Command::Upload { generation },
            Kind::Halt(v1::Halt { generation, epoch, reason }) => {
                tracing::info!(generation, "halting after the step in progress: {reason}");
                joined.engine.control.halt(generation, epoch);
                return Ok(());
            }
            Kind::Abort(v1::Abort { generation, reason }) => {
                tracing::info!(generation, "generation aborted: {reason}");
                joined.engine.control.abort(generation);
                return Ok(());
            }
            Kind::Welcome(_) | Kind::Dismiss(_) => return Ok(()),
        };
        if !joined.engine.command(command) {
            return Err(EngineError::OutOfOrder {
                order: "take another command".to_owned(),
                state: "the engine has ended or does not keep up".to_owned(),
            }
            .into());
        }
        Ok(())
    }

    /// Returns what there is to say to it at once.
    async fn welcome(&mut self, client: &ClusterClient<Channel>, welcome: v1::Welcome) -> Result<Option<Up>, Error> {
        let failure = Duration::from_millis(u64::from(welcome.failure_timeout_ms));
        self.timeouts = Timeouts::new(failure).map_err(|error| Malformed::new(error.to_string()))?;
        if let Some(joined) = &self.joined {
            // The coordinator has compared the run's id with what the hello said.
            tracing::info!("attached again to run {}", joined.run_id);
            return Ok(Some(Up::Prepared(v1::Prepared {})));
        }
        let config = welcome.config.ok_or_else(|| Malformed::new("a welcome without a configuration"))?;
        let config = RunConfig::try_from(config)?;
        tracing::info!("attached to run {} as {}: {} in {}", welcome.run_id, self.name, config.model, config.precision);
        self.preparation = Some(self.prepare(client, welcome.run_id, config).await?);
        Ok(None)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(joined) = &self.joined {
            // Whatever the engine is at, nobody waits for it.
            joined.engine.control.abort(u64::MAX);
            tracing::debug!("leaving run {} of {}", joined.run_id, joined.config.model);
        }
    }
}

/// The cause at the bottom of a chain of errors: what a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
