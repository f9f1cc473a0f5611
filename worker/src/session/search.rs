//! Looking for the coordinator, until one takes this worker in.

use super::{Session, connect, connect::Bulk, name::Name};
use crate::Error;
use plan::LONGEST_PATIENCE;
use proto::v1::{Order, Report, cluster_client::ClusterClient, report::Report as Up};
use std::{
    error::Error as StdError,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};

/// The most reports that are under way to the coordinator.
const REPORTS: usize = 64;
/// Pauses between attempts to find the coordinator.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The engine counts as stuck after this many times its longest stretch without a beat in the rehearsal.
const STRETCHES: u32 = 5;
/// How long a worker of the same name may be gone unnoticed, as its last signs of life are young.
const NAMESAKE: Duration = Duration::from_secs(3);

/// How long a worker has looked for a coordinator that welcomes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// When the first attempt failed.
    since: Option<Instant>,
    /// The pause before the next attempt.
    pause: Duration,
}

impl Default for Search {
    fn default() -> Self {
        Self { since: None, pause: FIRST_PAUSE }
    }
}

/// The connection for what is large, the stream of orders, and the way for reports.
pub(super) type Entered = (Bulk, Streaming<Order>, mpsc::Sender<Report>);

impl Session {
    /// Attaches to a coordinator. `None` if it did not take this worker, which is to look again.
    pub(super) async fn enter(&mut self) -> Result<Option<Entered>, Error> {
        let (mut client, bulk) = self.find().await?;
        let (reports, up) = mpsc::channel(REPORTS);
        // Cannot fail: the channel is new.
        let _ = reports.send(Report { report: Some(Up::Hello(self.hello())) }).await;
        let patience = self.timeouts.request;
        match timeout(patience, client.attach(Request::new(ReceiverStream::new(up)))).await {
            Ok(Ok(orders)) => {
                self.namesake = None;
                Ok(Some((bulk, orders.into_inner(), reports)))
            }
            Ok(Err(status)) => self.refused(&status).await.map(|()| None),
            Err(_) => {
                let cause = format!("it takes the connection and gives no answer within {} s", patience.as_secs_f64());
                self.wait_for_another(&cause).await.map(|()| None)
            }
        }
    }

    /// Looks for the coordinator until it takes the connection. What is large has a connection of its own.
    async fn find(&mut self) -> Result<(ClusterClient<Channel>, Bulk), Error> {
        let url = self.args.coordinator.clone();
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| Error::BadUrl { url, cause: error.to_string() })?
            .connect_timeout(self.timeouts.request)
            .tcp_nodelay(true);
        // A full line answers no question in time. So what is sent there is waited for piece by piece.
        let bulk = Bulk::new(endpoint.clone());
        let endpoint =
            endpoint.http2_keep_alive_interval(self.timeouts.keepalive).keep_alive_timeout(self.timeouts.keepalive);
        loop {
            match endpoint.connect_with_connector(connect::connector(&self.local)).await {
                Ok(channel) => return Ok((ClusterClient::new(channel), bulk)),
                Err(error) => self.wait_for_another(&innermost(&error)).await?,
            }
        }
    }

    /// Waits before the next attempt, longer each time, until a coordinator welcomes this worker.
    ///
    /// # Errors
    /// If none has for as long as this worker is to look for one.
    async fn wait_for_another(&mut self, cause: &str) -> Result<(), Error> {
        let pause = self.search.pause;
        let since = *self.search.since.get_or_insert_with(Instant::now);
        let url = &self.args.coordinator;
        if since.elapsed() + pause > self.args.give_up_after {
            return Err(Error::Unreachable { url: url.clone(), after: since.elapsed(), cause: cause.to_owned() });
        }
        tracing::warn!("no coordinator at {url} ({cause}); trying again in {:.1} s", pause.as_secs_f64());
        // A worker that leaves has little time.
        let longest = if self.leaving { 2 * FIRST_PAUSE } else { LONGEST_PAUSE };
        self.search.pause = (pause * 2).min(longest);
        sleep(pause).await;
        Ok(())
    }

    /// Waits until the worker may try again; an error if the refusal is final.
    pub(super) async fn refused(&mut self, status: &Status) -> Result<(), Error> {
        match status.code() {
            Code::DeadlineExceeded => {
                let pulse = || self.joined.as_ref().map_or((0, true), |joined| joined.engine.control.pulse());
                let before = pulse();
                // An engine in the middle of a long piece of work shows nothing until that is done.
                let longest = self.joined.as_ref().map(|joined| joined.engine.rehearsal.stretch).unwrap_or_default();
                // Nor does one that gets no time on its processor.
                let longest = self.timeouts.doubt.max(longest).min(LONGEST_PATIENCE / STRETCHES);
                for _ in 0..STRETCHES {
                    sleep(longest).await;
                    // A process that was only stopped for a while comes back like any other.
                    if before != pulse() || before.1 {
                        return Ok(());
                    }
                }
                Err(Error::GivenUp { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            Code::DataLoss => {
                Err(Error::Corrupt { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            Code::AlreadyExists if self.args.name.is_none() && !std::mem::replace(&mut self.renamed, true) => {
                tracing::info!("{}", status.message());
                let name = std::mem::replace(&mut self.name, Name::given(String::new()));
                self.name = name.with_process();
                Ok(())
            }
            Code::AlreadyExists if self.namesake.get_or_insert_with(Instant::now).elapsed() < NAMESAKE => {
                tracing::warn!("{}; it may be gone, so this one tries again", status.message());
                sleep(NAMESAKE / 3).await;
                Ok(())
            }
            Code::FailedPrecondition | Code::InvalidArgument | Code::AlreadyExists => {
                Err(Error::Refused { url: self.args.coordinator.clone(), reason: status.message().to_owned() })
            }
            Code::Unimplemented => self.wait_for_another("what answers there is no coordinator").await,
            Code::Internal | Code::Unknown if status.message().contains("http2 error") => {
                self.wait_for_another(&format!("what answers there does not speak gRPC: {}", status.message())).await
            }
            _ => match StdError::source(status) {
                // The transport made it up. In which moment the connection ended decides on its words.
                Some(why) => {
                    let why = innermost(why);
                    let cause = format!("what answers there ended the connection, or does not speak gRPC: {why}");
                    self.wait_for_another(&cause).await
                }
                None => self.wait_for_another(&format!("it does not take workers now: {}", status.message())).await,
            },
        }
    }
}

/// The cause at the bottom of a chain of errors: what a person can act on.
fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
