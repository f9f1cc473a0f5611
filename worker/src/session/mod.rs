//! A worker's dealings with its coordinator. It finds it, attaches, passes orders to the engine and reports back, and
//! finds it again when it was gone. The engine goes on with its epoch meanwhile.

mod connect;
mod hello;
mod name;
mod orders;
mod place;
mod prepare;
mod report;
mod search;
mod spans;
mod uploads;

use crate::{Args, Error};
use config::RunConfig;
use connect::{Bulk, LocalAddress};
use engine::{Engine, EngineError, EngineEvent};
use name::Name;
use plan::Timeouts;
use prepare::{Preparation, prepared};
use proto::v1::{Order, Report, order::Order as Kind, report::Report as Up};
use search::{FIRST_PAUSE, Search};
use spans::Spans;
use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    ops::ControlFlow::{self, Break, Continue},
    pin::pin,
    time::{Duration, Instant},
};
use tch::Device;
use telemetry::Telemetry;
use tokio::{
    sync::mpsc,
    time::{interval, sleep, sleep_until},
};
use tonic::{Status, Streaming};
use tracing::Instrument;
use uploads::Uploads;

/// Events under way from the engine at most.
const EVENTS: usize = 64;
/// How long a worker that leaves looks for a coordinator that takes what it holds.
const LINGER: Duration = Duration::from_secs(10);

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

impl Left {
    /// Nothing can be said on the stream any more.
    fn broken() -> Self {
        Self::Lost("the stream broke".to_owned())
    }
}

/// What follows from one thing that happens while the stream stands: maybe a report, or the end of the stream.
type Turn = ControlFlow<Left, Option<Up>>;

/// A worker.
pub struct Session {
    args: Args,
    device: Device,
    name: Name,
    /// Whether it is not the first one, which another machine has too.
    renamed: bool,
    /// Since when another worker has its name.
    namesake: Option<Instant>,
    /// Drawn for this process, to tell it from another one with its name.
    instance: u64,
    events: mpsc::Receiver<EngineEvent>,
    event_sender: mpsc::Sender<EngineEvent>,
    joined: Option<Joined>,
    /// What will be `joined`.
    preparation: Option<Preparation>,
    /// The run that this worker prepares for, by its last welcome.
    welcomed: Option<(String, RunConfig)>,
    /// Until when this worker is set aside.
    aside: Option<tokio::time::Instant>,
    /// Whether it has to show again that it can compute, since it was set aside.
    doubted: bool,
    /// The address from which the coordinator is reached.
    local: LocalAddress,
    /// The last one that this worker was told of.
    generation: u64,
    /// Generation and rank, while it is in one.
    membership: Option<(u64, u32)>,
    /// What it does, for a collector.
    spans: Spans,
    leaving: bool,
    /// How long no coordinator has welcomed it.
    search: Search,
    /// The run's, once it is known.
    timeouts: Timeouts,
}

impl Session {
    /// A worker on `device` that has not attached yet. Spans of what it does go to `telemetry`.
    #[must_use]
    pub fn new(args: Args, device: Device, telemetry: Telemetry) -> Self {
        let (event_sender, events) = mpsc::channel(EVENTS);
        let name = args.name.clone().map_or_else(|| Name::default_of(device), Name::given);
        let spans = Spans::new(telemetry, &name.text);
        let timeouts = Timeouts::default();
        // The keys of a new hasher are random.
        let instance = RandomState::new().build_hasher().finish();
        Self {
            args,
            device,
            name,
            renamed: false,
            namesake: None,
            instance,
            events,
            event_sender,
            joined: None,
            preparation: None,
            welcomed: None,
            aside: None,
            doubted: false,
            local: LocalAddress::default(),
            generation: 0,
            membership: None,
            spans,
            leaving: false,
            search: Search::default(),
            timeouts,
        }
    }

    /// Trains until the run is over. `leave` ending means that the worker is to go after the next step.
    ///
    /// # Errors
    /// Why the worker cannot take part, or no longer.
    pub async fn run(mut self, leave: impl Future<Output = ()>) -> Result<(), Error> {
        let mut leave = pin!(leave);
        let mut lingers = None;
        loop {
            let place = self.log_place();
            let entered = tokio::select! {
                entered = self.enter().instrument(place) => entered?,
                () = &mut leave, if !self.leaving => {
                    self.leaving = true;
                    if !self.holds_a_state() {
                        tracing::info!("stopped while looking for a coordinator");
                        return Ok(());
                    }
                    lingers = Some(linger());
                    continue;
                }
                () = over(lingers) => {
                    tracing::warn!("leaving with a state that no coordinator came to save");
                    return Ok(());
                }
            };
            let Some((bulk, orders, reports)) = entered else { continue };
            let left = self.serve(bulk, orders, reports, leave.as_mut()).await?;
            let _place = self.log_place().entered();
            // The next coordinator may have another run, and knows nothing of pauses.
            self.preparation = None;
            self.aside = None;
            match left {
                Left::Dismissed(reason) => {
                    tracing::info!("dismissed: {reason}");
                    return Ok(());
                }
                Left::Lost(_) if self.leaving && !self.holds_a_state() => return Ok(()),
                Left::Lost(cause) if self.leaving => {
                    tracing::warn!("lost the coordinator while leaving: {cause}");
                    lingers = lingers.or_else(|| Some(linger()));
                }
                Left::Lost(cause) => tracing::warn!("lost the coordinator: {cause}; looking for it again"),
            }
        }
    }

