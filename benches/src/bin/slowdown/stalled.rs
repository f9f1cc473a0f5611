//! Those who come, ask, and then read nothing.

use crate::{
    Training,
    readers::{browser, watcher},
};
use anyhow::Result;
use std::thread;
use tokio::{
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
};
use tonic::{Streaming, transport::Endpoint};

/// What the system keeps for a reader: little, so that the coordinator has to.
const RECEIVED: u32 = 4 << 10;

/// They are there until this is dropped. Their runtime does not run any more, so nothing reads from their connections.
#[derive(Debug)]
pub struct Stalled {
    pages: Vec<TcpStream>,
    views: Vec<Streaming<usize>>,
    /// Dropped last, for they belong to it.
    runtime: Option<Runtime>,
}

impl Stalled {
    /// So many come. Blocks until all of them were let in.
    ///
    /// # Errors
    /// If one of them is not let in.
    pub fn start(training: &Training, browsers: usize, watchers: usize) -> Result<Self> {
        let (page, url) = (training.page.clone(), training.url.clone());
        let come = move || -> Result<Self> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (pages, views) = runtime.block_on(async {
                let (mut pages, mut views) = (Vec::new(), Vec::new());
                for _ in 0..browsers {
                    let socket = TcpSocket::new_v4()?;
                    socket.set_recv_buffer_size(RECEIVED)?;
                    pages.push(browser(socket.connect(page.parse()?).await?, &page).await?);
                }
                for _ in 0..watchers {
                    views.push(watcher(Endpoint::from_shared(url.clone())?.connect().await?).await?);
                }
                Ok::<_, anyhow::Error>((pages, views))
            })?;
            Ok(Self { pages, views, runtime: Some(runtime) })
        };
        // One runtime cannot be driven by another one's thread.
        thread::spawn(come).join().map_err(|_| anyhow::anyhow!("those who read nothing did not come"))?
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.pages.clear();
        self.views.clear();
        if let Some(runtime) = self.runtime.take() {
            // From within another runtime nothing may be waited for.
            runtime.shutdown_background();
        }
    }
}
