//! Memory that strangers' pictures may take: shares are taken before memory is asked for, and given back after.

use crate::answer::MOST_IMAGES;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Shares are whole numbers of this.
const UNIT: u64 = 1024;
/// What `--predict-memory` counts in.
const MIB: u64 = 1 << 20;
/// Of all that predictions may take, requests get one of so many parts. Decoded images that wait get as much, or less if less
/// would do, and decoding the rest. So none waits for another while it keeps it waiting.
const PARTS: u64 = 4;
/// Images that may be decoded or wait among such, and again that may wait for the model: more than that are of no use.
const WAITING: usize = 4 * MOST_IMAGES;
/// Where images wait.
const ROOMS: u64 = 2;

/// What predictions may take in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// So many MiB.
    #[must_use]
    pub fn from_mib(mib: u32) -> Self {
        Self(u64::from(mib) * MIB)
    }

    /// What requests may take, in bytes.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.0 / PARTS
    }

    /// What one request may take of that, in bytes: what is left to small ones is never taken.
    #[must_use]
    pub fn largest_request(self) -> u64 {
        self.requests() / OF * OF_LARGE
    }

    /// How many decoded images of `image` bytes may wait in each of the two places where they do.
    #[must_use]
    pub fn waiting(self, image: usize) -> usize {
        (self.pixels(image) / ROOMS) as usize / image.max(1)
    }

    /// What all of them may take, in bytes.
    fn pixels(self, image: usize) -> u64 {
        all_pixels(image).min(self.0 / PARTS)
    }

    /// What decoding to images of `image` bytes may take, in bytes.
    #[must_use]
    pub fn decoding(self, image: usize) -> u64 {
        self.0 - self.requests() - self.pixels(image)
    }

    /// How many MiB there would have to be for a request of so many bytes.
    #[must_use]
    pub fn mib_for_request(bytes: u64) -> u64 {
        bytes.saturating_mul(PARTS * OF).div_ceil(MIB * OF_LARGE)
    }

    /// How many MiB there would have to be for a picture that takes so many bytes, to become an image of `image` bytes.
    #[must_use]
    pub fn mib_for_decoding(bytes: u64, image: usize) -> u64 {
        // Either the images that wait have their whole part, or as much as they can need.
        let whole = bytes.saturating_mul(PARTS).div_ceil(MIB * (PARTS - 2));
        let enough = bytes.saturating_add(all_pixels(image)).saturating_mul(PARTS).div_ceil(MIB * (PARTS - 1));
        whole.min(enough)
    }

    /// How many MiB there would have to be for a request of so many `images` of `image` bytes.
    #[must_use]
    pub fn mib_for_images(images: usize, image: usize) -> u64 {
        // Each is let in where there is room for as many beside it.
        (2 * images as u64 * image as u64).saturating_mul(ROOMS * PARTS).div_ceil(MIB)
    }
}

/// What as many images take as are of use, of `image` bytes each.
fn all_pixels(image: usize) -> u64 {
    ROOMS * (WAITING * image) as u64
}

/// One over the part of a budget that large shares are more than.
const LARGE: u32 = 8;
/// The parts that they may take together, of so many.
const OF_LARGE: u64 = 3;
const OF: u64 = 4;

/// So much memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    /// What large shares may take together, where that is less than all of it.
    of_large: Option<Arc<Semaphore>>,
    /// In units.
    total: u32,
    /// Places for those who wait, of so many.
    places: Arc<Semaphore>,
    room: usize,
    patience: Duration,
}

/// Memory that was counted. It is given back when this is dropped.
#[derive(Debug)]
pub struct Share {
    _of_large: Option<OwnedSemaphorePermit>,
    _free: OwnedSemaphorePermit,
}

/// Why there is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// More than the budget has, however long one waits.
    TooMuch,
    /// Others have it, and too many wait, or for too long.
    Busy,
}

