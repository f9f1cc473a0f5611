//! The server's connections.

use super::{LIMIT, Live};
use crate::{Access, Limits, Streams, serve};
use chronicle::Fact;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};

#[tokio::test]
async fn readers_leave_places_to_plain_requests() {
    const CONNECTIONS: usize = 8;
    let access = Access { streams: Streams::of(CONNECTIONS), ..Access::default() };
    let live = Live::open_to(access, |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = oneshot::channel::<()>();
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let server = tokio::spawn(serve(listener, live.page.router(), limits, async { drop(closed.await) }));
    let ask = async |path: &str| {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut status = [0; 12];
        timeout(LIMIT, connection.read_exact(&mut status)).await.unwrap().unwrap();
        (String::from_utf8(status[9..].to_vec()).unwrap(), connection)
    };
    let mut readers = Vec::new();
    for _ in 0..CONNECTIONS / 2 {
        let (status, reader) = ask("/api/stream").await;
        assert_eq!(status, "200");
        readers.push(reader);
    }
    // One more reader is told so, and others are answered, whoever keeps a connection.
    assert_eq!(ask("/api/stream").await.0, "503");
    let mut kept = Vec::new();
    for _ in 0..4 * CONNECTIONS {
        let (status, mut connection) = ask("/api/run").await;
        assert_eq!(status, "200");
        if kept.len() < CONNECTIONS / 4 {
            kept.push(connection);
        } else {
            timeout(LIMIT, connection.read_to_end(&mut Vec::new())).await.expect("it is not kept").unwrap();
        }
    }
    drop(readers);
    let begin = tokio::time::Instant::now();
    while live.page.readers() > 0 {
        assert!(begin.elapsed() < LIMIT, "they keep their places");
        live.add(Fact::Event("anybody there".to_owned()));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask("/api/stream").await.0, "200");
    live.page.close();
    drop(close);
    server.await.unwrap();
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_and_a_server_that_closes_waits_for_nobody() {
    let live = Live::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = oneshot::channel::<()>();
    let limits = Limits { taking: Duration::from_millis(300), connections: 2, ..Limits::default() };
    let server = tokio::spawn(serve(listener, live.page.router(), limits, async { drop(closed.await) }));
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader.write_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    reader.read_exact(&mut [0; 15]).await.unwrap();
    assert_eq!(live.page.readers(), 1);
    // It reads no more, and what it does not take soon fills the buffers on the way.
    let long = "x".repeat(1 << 20);
    let begin = tokio::time::Instant::now();
    while live.page.readers() > 0 {
        assert!(begin.elapsed() < LIMIT, "it keeps its place");
        live.add(Fact::Event(long.clone()));
        sleep(Duration::from_millis(50)).await;
    }
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    other.read_exact(&mut [0; 15]).await.unwrap();
    live.page.close();
    drop(close);
    timeout(Duration::from_secs(1), server).await.expect("streams end at once").unwrap();
}