    /// Whether a coordinator may want to save what this worker holds.
    fn holds_a_state(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.engine.control.held().is_some())
    }

    /// Passes orders down and reports up until the stream ends.
    async fn serve(
        &mut self,
        bulk: Bulk,
        mut orders: Streaming<Order>,
        reports: mpsc::Sender<Report>,
        mut leave: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Left, Error> {
        let mut heartbeat = interval(self.timeouts.heartbeat);
        let mut uploads = Uploads::default();
        let mut dead = None;
        if self.leaving {
            // Another coordinator has not heard of it.
            if reports.send(Report { report: Some(report::leaving()) }).await.is_err() {
                return Ok(Left::broken());
            }
        }
        loop {
            if self.joined.as_ref().is_some_and(|joined| joined.engine.control.takes_cut()) {
                return Ok(Left::Lost("a fault that was asked for cut the stream".to_owned()));
            }
            if heartbeat.period() != self.timeouts.heartbeat {
                // The welcome has said what it is.
                heartbeat = interval(self.timeouts.heartbeat);
            }
            let turn = tokio::select! {
                order = orders.message() => self.take_order(&bulk, order).await?,
                event = self.events.recv() => {
                    dead = event.as_ref().and_then(death);
                    Continue(event.map(|event| self.report_of(event)))
                }
                joined = prepared(&mut self.preparation) => self.take_prepared(joined, &reports).await?,
                () = over(self.aside) => {
                    self.aside = None;
                    Continue(self.rehearse(&bulk)?)
                }
                report = uploads.next(&bulk, self.joined.as_ref()) => Continue(Some(report)),
                _ = heartbeat.tick() => Continue(Some(self.progress())),
                () = &mut leave, if !self.leaving => {
                    self.leaving = true;
                    let _place = self.log_place().entered();
                    tracing::info!("leaving after the step in progress");
                    Continue(Some(report::leaving()))
                }
            };
            let report = match turn {
                Continue(Some(report)) => report,
                Continue(None) => continue,
                Break(left) => return Ok(left),
            };
            if reports.send(Report { report: Some(report) }).await.is_err() {
                return Ok(Left::broken());
            }
            if let Some(why) = dead {
                // The coordinator is to hear of it.
                sleep(FIRST_PAUSE).await;
                return Err(Error::Device(why));
            }
        }
    }

    /// Does what came as the next order, which may be the end of the stream.
    async fn take_order(&mut self, bulk: &Bulk, order: Result<Option<Order>, Status>) -> Result<Turn, Error> {
        Ok(match order {
            Ok(Some(Order { order: Some(Kind::Dismiss(dismiss)) })) => Break(Left::Dismissed(dismiss.reason)),
            Ok(Some(Order { order: Some(Kind::Welcome(welcome)) })) => {
                self.search = Search::default();
                Continue(self.welcome(bulk, welcome)?)
            }
            Ok(Some(order)) => Continue(self.obey(bulk, order)?),
            Ok(None) => Break(Left::Lost("it closed the stream".to_owned())),
            Err(status) => {
                self.refused(&status).await?;
                Break(Left::Lost(status.message().to_owned()))
            }
        })
    }

    /// Takes over what was prepared, or says why nothing could be.
    async fn take_prepared(
        &mut self,
        joined: Result<Joined, Error>,
        reports: &mpsc::Sender<Report>,
    ) -> Result<Turn, Error> {
        match joined {
            Ok(joined) => {
                let rehearsal = joined.engine.rehearsal;
                self.joined = Some(joined);
                self.doubted = false;
                Ok(Continue(Some(report::prepared(rehearsal))))
            }
            // It may pass: the coordinator says when to try again.
            Err(Error::Engine(error)) => Ok(Continue(Some(report::failed(0, &error)))),
            // Another coordinator may do better, or this one at another time.
            Err(Error::Interrupted(cause)) => {
                sleep(FIRST_PAUSE).await;
                Ok(Break(Left::Lost(cause)))
            }
            Err(error) => {
                // The coordinator is to hear why.
                let _ = reports.send(Report { report: Some(report::ended(&error)) }).await;
                sleep(FIRST_PAUSE).await;
                Err(error)
            }
        }
    }

    /// The report of an event of the engine.
    fn report_of(&mut self, event: EngineEvent) -> Up {
        self.doubted &= !matches!(event, EngineEvent::Rehearsed(_));
        self.spans.reported(&event);
        self.log_place().in_scope(|| report::report(event))
    }
}

/// Why the device does nothing any more, if `event` says so.
fn death(event: &EngineEvent) -> Option<String> {
    match event {
        EngineEvent::Failed { error: error @ EngineError::Dead { .. }, .. } => Some(error.to_string()),
        _ => None,
    }
}

/// Until when a coordinator is looked for that is to save the state of a worker that leaves.
fn linger() -> tokio::time::Instant {
    tracing::info!("looking for the coordinator for {} s, to save what this worker holds", LINGER.as_secs());
    tokio::time::Instant::now() + LINGER
}

/// Ends at `end`; never, if there is none.
async fn over(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.spans.end(None);
        if let Some(joined) = &self.joined {
            // Whatever the engine is at, nobody waits for it.
            joined.engine.control.abort(u64::MAX);
            tracing::debug!("leaving run {} of {}", joined.run_id, joined.config.model);
        }
    }
}
