//! Room for images, of which no request takes more than it leaves.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// Room for so many images. A request gets its room where as much is left free beside it. So a few large requests do not
/// take all of it, and the smaller a request is, the longer there is room for it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    taken: AtomicUsize,
    most: usize,
    freed: Notify,
}

/// Room that was taken. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    images: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.0.taken.fetch_sub(self.images, Ordering::AcqRel);
        self.room.0.freed.notify_waiters();
    }
}

impl Room {
    /// For `most` images.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { taken: AtomicUsize::new(0), most, freed: Notify::new() }))
    }

    /// Images that have room.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Acquire)
    }

    /// Room for `images`; `None` if less than that would be left.
    pub fn take(&self, images: usize) -> Option<Place> {
        let more = |taken: usize| (taken + 2 * images <= self.0.most).then_some(taken + images);
        self.0.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place { room: self.clone(), images })
    }

    /// Waits for room for `images`. For more than half of it one waits for ever.
    pub async fn wait(&self, images: usize) -> Place {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Before it is looked for: what is given back meanwhile is not missed.
            freed.as_mut().enable();
            if let Some(place) = self.take(images) {
                return place;
            }
            freed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_requests_leave_room_for_small_ones() {
        let room = Room::new(4096);
        let large: Vec<Place> = std::iter::from_fn(|| room.take(1024)).collect();
        assert_eq!((large.len(), room.taken()), (3, 3072));
        let small: Vec<Place> = std::iter::from_fn(|| room.take(1)).collect();
        assert_eq!(small.len(), 1023);
        assert!(room.take(1024).is_none() && room.take(1).is_none());
        drop((large, small));
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn who_waits_gets_room_when_it_is_given_back() {
        let room = Room::new(10);
        let first = room.take(5).unwrap();
        let other = room.clone();
        let waiting = tokio::spawn(async move { other.wait(5).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.await.unwrap().images, 5);
    }

    proptest! {
        #[test]
        fn there_is_never_more_than_there_is_room_for(requests in prop::collection::vec((1..40_usize, any::<bool>()), 1..60)) {
            let room = Room::new(100);
            let mut places: Vec<Place> = Vec::new();
            for (images, go) in requests {
                if go && !places.is_empty() {
                    places.remove(0);
                }
                let free = 100 - room.taken();
                let place = room.take(images);
                prop_assert_eq!(place.is_some(), 2 * images <= free);
                places.extend(place);
                prop_assert_eq!(room.taken(), places.iter().map(|place| place.images).sum::<usize>());
            }
        }
    }
}
