//! Room for images, of which no request takes more than it leaves. Who waits has a turn.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Room for so many images. A request gets its room where as much is left free beside it. So a few large requests do not
/// take all of it, and the smaller a request is, the longer there is room for it.
///
/// Requests that wait stand in a line. A smaller one may pass those for which there is no room yet. While the first waits, as
/// many images may pass it as there is room for. Then it is next. So a large request does not wait for ever behind small ones.
/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Images that have room.
    taken: usize,
    line: VecDeque<Waiting>,
    /// Images that have passed the first in the line.
    passed: usize,
}

/// A request in the line.
#[derive(Debug)]
struct Waiting {
    images: usize,
    /// Closed once nobody waits for it any more.
    place: oneshot::Sender<Place>,
}

/// Room that was taken. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    images: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().taken -= self.images;
        self.room.serve();
    }
}

/// Leaves the line when it is dropped.
struct Turn<'a> {
    room: &'a Room,
    place: oneshot::Receiver<Place>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.place.close();
        self.room.serve();
    }
}

impl State {
    /// How many images have to leave before there is room for `images`, of room for `most`.
    fn short_of(&self, images: usize, most: usize) -> usize {
        (self.taken + 2 * images).saturating_sub(most)
    }

    /// Whether `images` may be let in before the first in the line.
    fn may_pass(&self, images: usize, most: usize) -> bool {
        self.line.is_empty() || self.passed + images <= most
    }
}

impl Room {
    /// For `most` images.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images that have room.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The most images of a request that can ever have room.
    pub fn largest(&self) -> usize {
        self.0.most / 2
    }

    /// How many images have to leave before a request of `images` has its room, with those that are before it in the line.
    pub fn before(&self, images: usize) -> usize {
        let (state, most) = (self.lock(), self.0.most);
        let passes = state.line.front().is_none_or(|first| images < first.images) && state.may_pass(images, most);
        if passes {
            return state.short_of(images, most);
        }
        let (mut left, mut then) = (0, State { taken: state.taken, ..State::default() });
        for next in state.line.iter().map(|waiting| waiting.images).chain([images]) {
            let short = then.short_of(next, most);
            left += short;
            then.taken = then.taken.saturating_sub(short) + next;
        }
        left
    }

    /// Room for `images`; `None` if less than that would be left, or another is to have it first.
    pub fn take(&self, images: usize) -> Option<Place> {
        let (mut state, most) = (self.lock(), self.0.most);
        if state.short_of(images, most) > 0 || !state.may_pass(images, most) {
            return None;
        }
        if !state.line.is_empty() {
            state.passed += images;
        }
        state.taken += images;
        Some(Place { room: self.clone(), images })
    }

    /// Waits for room for `images`. `None` if there never is: that is more than the [`largest`](Self::largest).
    pub async fn wait(&self, images: usize) -> Option<Place> {
        if images > self.largest() {
            return None;
        }
        if let Some(place) = self.take(images) {
            return Some(place);
        }
        let (sender, place) = oneshot::channel();
        self.lock().line.push_back(Waiting { images, place: sender });
        let mut turn = Turn { room: self, place };
        // What was given back since it was asked for.
        self.serve();
        // Those in the line stay there until they get their place.
        (&mut turn.place).await.ok()
    }

