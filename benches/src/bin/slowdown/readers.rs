//! Those who look on: pages that are open in browsers, and clients that follow the run. What they get is counted and
//! not looked at, for their own work is not what is measured.

use crate::Training;
use anyhow::{Context, Result, ensure};
use bytes::Buf;
use prost::Message;
use proto::v1::WatchRunRequest;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

/// They read until they are dropped.
#[derive(Debug)]
pub struct Readers {
    /// What each has got: bytes of a page's stream, or views of the run.
    got: Vec<Arc<AtomicU64>>,
    _reading: JoinSet<Result<()>>,
}

impl Readers {
    /// So many come, each by a connection of its own.
    ///
    /// # Errors
    /// If one of them is not let in.
    pub async fn start(training: &Training, browsers: usize, watchers: usize) -> Result<Self> {
        let (mut got, mut reading) = (Vec::new(), JoinSet::new());
        for index in 0..browsers + watchers {
            let count = Arc::<AtomicU64>::default();
            got.push(Arc::clone(&count));
            if index < browsers {
                let stream = browser(TcpStream::connect(&training.page).await?, &training.page).await?;
                reading.spawn(read_page(stream, count));
            } else {
                let endpoint = Endpoint::from_shared(training.url.clone())?.tcp_nodelay(true);
                reading.spawn(read_views(watcher(endpoint.connect().await?).await?, count));
            }
        }
        Ok(Self { got, _reading: reading })
    }

    /// What each has got so far.
    pub fn seen(&self) -> Vec<u64> {
        self.got.iter().map(|got| got.load(Ordering::Relaxed)).collect()
    }

    /// That each has got something since.
    ///
    /// # Errors
    /// If one has not.
    pub fn ensure_served(&self, before: &[u64]) -> Result<()> {
        let waiting = self.seen().iter().zip(before).filter(|(now, before)| now <= before).count();
        ensure!(waiting == 0, "{waiting} who look on heard nothing in a window");
        Ok(())
    }
}

/// Asks for what happens, as a page does in a browser.
///
/// # Errors
/// If it is refused.
pub async fn browser(mut stream: TcpStream, page: &str) -> Result<TcpStream> {
    let request = format!("GET /api/stream HTTP/1.1\r\nHost: {page}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.context("no answer of the page")?;
    ensure!(&head == b"HTTP/1.1 200", "the page answers {}", String::from_utf8_lossy(&head));
    Ok(stream)
}

async fn read_page(mut stream: TcpStream, got: Arc<AtomicU64>) -> Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        ensure!(count > 0, "a page was sent away");
        got.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Asks for the run, and for every change of it, as often as `cox watch` does.
///
/// # Errors
/// If it is refused.
pub async fn watcher(channel: Channel) -> Result<Streaming<usize>> {
    let mut client = Grpc::new(channel);
    client.ready().await?;
    let request = Request::new(WatchRunRequest::default().encode_to_vec());
    let path = PathAndQuery::from_static("/coxswain.v1.Training/WatchRun");
    Ok(client.server_streaming(request, path, Sizes).await?.into_inner())
}

async fn read_views(mut views: Streaming<usize>, got: Arc<AtomicU64>) -> Result<()> {
    while views.message().await?.is_some() {
        got.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Messages of which only the size is told.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes;

impl Codec for Sizes {
    type Encode = Vec<u8>;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Sizes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(into, &message);
        Ok(())
    }
}

impl Decoder for Sizes {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let size = message.remaining();
        message.advance(size);
        Ok(Some(size))
    }
}
