//! `tensorboard/grid/`: what the model makes of the first test images, epoch by epoch, as TensorBoard shows pictures.
//!
//! A task beside the run asks as any client does. No step waits for it, and nothing fails because of it. The end of the
//! coordinator waits for the last picture, for some seconds at most.

use data::{Dataset, DatasetSpec, Split};
use inference::{Answer, Engine, Image, Which};
use plot::{Grid, GridCell, Picture, Style};
use proto::v1::Run;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use view::{is_over, percent};

/// Images of a grid, and in a row of it.
const IMAGES: usize = 64;
const COLUMNS: usize = 8;
/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two questions for a checkpoint that was just written, and how many there are.
const RETRY: Duration = Duration::from_millis(200);
const TRIES: u32 = 25;
/// For so many times as long as a picture took, no other is made.
const REST: u32 = 50;
/// How long the last picture is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// The first epochs have a picture each, later ones each tenth.
const FIRST: u32 = 20;
const LATER: u32 = 10;
/// What TensorBoard calls the picture.
const TAG: &str = "test/grid";

/// What pictures are made of.
#[derive(Debug)]
pub struct Painter {
    /// Who is asked.
    pub engine: Engine,
    /// The data set, of which the test images are.
    pub dataset: Arc<DatasetSpec>,
    /// Where its files are.
    pub data_dir: PathBuf,
    /// How many test images the run has.
    pub test_images: usize,
    /// The name of the model.
    pub model: String,
    /// The run directory.
    pub run_dir: PathBuf,
}

/// A task that makes pictures until the run is over.
#[derive(Debug)]
pub struct Gallery {
    task: JoinHandle<()>,
}

impl Gallery {
    /// Makes a picture whenever the run in `view` has done an epoch that has one.
    #[must_use]
    pub fn start(painter: Painter, view: watch::Receiver<Run>) -> Self {
        Self { task: tokio::spawn(paint(Arc::new(painter), view)) }
    }

