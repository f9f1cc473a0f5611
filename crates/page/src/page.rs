//! All of the page as one router.

use crate::{answers, api, assets, guard, hub::Hub, origins, sources::Shown, stream, survey, survey::Survey};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The largest picture that is taken, in bytes.
pub(crate) const LARGEST: usize = 16 << 20;
/// Pictures that are read and answered at a time.
const PICTURES: usize = 4;

/// A page. It goes on reading its runs until it is dropped, with all routers made of it.
#[derive(Debug, Clone)]
pub struct Page {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) runs: Vec<Shown>,
    /// Events of the one run that is live.
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) survey: Arc<Survey>,
    pub(crate) pictures: Semaphore,
    pub(crate) access: guard::Access,
}

impl Page {
    /// A page of `runs`. Of a `live` one, the first is followed as it goes on. Call it within a tokio runtime.
    #[must_use]
    pub fn start(runs: Vec<Shown>, live: bool) -> Self {
        Self::guarded(runs, live, guard::Access::default())
    }

    /// As [`Self::start`], for those who have access.
    #[must_use]
    pub fn guarded(runs: Vec<Shown>, live: bool, access: guard::Access) -> Self {
        let hub = runs.first().filter(|_| live).map(Hub::start);
        let pictures = Semaphore::new(PICTURES);
        Self { inner: Arc::new(Inner { runs, hub, survey: Arc::default(), pictures, access }) }
    }

    /// What is served.
    pub fn router(&self) -> Router {
        self.router_with(Router::new(), |all| all)
    }

    /// What is served, with other services beside it, and all of it `within` what looks at requests before. What is refused here is
    /// refused there.
    pub fn router_with(&self, others: Router, within: impl FnOnce(Router) -> Router) -> Router {
        let inner = &self.inner;
        let api = Router::new()
            .route("/about", get(api::about))
            .route("/run", get(api::run))
            .route("/epochs", get(api::epochs))
            .route("/history", get(api::history))
            .route("/events", get(api::events))
            .route("/alerts", get(api::alerts))
            .route("/confusion", get(api::confusion))
            .route("/image/{split}/{file}", get(api::image))
            .route("/stream", get(stream::stream))
            .route("/grid", get(survey::grid))
            .route("/mistakes", get(survey::mistakes))
            .route("/predict", post(answers::predict).layer(DefaultBodyLimit::max(LARGEST)))
            .method_not_allowed_fallback(api::otherwise)
            .fallback(api::nothing);
        let all = Router::new()
            .nest("/api", api)
            .merge(assets::router())
            .layer(from_fn(guard::headers))
            .with_state(Arc::clone(inner))
            .merge(others)
            .fallback(api::nothing);
        let guarded = within(all).layer(from_fn_with_state(inner.access.clone(), guard::check));
        if inner.access.origins.is_empty() { guarded } else { guarded.layer(origins::layer(&inner.access.origins)) }
    }

    /// How many readers follow the live run.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.inner.hub.as_ref().map_or(0, |hub| hub.readers())
    }

    /// Ends all streams of events, for a server that closes.
    pub fn close(&self) {
        if let Some(hub) = &self.inner.hub {
            hub.close();
        }
    }
}
