//! What a run shows of itself and what it answers: to people and scripts, to browsers, and to workers.

use crate::{
    error::Error,
    health,
    server::{LARGEST_QUESTION, Served, routes, serve, soon},
    services::{ClusterService, Predictor, StandardBackend, Timely, TrainingService},
    web::{Asked, Others},
};
use chronicle::Chronicle;
use inference::Budget;
use page::{Images, Model, Shown};
use plan::Timeouts;
use proto::v1::{Run, cluster_server::ClusterServer, training_server::TrainingServer};
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};
use tonic::service::Routes;

/// What workers and clients say at a time, but for pictures.
const LARGEST_WORDS: usize = 1 << 20;

/// What there is to show and to answer from.
pub(crate) struct Surface {
    /// What people call the run.
    pub name: String,
    /// The model's name.
    pub model: String,
    /// The test images.
    pub images: Arc<Images>,
    /// Answers what is in pictures.
    pub predictor: Predictor,
    /// The memory that requests may take.
    pub requests: Budget,
    /// Looks at the run and steers it.
    pub training: TrainingService,
    /// What workers need.
    pub cluster: ClusterService,
    /// The run as it stands.
    pub view: watch::Receiver<Run>,
    /// What it has been through.
    pub chronicle: watch::Receiver<Chronicle>,
}

/// A surface that is served.
pub(crate) struct Opened {
    /// What the server comes to.
    pub server: Served,
    /// The server closes when this is dropped.
    pub close: oneshot::Sender<()>,
    /// What the page shows.
    pub shown: Shown,
    /// What is served on the page's port beside it.
    pub others: Others,
}

impl Surface {
    /// Serves it on `listener`. The page has a port of its own, and is served by whoever has that.
    pub async fn open(self, listener: TcpListener, timeouts: Timeouts) -> Result<Opened, Error> {
        let Self { name, model, images, predictor, requests, training, cluster, view, chronicle } = self;
        let model_to_ask = Some(Arc::new(Asked(predictor.clone())) as Arc<dyn Model>);
        let shown = Shown::new(&name, view.clone(), chronicle.clone());
        let shown = Shown { images: Some(images), model: model_to_ask, ..shown };
        let standard = Arc::new(StandardBackend::new(predictor.clone(), &model));
        let of_all = services((timeouts, view.clone()), training, (predictor, &model, &requests)).await?;
        let others = Others::new(standard, of_all.clone(), requests, view, chronicle);
        let (server, close) = serve(with_workers(of_all, cluster, timeouts), listener, timeouts);
        Ok(Opened { server, close, shown, others })
    }
}

/// What is served to people and scripts.
async fn services(
    (timeouts, view): (Timeouts, watch::Receiver<Run>),
    training: TrainingService,
    (predictor, model, requests): (Predictor, &str, &Budget),
) -> Result<Routes, Error> {
    let (routes, health) = routes(predictor, model, requests, timeouts).await?;
    health::report(health, view).await;
    let training = TrainingServer::new(training).max_decoding_message_size(LARGEST_QUESTION);
    Ok(routes.add_service(Timely::new(training, soon(timeouts))))
}

/// The same with what workers need, which is for no browser.
fn with_workers(routes: Routes, cluster: ClusterService, timeouts: Timeouts) -> Routes {
    let cluster = ClusterServer::new(cluster).max_decoding_message_size(LARGEST_WORDS);
    routes.add_service(Timely::new(cluster, soon(timeouts)))
}
