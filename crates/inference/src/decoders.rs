//! Pictures are decoded beside everything else: few at a time, in memory that was counted, and not for ever.

use crate::{
    budget::{Budget, Memory, Refused},
    error::PictureError,
    pace::Pace,
    patience::Patience,
    picture::Picture,
};
use data::ImageShape;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Pictures that are decoded at a time.
const THREADS: usize = 2;
/// Pictures that wait to be decoded, or are.
const PLACES: usize = 64;
/// How long one waits for a thread, and again for memory.
const WAIT: Duration = Duration::from_secs(20);
/// How long decoding one may take.
const DECODE: Duration = Duration::from_secs(20);

/// Where pictures are decoded. Clones share it.
#[derive(Debug, Clone)]
pub struct Decoders {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    memory: Budget,
    /// How fast pictures become images.
    pace: Pace,
    /// Of the images that pictures become.
    shape: ImageShape,
}

impl Decoders {
    /// Pictures become images of `shape`. Decoding takes its part of `memory` at the most.
    #[must_use]
    pub fn new(memory: Memory, shape: ImageShape) -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            threads: Arc::new(Semaphore::new(THREADS)),
            memory: Budget::new(memory.decoding(shape.len()), PLACES, WAIT),
            pace: Pace::default(),
            shape,
        }
    }

    /// Decodes the picture of `file` to an image of the data set's shape, channels last. What is `held` is dropped with
    /// the file. That is when the work has really ended, even if nobody waits for it any more.
    ///
    /// # Errors
    /// If it cannot be decoded, or too many others wait.
    pub async fn decode(&self, file: Vec<u8>, held: impl Send + 'static) -> Result<Vec<u8>, PictureError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| PictureError::Busy)?;
        let thread = timeout(WAIT, self.threads.clone().acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(thread)) = thread else { return Err(PictureError::Busy) };
        let held = (held, place, thread);
        let start = Instant::now();
        let shape = self.shape;
        let (held, picture) = work(move || (held, Picture::open(file, shape))).await?;
        let picture = picture?;
        let share = self.memory.share(picture.memory()).await;
        let share = share.map_err(|refused| self.refusal(refused, &picture))?;
        let patience = Patience::new(DECODE);
        let _waiting = patience.waiting();
        let (pixels, _) = work(move || (picture.decode(&patience), (held, share))).await?;
        // As many go on beside each other as there are threads.
        self.pace.measured(THREADS, start.elapsed());
        pixels
    }

    /// When it is worth to try again after `pictures` were decoded.
    pub(crate) fn retry(&self, pictures: usize) -> Duration {
        self.pace.retry(pictures)
    }

    /// When it is worth to try again after one was [`Busy`](PictureError::Busy): half of those that wait are done then.
    pub(crate) fn retry_busy(&self) -> Duration {
        self.pace.retry(PLACES / 2)
    }

    fn refusal(&self, refused: Refused, picture: &Picture) -> PictureError {
        let (width, height) = picture.size();
        let need = picture.memory();
        match refused {
            Refused::Busy => PictureError::Busy,
            Refused::TooMuch => PictureError::TooMuchMemory {
                width,
                height,
                need: need.div_ceil(1 << 20),
                given: self.memory.bytes() >> 20,
                flag: Memory::mib_for_decoding(need, self.shape.len()),
            },
        }
    }
}

/// Does what takes a while where it holds up nothing else.
async fn work<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Result<T, PictureError> {
    // A decoder that panics has met a file that nobody thought of.
    spawn_blocking(task).await.map_err(|_| PictureError::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tokio::task::JoinSet;

    const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

    fn picture(width: u32, height: u32) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        image::RgbImage::new(width, height).write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
        file.into_inner()
    }

    #[tokio::test]
    async fn as_many_wait_as_have_a_place() {
        let decoders = Decoders::new(Memory::from_mib(16), SHAPE);
        let threads = decoders.threads.clone().acquire_many_owned(THREADS as u32).await.unwrap();
        let mut waiting = JoinSet::new();
        for _ in 0..PLACES {
            let decoders = decoders.clone();
            waiting.spawn(async move { decoders.decode(picture(8, 8), ()).await });
        }
        while decoders.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(decoders.decode(picture(8, 8), ()).await.unwrap_err(), PictureError::Busy);
        drop(threads);
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
        assert_eq!((decoders.places.available_permits(), decoders.threads.available_permits()), (PLACES, THREADS));
    }

    #[tokio::test]
    async fn a_picture_that_would_take_too_much_is_told_what_would_do() {
        let error = Decoders::new(Memory::from_mib(16), SHAPE).decode(picture(3000, 2000), ()).await.unwrap_err();
        let PictureError::TooMuchMemory { need, given, flag, .. } = error else { panic!("{error}") };
        assert_eq!((need, given, flag), (19, 8, 38));
        Decoders::new(Memory::from_mib(flag as u32), SHAPE).decode(picture(3000, 2000), ()).await.unwrap();
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let decoders = Decoders::new(Memory::from_mib(64), SHAPE);
        let held = Arc::new(());
        let decoding = decoders.decode(picture(3000, 2000), held.clone());
        assert!(timeout(Duration::from_millis(5), decoding).await.is_err());
        // What was under way ends by itself, and gives back what it held.
        while Arc::strong_count(&held) > 1 || decoders.threads.available_permits() < THREADS {
            tokio::task::yield_now().await;
        }
        drop(decoders.memory.share(decoders.memory.bytes()).await.unwrap());
        assert_eq!(decoders.places.available_permits(), PLACES);
    }
}
