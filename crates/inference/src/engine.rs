//! The handle on the models, for services.

use crate::{
    answer::{Answer, Image, MOST_IMAGES, ModelInfo, PredictError, Which},
    budget::Memory,
    decoders::Decoders,
    error::PictureError,
    loader::Loader,
    model::Model,
    pace::Pace,
    picture::Picture,
    room::Room,
    source::Source,
    task::{self, Pixels, Request},
    thread::{Message, Models},
};
use checkpoint::Manifest;
use data::{DatasetSpec, Normaliser};
use state::State;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout_at};

/// Messages of the loader beside the requests.
const FURTHER: usize = 16;
/// Bytes of models that are kept beside the newest.
const KEEP: usize = 256 << 20;

/// What an engine answers from.
#[derive(Debug)]
pub struct EngineOptions {
    /// Shape, classes and normalisation.
    pub dataset: Arc<DatasetSpec>,
    /// Where checkpoints are.
    pub source: Source,
    /// What pictures may take of the memory.
    pub memory: Memory,
    /// The newest checkpoint, where there is one already.
    pub newest: Option<(String, Manifest, Arc<State>)>,
}

/// Why an engine cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no thread to be had.
    #[error("there is no thread for predictions: {0}")]
    Thread(#[from] io::Error),
    /// The newest checkpoint cannot answer.
    #[error("{0}")]
    Newest(PredictError),
}

/// Answers what is in images, by the checkpoints of one data set. Clones share threads, queue and models. The threads end with the
/// last clone.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    messages: mpsc::SyncSender<Message>,
    loader: Loader,
    /// For images that wait for the model, or are worked at.
    queue: Room,
    /// For images of requests with files that are decoded, or wait for room among those. That takes as long as files are slow, and
    /// keeps nobody from the model.
    decoding: Room,
    coming: Arc<AtomicUsize>,
    pace: Pace,
    decoders: Decoders,
    dataset: Arc<DatasetSpec>,
    source: Source,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.loader.close();
    }
}

/// A request on its way to the queue.
struct Coming<'a>(&'a AtomicUsize);