    /// Ends with the last picture, which is waited for a moment.
    pub async fn end(mut self) {
        if timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Whether the model after so many epochs has a picture: the last one always.
fn is_due(epochs: u32, over: bool) -> bool {
    epochs > 0 && (over || epochs <= FIRST || epochs.is_multiple_of(LATER))
}

async fn paint(painter: Arc<Painter>, mut view: watch::Receiver<Run>) {
    let mut seen = view.borrow().checkpoint.clone();
    let (mut painted, mut exhibition) = (0, Exhibition::default());
    loop {
        let (checkpoint, epochs, over) = {
            let changed = view.wait_for(|run| run.checkpoint != seen || is_over(run.state())).await;
            // Without a helm nothing comes any more.
            let Ok(run) = changed else { return };
            (run.checkpoint.clone(), view::epochs_done(&run), is_over(run.state()))
        };
        if epochs < painted {
            // They are done again: what is there of them is void.
            painted = epochs;
            exhibition.file = None;
        }
        let began = Instant::now();
        if is_due(epochs, over)
            && epochs > painted
            && let Some(answered) = painter.ask(&checkpoint).await
            && answered.1.epoch == epochs
        {
            painted = epochs;
            let painter = Arc::clone(&painter);
            let hang = move || {
                exhibition.hang(&painter, &answered);
                exhibition
            };
            let Ok(back) = spawn_blocking(hang).await else { return };
            exhibition = back;
        }
        if over {
            return;
        }
        seen = checkpoint;
        tokio::select! {
            () = sleep(began.elapsed() * REST) => {}
            _ = view.wait_for(|run| is_over(run.state())) => {}
        }
    }
}

impl Painter {
    /// The images, and what `checkpoint` makes of them. `None` if there are none, or it does not answer in time.
    async fn ask(self: &Arc<Self>, checkpoint: &str) -> Option<(Dataset, Answer)> {
        if checkpoint.is_empty() {
            return None;
        }
        let painter = Arc::clone(self);
        let dataset = spawn_blocking(move || {
            let images = painter.test_images.min(IMAGES);
            importers::open(&painter.dataset, &painter.data_dir, Split::Test, Some(images))
        });
        let dataset = match dataset.await.ok()? {
            Ok(dataset) => dataset,
            Err(error) => {
                tracing::debug!("no picture for TensorBoard: {error}");
                return None;
            }
        };
        for _ in 0..TRIES {
            let images = (0..dataset.len()).map(|index| Image::Pixels(dataset.pixels(index).to_vec())).collect();
            let deadline = Some(Instant::now() + PATIENCE);
            match self.engine.predict(images, Which::Newest, deadline, ()).await {
                Ok(answer) if answer.checkpoint == checkpoint => return Some((dataset, answer)),
                // The checkpoint is on its way into the engine.
                Ok(_) => {}
                Err(error) => tracing::debug!("no picture for TensorBoard yet: {error}"),
            }
            sleep(RETRY).await;
        }
        None
    }

    /// The grid as a PNG file, and its size in pixels.
    fn picture(&self, (dataset, answer): &(Dataset, Answer)) -> Result<(Vec<u8>, (u32, u32)), plot::PlotError> {
        let spec = dataset.spec();
        let name = |class: usize| spec.classes.get(class).cloned().unwrap_or_default();
        let cell = |(index, class): (usize, usize)| {
            let picture = Picture::from_planes(spec.shape.height, dataset.pixels(index))?;
            Ok::<_, plot::PlotError>(GridCell {
                picture,
                predicted: name(class),
                truth: Some(name(dataset.label(index).into())),
            })
        };
        let predicted = answer.predictions.iter().map(|prediction| prediction.class);
        let cells = predicted.enumerate().map(cell).collect::<Result<_, _>>()?;
        let accuracy =
            answer.accuracy.map_or_else(String::new, |share| format!(", {} of the test set", percent(share)));
        let grid = Grid {
            title: self.model.clone(),
            subtitle: format!("{}{accuracy}", answer.checkpoint),
            columns: COLUMNS,
            cells,
            style: Style::default(),
        };
        let drawing = plot::grid(&grid);
        Ok((plot::png(&drawing, 1.0)?, (drawing.width(), drawing.height())))
    }
}

/// The event file that pictures go to. A coordinator that goes on with a run has one of its own.
#[derive(Debug, Default)]
struct Exhibition {
    file: Option<File>,
    /// Whether people were told that there are no pictures.
    told: bool,
}

impl Exhibition {
    /// Adds the picture of an answer.
    fn hang(&mut self, painter: &Painter, answered: &(Dataset, Answer)) {
        let result = painter
            .picture(answered)
            .map_err(|error| error.to_string())
            .and_then(|picture| self.add(painter, answered.1.epoch, picture).map_err(|error| error.to_string()));
        match result {
            Ok(()) => self.told = false,
            Err(why) => {
                // Half of it may be there. The next one begins a new file.
                self.file = None;
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!("no picture for TensorBoard: {why}");
                }
            }
        }
    }

    fn add(&mut self, painter: &Painter, epochs: u32, (png, size): (Vec<u8>, (u32, u32))) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut bytes = Vec::new();
        let mut file = if let Some(file) = self.file.take() {
            file
        } else {
            let directory = painter.run_dir.join("tensorboard/grid");
            fs::create_dir_all(&directory)?;
            let path = directory.join(format!("events.out.tfevents.{now:020.9}.{}", std::process::id()));
            // What earlier files tell of these epochs is void.
            bytes.extend([tensorboard::header(now), tensorboard::begin(now, epochs.into())].concat());
            OpenOptions::new().create_new(true).append(true).open(path)?
        };
        bytes.extend(tensorboard::image(now, epochs.into(), TAG, size, png));
        file.write_all(&bytes)?;
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_epochs_and_the_last_have_a_picture() {
        let due: Vec<u32> = (0..45).filter(|epochs| is_due(*epochs, false)).collect();
        assert_eq!(due, [(1..=20).collect(), vec![30, 40]].concat());
        assert!(is_due(43, true) && !is_due(0, true));
    }
}
