//! One task turns what happens into events, once for all readers.

use crate::{
    frames::{self, Cursor, Happened, frame},
    sources::Shown,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

/// At the least between two events of the same kind, and longer for many readers: what happens meanwhile is told together.
const PACE: Duration = Duration::from_millis(250);
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Events that a reader may be behind before it is sent away.
const BEHIND: usize = 256;
/// Events that are kept for readers that come back.
const KEPT: usize = 1024;

/// Where readers subscribe.
#[derive(Debug)]
pub(crate) struct Hub {
    told: Mutex<Told>,
    /// Asks for the last events and the end.
    closing: Arc<Notify>,
    /// Tells this process's events from those of an earlier one on the same port.
    instance: String,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Told {
    /// `None` once it is closed.
    sender: Option<broadcast::Sender<Bytes>>,
    kept: VecDeque<Bytes>,
    /// The number of the next event.
    next: u64,
    /// The run as it stands.
    run: Bytes,
    version: u64,
}

/// A reader that has subscribed.
pub(crate) struct Subscription {
    /// What it gets at once.
    pub(crate) first: Vec<Bytes>,
    pub(crate) later: broadcast::Receiver<Bytes>,
}

impl Hub {
    /// Follows `shown` until the hub is closed or dropped.
    pub(crate) fn start(shown: &Shown) -> Arc<Self> {
        let (mut run, mut chronicle) = (shown.run.clone(), shown.chronicle.clone());
        let cursor = Cursor::end_of(&chronicle.borrow_and_update());
        let snapshot = frame(None, &frames::run(&run.borrow_and_update()));
        let version = shown.chronicle.borrow().version();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let told = Told {
            sender: Some(broadcast::Sender::new(BEHIND)),
            kept: VecDeque::new(),
            next: 0,
            run: snapshot,
            version,
        };
        let closing = Arc::new(Notify::new());
        let hub = Arc::new(Self {
            told: Mutex::new(told),
            closing: Arc::clone(&closing),
            instance: format!("{:x}", now.as_millis()),
            task: Mutex::default(),
        });
        let weak = Arc::downgrade(&hub);
        let task = tokio::spawn(async move {
            let mut follower = Follower { run, chronicle, cursor };
            let mut beat = interval(HEARTBEAT);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let (beats, closes) = tokio::select! {
                    () = follower.changed() => (false, false),
                    _ = beat.tick() => (true, false),
                    () = closing.notified() => (false, true),
                };
                let Some(hub) = weak.upgrade() else { return };
                if beats {
                    hub.told().send(Bytes::from_static(b": alive\n\n"));
                    continue;
                }
                hub.publish(&mut follower);
                if closes {
                    hub.told().sender = None;
                    return;
                }
                let pause = view::pace(PACE, hub.readers());
                drop(hub);
                tokio::select! {
                    () = sleep(pause) => {}
                    // The last word is not held back.
                    () = closing.notified() => closing.notify_one(),
                }
            }
        });
        *hub.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        hub
    }

    /// Subscribes a reader that knows all up to the event `last`. `None` if it is closed.
    pub(crate) fn subscribe(&self, last: Option<&str>) -> Option<Subscription> {
        let told = self.told();
        let sender = told.sender.as_ref()?;
        let later = sender.subscribe();
        let missed = last.and_then(|last| self.number(last)).and_then(|last| told.after(last));
        let mut first = missed.unwrap_or_else(|| vec![self.hello(&told)]);
        first.push(told.run.clone());
        Some(Subscription { first, later })
    }

    /// Tells a reader from where it goes on: what was before is there to be fetched.
    fn hello(&self, told: &Told) -> Bytes {
        let id = told.next.checked_sub(1).map(|last| self.id(last));
        frame(id.as_deref(), &("hello", format!("{{\"version\":{}}}", told.version)))
    }

    pub(crate) fn readers(&self) -> usize {
        self.told().sender.as_ref().map_or(0, broadcast::Sender::receiver_count)
    }

    /// Tells the last, and ends all streams and those that begin later.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    fn publish(&self, follower: &mut Follower) {
        let (new, version) = follower.read();
        let run = frame(None, &frames::run(&follower.run.borrow_and_update()));
        let mut told = self.told();
        told.version = version;
        for happened in new {
            let bytes = frame(Some(&self.id(told.next)), &happened);
            told.keep(&bytes);
            told.send(bytes);
        }
        if run != told.run {
            told.run = run.clone();
            told.send(run);
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.instance)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (instance, number) = id.split_once('-')?;
        (instance == self.instance).then(|| number.parse().ok()).flatten()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Told {
    fn send(&self, bytes: Bytes) {
        if let Some(sender) = &self.sender {
            // Nobody may be there to hear it.
            let _ = sender.send(bytes);
        }
    }

    fn keep(&mut self, bytes: &Bytes) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(bytes.clone());
        self.next += 1;
    }

    /// What was told after the event `last`; `None` if some of it is not kept any more.
    fn after(&self, last: u64) -> Option<Vec<Bytes>> {
        let oldest = self.next - self.kept.len() as u64;
        let skipped = (last + 1).checked_sub(oldest).filter(|_| last < self.next)?;
        Some(self.kept.iter().skip(skipped as usize).cloned().collect())
    }
}

struct Follower {
    run: watch::Receiver<proto::v1::Run>,
    chronicle: watch::Receiver<chronicle::Chronicle>,
    cursor: Cursor,
}

impl Follower {
    /// Waits for a change. Of a run that is over there is none.
    async fn changed(&mut self) {
        let (run, chronicle) = (&mut self.run, &mut self.chronicle);
        tokio::select! {
            Ok(()) = run.changed() => {}
            Ok(()) = chronicle.changed() => {}
            else => pending().await,
        }
    }

    fn read(&mut self) -> (Vec<Happened>, u64) {
        let chronicle = self.chronicle.borrow_and_update();
        (self.cursor.advance(&chronicle), chronicle.version())
    }
}