impl Budget {
    /// `bytes` of memory, for which `places` may wait as long as `patience`.
    #[must_use]
    pub fn new(bytes: u64, places: usize, patience: Duration) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        let free = Arc::new(Semaphore::new(total as usize));
        Self { free, of_large: None, total, places: Arc::new(Semaphore::new(places)), room: places, patience }
    }

    /// With a part that is left to small shares. Those of more than an eighth of it are large, and wait for each other. Together
    /// they take three quarters of it at the most, and so does one alone. So a small one does not wait behind them.
    #[must_use]
    pub fn leaving_some_to_small(self) -> Self {
        Self { of_large: Some(Arc::new(Semaphore::new(self.large() as usize))), ..self }
    }

    /// What large shares may take together, in units.
    fn large(&self) -> u32 {
        (self.total / OF as u32) * OF_LARGE as u32
    }

    /// All of it, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.total) * UNIT
    }

    /// Whether somebody waits for memory that others have.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.places.available_permits() < self.room
    }

    /// Waits for so much of it. Who comes first gets it first, among those who wait for the same.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn share(&self, bytes: u64) -> Result<Share, Refused> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Refused::TooMuch)?;
        let most = if self.of_large.is_some() { self.large() } else { self.total };
        if units > most {
            return Err(Refused::TooMuch);
        }
        let large = self.of_large.as_ref().filter(|_| units > self.total / LARGE);
        let at_once = |semaphore: &Arc<Semaphore>, units| semaphore.clone().try_acquire_many_owned(units);
        if let Ok(of_large) = large.map(|of_large| at_once(of_large, units)).transpose()
            && let Ok(free) = at_once(&self.free, units)
        {
            return Ok(Share { _of_large: of_large, _free: free });
        }
        let _place = self.places.try_acquire().map_err(|_| Refused::Busy)?;
        let waiting = async {
            let of_large = match large {
                Some(of_large) => Some(of_large.clone().acquire_many_owned(units).await?),
                None => None,
            };
            Ok::<_, AcquireError>(Share {
                _of_large: of_large,
                _free: self.free.clone().acquire_many_owned(units).await?,
            })
        };
        match timeout(self.patience, waiting).await {
            Ok(Ok(share)) => Ok(share),
            // The semaphores are never closed.
            Ok(Err(_)) | Err(_) => Err(Refused::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// Bytes of images of the usual data sets.
    const IMAGES: [usize; 4] = [28 * 28, 3 * 32 * 32, 3 * 224 * 224, 3 * 1024 * 1024];

    #[test]
    fn the_parts_are_no_more_than_the_whole() {
        for mib in [16, 64, 640, 100_000] {
            for image in IMAGES {
                let memory = Memory::from_mib(mib);
                let waiting = ROOMS * (memory.waiting(image) * image) as u64;
                assert!(memory.requests() + memory.decoding(image) + waiting <= u64::from(mib) * MIB);
                assert!(memory.waiting(image) <= WAITING && memory.decoding(image) >= u64::from(mib) * MIB / 2);
            }
        }
        assert_eq!(Memory::from_mib(640).waiting(3 * 32 * 32), WAITING, "small ones take little");
        assert_eq!(Memory::from_mib(640).waiting(3 * 224 * 224), 557);
    }

    #[test]
    fn the_flag_that_is_named_is_enough_for_the_images_of_a_request() {
        for image in IMAGES {
            for images in [1, 7, MOST_IMAGES] {
                let mib = Memory::mib_for_images(images, image) as u32;
                assert!(Memory::from_mib(mib).waiting(image) / 2 >= images);
                assert!(Memory::from_mib(mib - 1).waiting(image) / 2 < images);
            }
        }
    }

    #[test]
    fn the_flag_that_is_named_would_do() {
        for bytes in [1, 5 * MIB, 12 * MIB + 1, 700_123_456] {
            let enough = |mib: u64| Memory::from_mib(mib as u32);
            for image in IMAGES {
                let mib = Memory::mib_for_decoding(bytes, image);
                assert!(enough(mib).decoding(image) >= bytes && enough(mib - 1).decoding(image) < bytes, "{bytes}");
            }
            let mib = Memory::mib_for_request(bytes);
            assert!(enough(mib).largest_request() >= bytes && enough(mib - 1).largest_request() < bytes, "{bytes}");
        }
    }

    #[tokio::test]
    async fn what_is_held_is_not_given_twice() {
        let budget = Budget::new(10 * UNIT, 1, LONG);
        let first = budget.share(6 * UNIT).await.unwrap();
        let other = budget.clone();
        let waiting = tokio::spawn(async move { other.share(5 * UNIT).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && budget.is_waited_for());
        assert_eq!(budget.share(5 * UNIT).await.unwrap_err(), Refused::Busy, "one may wait");
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        assert!(!budget.is_waited_for());
        let third = budget.share(5 * UNIT).await.unwrap();
        drop((second, third));
        drop(budget.share(10 * UNIT).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_there_is_is_refused_at_once() {
        let budget = Budget::new(10 * UNIT, 1, LONG);
        for bytes in [10 * UNIT + 1, u64::MAX] {
            assert_eq!(budget.share(bytes).await.unwrap_err(), Refused::TooMuch);
        }
    }

    #[tokio::test]
    async fn a_small_share_does_not_wait_behind_large_ones() {
        let budget = Budget::new(80 * UNIT, 9, LONG).leaving_some_to_small();
        let first = budget.share(40 * UNIT).await.unwrap();
        let large = |units: u64| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.share(units * UNIT).await })
        };
        let (second, third) = (large(40), large(60));
        tokio::task::yield_now().await;
        assert!(!second.is_finished() && budget.is_waited_for());
        let small = [budget.share(10 * UNIT).await.unwrap(), budget.share(10 * UNIT).await.unwrap()];
        // A large one waits only for other large ones, unless small ones have the rest.
        drop(first);
        let second = second.await.unwrap().unwrap();
        drop((second, small));
        drop(third.await.unwrap().unwrap());
        assert!(!budget.is_waited_for());
    }

    #[tokio::test]
    async fn one_large_share_alone_leaves_some_to_small_ones() {
        let memory = Memory::from_mib(1);
        let budget = Budget::new(memory.requests(), 1, LONG).leaving_some_to_small();
        assert_eq!(budget.share(memory.largest_request() + 1).await.unwrap_err(), Refused::TooMuch);
        let _large = budget.share(memory.largest_request()).await.unwrap();
        let rest = memory.requests() - memory.largest_request();
        let _small = [budget.share(rest / 2).await.unwrap(), budget.share(rest / 2).await.unwrap()];
    }

    #[tokio::test]
    async fn waiting_ends() {
        let budget = Budget::new(10 * UNIT, 1, Duration::from_millis(10));
        let _first = budget.share(10 * UNIT).await.unwrap();
        assert_eq!(budget.share(1).await.unwrap_err(), Refused::Busy);
    }
}