    /// Gives what is free to those in the line.
    fn serve(&self) {
        // These are given back when the lock is gone: dropping them takes it.
        let mut unclaimed = Vec::new();
        let (mut state, most) = (self.lock(), self.0.most);
        let mut next = 0;
        while let Some(waiting) = state.line.get(next) {
            let (images, gone) = (waiting.images, waiting.place.is_closed());
            let first = next == 0;
            if !gone && (state.short_of(images, most) > 0 || !(first || state.may_pass(images, most))) {
                next += 1;
                continue;
            }
            let waiting = state.line.remove(next);
            match (first, gone) {
                (true, _) => state.passed = 0,
                (false, false) => state.passed += images,
                (false, true) => {}
            }
            if let Some(waiting) = waiting.filter(|_| !gone) {
                state.taken += images;
                unclaimed.extend(waiting.place.send(Place { room: self.clone(), images }).err());
            }
        }
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use proptest::prelude::*;
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    type Waits = Pin<Box<dyn Future<Output = Option<Place>>>>;

    fn wait(room: &Room, images: usize) -> Waits {
        let room = room.clone();
        Box::pin(async move { room.wait(images).await })
    }

    /// Its place, once it has one.
    fn look(waits: &mut Waits) -> Option<Place> {
        match waits.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place.unwrap()),
            Poll::Pending => None,
        }
    }

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

    #[test]
    fn who_waits_gets_room_when_it_is_given_back() {
        let room = Room::new(10);
        let first = room.take(5).unwrap();
        let mut waiting = wait(&room, 5);
        assert!(look(&mut waiting).is_none());
        drop(first);
        assert_eq!(look(&mut waiting).unwrap().images, 5);
    }

    #[tokio::test]
    async fn more_than_ever_has_room_does_not_wait() {
        let room = Room::new(10);
        assert!(room.wait(6).await.is_none());
        assert_eq!(room.wait(5).await.unwrap().images, 5);
    }

    #[test]
    fn a_large_one_has_its_turn_among_small_ones() {
        const MOST: usize = 100;
        let room = Room::new(MOST);
        // Steady small ones: as soon as one is done the next is there.
        let mut small: VecDeque<Place> = std::iter::from_fn(|| room.take(2)).collect();
        assert_eq!(room.taken(), 98);
        let mut large = wait(&room, 30);
        let (mut passed, mut place) = (0, None);
        for _ in 0..1000 {
            place = look(&mut large);
            if place.is_some() {
                break;
            }
            small.pop_front();
            let waits = !room.lock().line.is_empty();
            if let Some(next) = room.take(2) {
                passed += if waits { 2 } else { 0 };
                small.push_back(next);
            }
        }
        assert_eq!(place.expect("it has its turn").images, 30);
        assert_eq!(passed, MOST, "so many went before it");
        // Small ones go on.
        assert!(room.take(2).is_some());
    }

    #[test]
    fn a_small_one_passes_a_large_one_that_waits() {
        let room = Room::new(100);
        let first = room.take(50).unwrap();
        let mut waiting = [wait(&room, 37), wait(&room, 30), wait(&room, 25)];
        let [a, b, c] = &mut waiting;
        assert!(look(a).is_none() && look(b).is_none());
        let third = look(c).expect("there is room for 25 beside 50");
        let small = room.take(1).unwrap();
        drop(first);
        // 26 are taken: the first of the line has as much beside it, and the second not any more.
        let first = look(a).unwrap();
        assert!(look(b).is_none());
        drop((first, third, small));
        assert!(look(b).is_some());
    }

    #[test]
    fn who_goes_away_holds_up_nobody() {
        let room = Room::new(100);
        let first = room.take(50).unwrap();
        let mut large = wait(&room, 50);
        assert!(look(&mut large).is_none());
        // As many as may pass.
        for _ in 0..10 {
            drop(room.take(10).unwrap());
        }
        assert!(room.take(1).is_none(), "the large one is next");
        let mut small = wait(&room, 1);
        assert!(look(&mut small).is_none());
        drop(large);
        drop(look(&mut small).expect("it is the first now"));
        // One that was given a place, and does not take it up.
        let mut large = wait(&room, 50);
        assert!(look(&mut large).is_none());
        drop(first);
        assert_eq!(room.taken(), 50);
        drop(large);
        assert_eq!(room.taken(), 0);
        assert!(room.lock().line.is_empty());
    }

    #[test]
    fn how_many_have_to_leave_first() {
        let room = Room::new(100);
        assert_eq!(room.before(50), 0);
        let places: Vec<Place> = (0..9).map(|_| room.take(10)).map_while(|place| place).collect();
        assert_eq!((places.len(), room.before(10), room.before(30), room.before(5)), (9, 10, 50, 0));
        let mut large = wait(&room, 30);
        assert!(look(&mut large).is_none());
        // 50 for the one that waits, which then has 30 beside 40.
        assert_eq!((room.before(5), room.before(10), room.before(30)), (0, 10, 50 + 30));
        for _ in 0..20 {
            drop(room.take(5).unwrap());
        }
        assert!(room.take(5).is_none());
        assert_eq!(room.before(5), 50, "nobody passes any more");
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
                let before = room.before(images);
                let place = room.take(images);
                prop_assert_eq!(place.is_some(), 2 * images <= free);
                prop_assert_eq!(before, (2 * images).saturating_sub(free));
                places.extend(place);
                prop_assert_eq!(room.taken(), places.iter().map(|place| place.images).sum::<usize>());
            }
        }

        #[test]
        fn whoever_waits_has_a_turn(requests in prop::collection::vec((1..=50_usize, 0..4_usize), 1..60)) {
            let room = Room::new(100);
            let (mut places, mut waiting): (VecDeque<Place>, Vec<Waits>) = Default::default();
            let go_on = |places: &mut VecDeque<Place>, waiting: &mut Vec<Waits>| {
                waiting.retain_mut(|waits| look(waits).map(|place| places.push_back(place)).is_none());
            };
            for (images, done) in requests {
                waiting.push(wait(&room, images));
                go_on(&mut places, &mut waiting);
                places.drain(..done.min(places.len()));
                go_on(&mut places, &mut waiting);
                let held: usize = places.iter().map(|place| place.images).sum();
                prop_assert!(held <= 100 && room.taken() == held);
            }
            for _ in 0..=waiting.len() + places.len() {
                places.pop_front();
                go_on(&mut places, &mut waiting);
            }
            places.clear();
            while !waiting.is_empty() {
                let left = waiting.len();
                go_on(&mut places, &mut waiting);
                prop_assert!(waiting.len() < left, "somebody gets what is free");
                places.clear();
            }
            prop_assert_eq!(room.taken(), 0);
        }
    }
}
