//! What the newest model makes of the test images: a grid of some, and the worst mistakes among all.
//!
//! The whole test set takes a while. It is gone through when somebody asks, once for each checkpoint. A few images are done
//! at a time, in at most half of the time of one thread.

use crate::{
    answers::refused,
    api::{Json, Refused},
    page::Inner,
    questions::Question,
    sources::{Model, Refusal, Shown},
};
use axum::{extract::State, http::StatusCode};
use data::Dataset;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

/// Images that are asked for together.
const TOGETHER: usize = 16;
/// Images of a grid at most.
const GRID: usize = 64;
/// Mistakes of one answer.
const MISTAKES: usize = 48;

/// What a model takes an image for.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Guess {
    image: usize,
    truth: u8,
    answer: usize,
    probability: f32,
}

/// What was found out about the test images.
#[derive(Debug, Default)]
pub(crate) struct Survey(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    /// The last that is whole, and the checkpoints that answered.
    guesses: Vec<Guess>,
    checkpoint: String,
    /// Of the one under way.
    under_way: Option<(usize, usize)>,
    failed: Option<Refusal>,
}

impl Survey {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes through all images, unless that is under way.
    fn begin(self: &Arc<Self>, model: Arc<dyn Model>, dataset: Arc<Dataset>) {
        let mut found = self.found();
        if found.under_way.is_some() {
            return;
        }
        found.under_way = Some((0, dataset.len()));
        found.failed = None;
        let survey = Arc::downgrade(self);
        tokio::spawn(async move {
            let (mut guesses, mut checkpoints) = (Vec::new(), Vec::new());
            while guesses.len() < dataset.len() {
                let began = Instant::now();
                let next = guesses.len()..dataset.len().min(guesses.len() + TOGETHER);
                let asked = ask(&model, &dataset, next).await;
                let Some(survey) = survey.upgrade() else { return };
                match asked {
                    Ok((some, checkpoint)) => {
                        guesses.extend(some);
                        checkpoints.push(checkpoint);
                        survey.found().under_way = Some((guesses.len(), dataset.len()));
                    }
                    Err(refusal) => {
                        let mut found = survey.found();
                        (found.under_way, found.failed) = (None, Some(refusal));
                        return;
                    }
                }
                drop(survey);
                sleep(began.elapsed()).await;
            }
            if let Some(survey) = survey.upgrade() {
                checkpoints.dedup();
                let checkpoint = match &checkpoints[..] {
                    [first, .., last] => format!("{first} to {last}"),
                    _ => checkpoints.concat(),
                };
                *survey.found() = Found { guesses, checkpoint, under_way: None, failed: None };
            }
        });
    }
}

/// Asks for some images together.
async fn ask(
    model: &Arc<dyn Model>,
    dataset: &Arc<Dataset>,
    images: std::ops::Range<usize>,
) -> Result<(Vec<Guess>, String), Refusal> {
    let mut asked = JoinSet::new();
    for image in images {
        let (model, planes, truth) = (model.clone(), dataset.pixels(image).to_vec(), dataset.label(image));
        asked.spawn(async move {
            let answer = model.of_pixels(planes).await?;
            let (best, probability) = answer.best();
            Ok((Guess { image, truth, answer: best, probability }, answer.checkpoint))
        });
    }
    let (mut guesses, mut newest) = (Vec::new(), String::new());
    while let Some(answered) = asked.join_next().await {
        let (guess, checkpoint) = answered.map_err(|error| Refusal::Broken(error.to_string()))??;
        guesses.push(guess);
        newest = checkpoint;
    }
    guesses.sort_by_key(|guess| guess.image);
    Ok((guesses, newest))
}

/// The model and the images that it is asked about.
async fn both(shown: &Shown) -> Result<(Arc<dyn Model>, Arc<Dataset>), Refused> {
    let missing = || (StatusCode::NOT_FOUND, "There is no model to ask here, or no images\n".to_owned());
    let model = shown.model.clone().ok_or_else(missing)?;
    let images = shown.images.clone().ok_or_else(missing)?;
    let opened = spawn_blocking(move || images.get()).await;
    let opened = opened.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok((model, opened.map_err(|why| (StatusCode::NOT_FOUND, why))?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    #[serde(default)]
    from: usize,
}

/// Some test images, and what the newest model takes them for.
pub(crate) async fn grid(State(page): State<Arc<Inner>>, Question(place): Question<Place>) -> Result<Json, Refused> {
    let (model, dataset) = both(page.shown(0)?).await?;
    let first = place.from.min(dataset.len());
    let images = first..dataset.len().min(first + GRID);
    let _place = page.pictures.acquire().await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let (guesses, checkpoint) = ask(&model, &dataset, images).await.map_err(refused)?;
    Json::of(&json!({"checkpoint": checkpoint, "images": dataset.len(), "guesses": guesses}))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Cell {
    truth: Option<u8>,
    answer: Option<usize>,
}

/// The worst mistakes, or all images of one cell of the confusion matrix, the surest first. While they are sought, how far
/// that is.
pub(crate) async fn mistakes(State(page): State<Arc<Inner>>, Question(cell): Question<Cell>) -> Result<Json, Refused> {
    let shown = page.shown(0)?;
    let (model, dataset) = both(shown).await?;
    let newest = shown.run.borrow().checkpoint.clone();
    let (whole, refusal) = {
        let mut found = page.survey.found();
        (!found.guesses.is_empty() && found.checkpoint == newest, found.failed.take())
    };
    if let Some(refusal) = refusal {
        return Err(refused(refusal));
    }
    if !whole {
        page.survey.begin(model, dataset);
    }
    let found = page.survey.found();
    let is_wanted = |guess: &&Guess| match (cell.truth, cell.answer) {
        (Some(truth), Some(answer)) => guess.truth == truth && guess.answer == answer,
        _ => usize::from(guess.truth) != guess.answer,
    };
    let mut wanted: Vec<&Guess> = found.guesses.iter().filter(is_wanted).collect();
    wanted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let count = wanted.len();
    wanted.truncate(MISTAKES);
    Json::of(&json!({
        "checkpoint": found.checkpoint,
        "is_newest": whole,
        "progress": found.under_way.map(|(done, all)| json!({"done": done, "all": all})),
        "count": count,
        "guesses": wanted,
    }))
}
