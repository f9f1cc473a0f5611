//! The page on `--http`: of the run that goes on, or of runs that are over.

mod address;
mod beside;
mod finished;
mod grpc_web;
mod model;
mod origin;
mod paced;
mod served;

pub use address::Http;
pub use beside::Others;
pub use finished::{ViewArgs, view};
pub use model::Asked;
pub use origin::Origin;
pub(crate) use served::{Course, served};

use crate::{display::Display, error::Error};
use page::{Access, Limits, Names, Page, Shown, Streams, serve};
use std::{fs, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

/// How long answers under way are waited for.
const GRACE: Duration = Duration::from_secs(2);

/// A page that is served.
#[derive(Debug)]
pub struct Site {
    page: Page,
    server: JoinHandle<()>,
    close: oneshot::Sender<()>,
}

impl Site {
    /// Serves a page of `runs` on `listener`, over so many `connections` at a time, and says where. If they are `live`, the first is
    /// followed. `others` are served beside the page. Pages of other sites may ask if they are from `origins`.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(
        listener: TcpListener,
        (runs, live): (Vec<Shown>, bool),
        others: Option<&Others>,
        connections: usize,
        origins: &[Origin],
        display: &Display,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(|error| Error::Serve(error.to_string()))?;
        let own = own_names();
        let names = if address.ip().is_loopback() { Names::Only(own.clone()) } else { Names::Any };
        let streams = Streams::of(connections);
        let origins = origins.iter().map(|origin| origin.0.clone()).collect();
        let page = Page::guarded(runs, live, Access { names, origins, own, streams: streams.clone() });
        let (close, closed) = oneshot::channel();
        let limits = Limits { connections, grace: GRACE, ..Limits::default() };
        let router = match others {
            Some(others) => others.beside(&page, streams)?,
            None => page.router(),
        };
        let server = tokio::spawn(serve(listener, router, limits, async {
            // Dropping the sender closes as well.
            let _ = closed.await;
        }));
        tracing::info!("page on http://{address}/");
        display.tell(&format!("page on http://{address}/"));
        Ok(Self { page, server, close })
    }

    /// Closes it, and ends its streams.
    pub async fn close(self) {
        self.page.close();
        drop(self.close);
        let _ = timeout(GRACE, self.server).await;
    }
}

/// The machine's name.
fn own_names() -> Vec<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).into_iter().filter(|name| !name.is_empty()).collect()
}
