//! Connections: so many and no more, and none that neither asks nor takes.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{SockRef, TcpKeepalive};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At a time.
    pub connections: usize,
    /// Until a request's head is there, and how long a connection may be idle.
    pub asking: Duration,
    /// How long a reader may take nothing.
    pub taking: Duration,
    /// How long answers under way are waited for when the server closes.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            asking: Duration::from_secs(30),
            taking: Duration::from_secs(30),
            grace: Duration::from_secs(2),
        }
    }
}

/// How often a machine that says nothing any more is asked whether it is there, before it is taken for gone.
const PROBES: u32 = 3;

/// Between two tries after the system gave no connection: it has no files left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `closed` ends. Streams are to be ended by then: see [`Page::close`](crate::Page::close).
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, closed: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (closing, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut closed = Box::pin(closed);
    loop {
        let accepted = tokio::select! {
            () = &mut closed => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        // Who comes when all places are taken is sent away.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        // When few are left, nobody keeps one that asks nothing.
        let kept = places.available_permits() * 4 >= limits.connections;
        connections.spawn(connection(stream, router.clone(), (limits, kept), closing.subscribe(), place));
    }
    drop((listener, closing));
    // Who takes longer is cut off with the set.
    let _ = timeout(limits.grace, async { while connections.join_next().await.is_some() {} }).await;
}

/// Has the system end a connection to a machine that is gone without a word, some time after `patience`. A stream of events would
/// keep its place for a quarter of an hour otherwise, and a connection on which nothing is sent for ever.
fn look_after(stream: &TcpStream, patience: Duration) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(patience).with_interval(patience / PROBES).with_retries(PROBES);
    // These fail only on a connection that is gone.
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Probes are not sent while something is on its way that nobody acknowledges.
    let _ = socket.set_tcp_user_timeout(Some(2 * patience));
}

async fn connection(
    stream: TcpStream,
    router: Router,
    (limits, kept): (Limits, bool),
    mut closing: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    // Without it events wait for acknowledgements. It fails only on a connection that is gone.
    let _ = stream.set_nodelay(true);
    look_after(&stream, limits.taking);
    let mut writer = TimeoutWriter::new(stream);
    writer.set_timeout(Some(limits.taking));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.asking).keep_alive(kept);
    let service = TowerToHyperService::new(router);
    let mut serving = Box::pin(builder.serve_connection(TokioIo::new(Box::pin(writer)), service));
    tokio::select! {
        // What ends a connection is the browser's affair.
        _ = &mut serving => return,
        _ = closing.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::fs;
    use tokio::sync::oneshot;

    /// The timer that the system keeps for the connection from `client` to `server`, by their ports: as `/proc/net/tcp` has it.
    fn timer(server: u16, client: u16) -> Option<String> {
        let ends = [server, client].map(|port| format!(":{port:04X}"));
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row[1].ends_with(&ends[0]) && row[2].ends_with(&ends[1]))?;
        Some(row[5].split(':').next()?.to_owned())
    }

    #[tokio::test]
    async fn a_machine_that_is_gone_is_found_out() {
        /// `timer_active` of Linux, where probes are sent.
        const KEEPALIVE: &str = "02";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (close, closed) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, Router::new(), Limits::default(), async { drop(closed.await) }));
        let client = TcpStream::connect(address).await.unwrap();
        let of_client = client.local_addr().unwrap().port();
        let probed = async {
            while timer(address.port(), of_client).as_deref() != Some(KEEPALIVE) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), probed).await.expect("probes are sent");
        drop((close, client));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_acknowledges_does_not_keep_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        look_after(&stream, Duration::from_secs(30));
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_mins(1)));
        assert_eq!(
            (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_retries().unwrap()),
            (Duration::from_secs(30), 3)
        );
    }
}
