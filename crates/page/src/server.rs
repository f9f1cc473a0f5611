//! Connections: so many and no more, and none that neither asks nor takes.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
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

async fn connection(
    stream: TcpStream,
    router: Router,
    (limits, kept): (Limits, bool),
    mut closing: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    // Without it events wait for acknowledgements. It fails only on a connection that is gone.
    let _ = stream.set_nodelay(true);
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