impl<'a> Coming<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Starts the threads. Makes the newest checkpoint ready first, which takes a while for a large model.
    ///
    /// # Errors
    /// If there is no thread to be had, or the newest checkpoint cannot answer.
    pub fn start(options: EngineOptions) -> Result<Self, StartError> {
        let EngineOptions { dataset, source, memory, newest } = options;
        let newest = newest.map(|(name, manifest, state)| {
            let model = Model::new(&name, &manifest, &state, &dataset);
            model.map(Box::new).map_err(|why| StartError::Newest(PredictError::Unusable { name, why }))
        });
        let waiting = memory.waiting(dataset.shape.len());
        let (messages, receiver) = mpsc::sync_channel(waiting + FURTHER);
        let (loader, pace, coming) = (Loader::default(), Pace::default(), Arc::<AtomicUsize>::default());
        let models = Models {
            messages: receiver,
            loader: loader.clone(),
            normaliser: Normaliser::new(&dataset),
            pace: pace.clone(),
            coming: Arc::clone(&coming),
            newest: newest.transpose()?,
            keep: KEEP,
        };
        thread::Builder::new().name("predict".to_owned()).spawn(move || models.run())?;
        loader.start(source.clone(), Arc::clone(&dataset), messages.clone())?;
        let decoders = Decoders::new(memory, dataset.shape);
        let [queue, decoding] = [waiting; 2].map(Room::new);
        Ok(Self(Arc::new(Inner { messages, loader, queue, decoding, coming, pace, decoders, dataset, source })))
    }

    /// The data set of its checkpoints.
    #[must_use]
    pub fn dataset(&self) -> &DatasetSpec {
        &self.0.dataset
    }

    /// Has the newest checkpoint be this one. It answers all that is asked for after this has returned, unless it
    /// cannot: then the one before goes on, and a warning says why. It is made ready on this thread, and takes the place of the
    /// one before between two pieces of work. No request fails for it. Blocks.
    pub fn load(&self, name: &str, manifest: &Manifest, state: &State) {
        match Model::new(name, manifest, state, &self.0.dataset) {
            // Fails only when the thread is gone, and then every request says so.
            Ok(model) => drop(self.0.messages.send(Message::Newest(Box::new(model)))),
            Err(why) => {
                let error = PredictError::Unusable { name: name.to_owned(), why };
                tracing::warn!("{error}; the one before goes on answering");
            }
        }
    }

    /// The checkpoints that can answer, oldest first.
    ///
    /// # Errors
    /// If the file system refuses.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, PredictError> {
        let source = self.0.source.clone();
        let models = spawn_blocking(move || source.models()).await.map_err(|_| PredictError::Ending)?;
        models.map_err(|error| PredictError::Unusable { name: "list".to_owned(), why: error.to_string() })
    }

    /// What `which` checkpoint makes of each of `images`. The same image gets the same bytes from the same checkpoint, whatever
    /// comes with it. The value `held` is dropped once the files were decoded and the answer is there. That holds even if nobody
    /// waits any more. Who drops the future asks for nothing more: what was not begun is not computed.
    ///
    /// # Errors
    /// If there is no answer; the error says why. One image that is no picture is the end of its request.
    pub async fn predict(
        &self,
        images: Vec<Image>,
        which: Which,
        deadline: Option<Instant>,
        held: impl Clone + Send + 'static,
    ) -> Result<Answer, PredictError> {
        let answer = self.answer(images, which, deadline, held);
        match deadline {
            Some(deadline) => timeout_at(deadline.into(), answer).await.unwrap_or(Err(PredictError::Late)),
            None => answer.await,
        }
    }

    async fn answer(
        &self,
        images: Vec<Image>,
        which: Which,
        deadline: Option<Instant>,
        held: impl Clone + Send + 'static,
    ) -> Result<Answer, PredictError> {
        let Inner { messages, queue, coming, .. } = &*self.0;
        let all = images.len();
        match all {
            0 => return Err(PredictError::NoImages),
            1..=MOST_IMAGES => {}
            found => return Err(PredictError::TooMany { found }),
        }
        if all > queue.largest() {
            let flag = Memory::mib_for_images(all, self.0.dataset.shape.len());
            return Err(PredictError::TooMuch { found: all, most: queue.largest(), flag });
        }
        // Files are decoded in room of their own first. Then they wait for that of the queue: refused, all would be decoded again.
        let files = images.iter().any(|image| self.is_file(image));
        let mut room = self.room(files).take(all).ok_or_else(|| self.full(files, all))?;
        let on_its_way = Coming::new(coming);
        let mut pixels = Vec::with_capacity(all);
        for (index, image) in images.into_iter().enumerate() {
            let decoded = self.decode(image, held.clone()).await;
            pixels.push(decoded.map_err(|why| PredictError::of_image(index, all, why))?);
        }
        if files {
            room = queue.wait(all).await.ok_or_else(|| self.full(false, all))?;
        }
        let best = if which == Which::Best { self.best().await? } else { None };
        let name = task::name(which, || best)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { images: pixels, name, deadline, queued_at: Instant::now(), answer, room };
        // Before it is there: the thread would wait for it.
        drop(on_its_way);
        messages.try_send(Message::Request(request)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => self.full(false, all),
            mpsc::TrySendError::Disconnected(_) => PredictError::Ending,
        })?;
        answered.await.unwrap_or(Err(PredictError::Ending))
    }

    /// Where a request waits first.
    fn room(&self, files: bool) -> &Room {
        if files { &self.0.decoding } else { &self.0.queue }
    }

    /// That there is no room for `images`, and when there will be, as far as is known. Room among files gets free as fast as they
    /// are decoded, and all room no faster than the model is.
    fn full(&self, files: bool, images: usize) -> PredictError {
        let room = self.room(files);
        let before = room.before(images);
        let of_model = self.0.pace.retry(before);
        let retry = if files { of_model.max(self.0.decoders.retry(before)) } else { of_model };
        PredictError::Full { waiting: room.taken(), retry }
    }

    /// When it is worth to try again after a picture was refused, as too many waited to be decoded.
    #[must_use]
    pub fn retry(&self) -> Duration {
        self.0.decoders.retry_busy()
    }

    /// The name of the checkpoint with the highest test accuracy.
    async fn best(&self) -> Result<Option<String>, PredictError> {
        let models = self.models().await?;
        if models.is_empty() {
            return Err(PredictError::NoCheckpoint);
        }
        Ok(models.into_iter().find(|model| model.best).map(|model| model.name))
    }

    /// Whether it has to be decoded.
    fn is_file(&self, image: &Image) -> bool {
        match image {
            Image::File(file) => file.len() != self.0.dataset.shape.len() || Picture::is_one(file),
            Image::Pixels(_) => false,
        }
    }

    async fn decode(&self, image: Image, held: impl Send + 'static) -> Result<Pixels, PictureError> {
        let shape = self.0.dataset.shape;
        let is_file = self.is_file(&image);
        match image {
            Image::File(file) if is_file => self.0.decoders.decode(file, held).await.map(Pixels::Interleaved),
            Image::File(planes) => Ok(Pixels::Planes(planes)),
            Image::Pixels(planes) if planes.len() == shape.len() => Ok(Pixels::Planes(planes)),
            Image::Pixels(planes) => Err(PictureError::WrongPixels { found: planes.len(), shape }),
        }
    }
}
