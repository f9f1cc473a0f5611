//! Connections from anybody: so many that files are left for the run's own, and none that says nothing.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// Open files that the coordinator needs for itself: journal, checkpoints, logs, local workers.
const OWN: u64 = 64;
/// Connections at most: many times the largest cluster.
const MOST: u64 = 1 << 14;
/// At least, however few files are allowed.
const LEAST: u64 = 16;
/// The part of them that is the page's, and how many of them at most.
const PAGE: usize = 8;
const MOST_OF_PAGE: usize = 1024;
/// Between two words that there are too many.
const SILENCE: Duration = Duration::from_secs(10);

/// How many connections there may be. As many files may be open afterwards as the system lets the process have.
#[must_use]
pub fn most() -> usize {
    let files = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => hard,
        Ok((soft, _)) => soft,
        Err(_) => OWN,
    };
    files.saturating_sub(OWN).clamp(LEAST, MOST) as usize
}

/// How many of `most` connections are left to the page.
#[must_use]
pub fn of_the_page(most: usize) -> usize {
    (most / PAGE).min(MOST_OF_PAGE)
}

/// The connections that come to `listener`, `most` at a time. Who says nothing within `patience` is sent away, and so is who
/// comes when all places are taken.
pub fn incoming(
    listener: TcpListener,
    most: usize,
    patience: Duration,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    let places = Arc::new(Semaphore::new(most));
    let mut told: Option<tokio::time::Instant> = None;
    // The builder's own setting counts only for listeners that it opens itself.
    TcpIncoming::from(listener).with_nodelay(Some(true)).filter_map(move |accepted| {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => return Some(Err(error)),
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if told.is_none_or(|told| told.elapsed() > SILENCE) {
                told = Some(tokio::time::Instant::now());
                tracing::warn!("{most} connections are open, and no more are taken: the limit follows from ulimit -n");
            }
            return None;
        };
        Some(Ok(Connection { stream, silence: Some(Box::pin(sleep(patience))), _place: place }))
    })
}

/// One of them.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Ends when it was silent for too long; `None` once it has said anything.
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        if into.filled().len() > before {
            self.silence = None;
        }
        if polled.is_pending()
            && let Some(silence) = &mut self.silence
            && silence.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    #[tokio::test]
    async fn who_says_nothing_makes_room_and_who_comes_too_many_goes() {
        let patience = Duration::from_millis(300);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Box::pin(incoming(listener, 2, patience));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut held = connections.next().await.unwrap().unwrap();
        let mut speaks = TcpStream::connect(address).await.unwrap();
        let mut heard = connections.next().await.unwrap().unwrap();
        speaks.write_all(b"x").await.unwrap();
        assert_eq!(heard.read_u8().await.unwrap(), b'x');
        // There is no place for a third one.
        let mut third = TcpStream::connect(address).await.unwrap();
        assert!(timeout(patience / 3, connections.next()).await.is_err());
        assert_eq!(third.read(&mut [0]).await.unwrap_or_default(), 0);
        assert_eq!(held.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(timeout(2 * patience, heard.read_u8()).await.is_err(), "it has said something once");
        drop(held);
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        let _fourth = TcpStream::connect(address).await.unwrap();
        assert!(connections.next().await.unwrap().is_ok());
    }
}
