//! What is there, as JSON.

use crate::{columns::Columns, images, page::Inner, questions::Question, sources::Shown};
use axum::{
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use chronicle::{Chronicle, Generation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use view::RunView;

/// The most events of one answer.
const EVENTS: usize = 2000;

/// The most generations, and checkpoints and recoveries, of one answer.
const HISTORY: usize = 2000;
/// The most names of members in one answer.
const NAMES: usize = 20_000;

/// Why there is no answer, in words.
pub(crate) type Refused = (StatusCode, String);

/// JSON that is not to be kept.
pub(crate) struct Json(pub(crate) String);

impl Json {
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, Refused> {
        let failed = |error: serde_json::Error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"));
        serde_json::to_string(value).map(Self).map_err(failed)
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        (headers, self.0).into_response()
    }
}

/// Which of the runs that are shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    run: usize,
    /// Of events: those from this number on.
    #[serde(default)]
    from: u64,
    /// Of an epoch, from 0; without it the last.
    epoch: Option<u32>,
}

impl Inner {
    pub(crate) fn shown(&self, run: usize) -> Result<&Shown, Refused> {
        let missing = || (StatusCode::NOT_FOUND, format!("There is no run {run}: {} are shown\n", self.runs.len()));
        self.runs.get(run).ok_or_else(missing)
    }
}

/// Which runs are shown, and what can be asked.
pub(crate) async fn about(State(page): State<Arc<Inner>>) -> Result<Json, Refused> {
    let runs: Vec<Value> = page.runs.iter().map(of_run).collect();
    Json::of(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "live": page.hub.is_some(),
        "largest_picture": crate::page::LARGEST,
        "runs": runs,
    }))
}

fn of_run(shown: &Shown) -> Value {
    let chronicle = shown.chronicle.borrow();
    json!({
        "name": shown.name,
        "id": chronicle.id(),
        "config": chronicle.config(),
        "images": shown.images.is_some(),
        "model": shown.model.is_some(),
    })
}

/// The run as it stands, without its epochs and its configuration.
pub(crate) async fn run(State(page): State<Arc<Inner>>, Question(which): Question<Which>) -> Result<Json, Refused> {
    Json::of(&RunView::brief(&page.shown(which.run)?.run.borrow()))
}

/// The epochs that are done, in columns.
pub(crate) async fn epochs(State(page): State<Arc<Inner>>, Question(which): Question<Which>) -> Result<Json, Refused> {
    #[derive(Serialize)]
    struct Epochs<'a> {
        version: u64,
        columns: Columns<'a>,
    }
    let chronicle = page.shown(which.run)?.chronicle.borrow();
    Json::of(&Epochs { version: chronicle.version(), columns: Columns::of(chronicle.epochs()) })
}

/// The newest generations, checkpoints and recoveries, and how many before them were left out.
pub(crate) async fn history(State(page): State<Arc<Inner>>, Question(which): Question<Which>) -> Result<Json, Refused> {
    let chronicle = page.shown(which.run)?.chronicle.borrow();
    let (all, generations) = (chronicle.generations().len(), newest_generations(&chronicle));
    Json::of(&json!({
        "version": chronicle.version(),
        "left_out": all - generations.len(),
        "generations": generations,
        "checkpoints": newest(chronicle.checkpoints()),
        "recoveries": newest(chronicle.recoveries()),
    }))
}

/// The last few of `items`, in their order.
fn newest<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let left_out = items.len().saturating_sub(HISTORY);
    items.skip(left_out).collect()
}

/// The newest generations whose members together are not too many. The last is there however many it has.
fn newest_generations(chronicle: &Chronicle) -> Vec<&Generation> {
    let mut names = 0;
    let mut newest: Vec<_> = chronicle
        .generations()
        .rev()
        .take(HISTORY)
        .enumerate()
        .take_while(|(index, generation)| {
            names += generation.members.len();
            *index == 0 || names <= NAMES
        })
        .map(|(_, generation)| generation)
        .collect();
    newest.reverse();
    newest
}

/// What somebody had to be told, since the coordinator began.
pub(crate) async fn alerts(State(page): State<Arc<Inner>>, Question(which): Question<Which>) -> Result<Json, Refused> {
    let chronicle = page.shown(which.run)?.chronicle.borrow();
    let alerts: Vec<_> = chronicle.alerts_from(which.from).collect();
    Json::of(&json!({"version": chronicle.version(), "alerts": alerts}))
}

/// The newest events, from number `from` on.
pub(crate) async fn events(State(page): State<Arc<Inner>>, Question(which): Question<Which>) -> Result<Json, Refused> {
    let chronicle = page.shown(which.run)?.chronicle.borrow();
    let events = chronicle.events_from(which.from);
    let left_out = events.len().saturating_sub(EVENTS);
    let events: Vec<_> = events.skip(left_out).collect();
    Json::of(&json!({"version": chronicle.version(), "left_out": left_out, "events": events}))
}

/// How many images of each class were taken for which, after an epoch.
pub(crate) async fn confusion(
    State(page): State<Arc<Inner>>,
    Question(which): Question<Which>,
) -> Result<Json, Refused> {
    let chronicle = page.shown(which.run)?.chronicle.borrow();
    let records = chronicle.epochs();
    let record = match which.epoch {
        Some(epoch) => records.binary_search_by_key(&epoch, |record| record.epoch).ok().map(|place| &records[place]),
        None => records.last(),
    };
    let record = record.ok_or_else(|| (StatusCode::NOT_FOUND, not_done(which.epoch, records.len())))?;
    Json::of(&json!({
        "epoch": record.epoch,
        "classes": record.confusion.classes(),
        "counts": record.confusion.counts(),
        "accuracy": record.confusion.per_class_accuracy(),
    }))
}

fn not_done(epoch: Option<u32>, done: usize) -> String {
    match epoch {
        Some(epoch) if done > 0 => format!("Epoch {epoch} is not done: there are 0 to {}\n", done - 1),
        _ => "No epoch is done yet\n".to_owned(),
    }
}

/// A test image as PNG.
pub(crate) async fn image(
    State(page): State<Arc<Inner>>,
    Path((split, file)): Path<(String, String)>,
    Question(which): Question<Which>,
) -> Result<Response, Refused> {
    let missing = |why: String| (StatusCode::NOT_FOUND, why + "\n");
    if split != "test" {
        return Err(missing(format!("There are images of the split test, and none of {split}")));
    }
    let index: usize = file
        .strip_suffix(".png")
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| missing("An image is a number and .png, such as 7.png".to_owned()))?;
    let images = page.shown(which.run)?.images.clone();
    let images = images.ok_or_else(|| missing("The images of this run's data set are not at hand".to_owned()))?;
    let drawn = spawn_blocking(move || {
        let dataset = images.get()?;
        if index >= dataset.len() {
            return Err(format!("There are {} test images", dataset.len()));
        }
        images::png(dataset.pixels(index), dataset.spec().shape).map_err(|error| error.to_string())
    });
    let png =
        drawn.await.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?.map_err(missing)?;
    let mut response = png.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
    // Another run on the same port may have other images.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=600"));
    Ok(response)
}

/// What is there, and is not to be asked for so.
pub(crate) async fn otherwise() -> Refused {
    (StatusCode::METHOD_NOT_ALLOWED, "Ask by GET; api/predict alone takes a picture by POST\n".to_owned())
}

/// What is asked for and is not there.
pub(crate) async fn nothing() -> Refused {
    (StatusCode::NOT_FOUND, "There is nothing of that name: docs/guide/watching.md lists what there is\n".to_owned())
}
