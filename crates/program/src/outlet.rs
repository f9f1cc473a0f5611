//! Writing where one may be blocked: to a terminal that was stopped with Ctrl-S, or to a pipe that nobody reads.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What waits to be written at most. Of what comes beyond it only the number is kept.
const LONGEST_QUEUE: usize = 16_384;

/// Something to be written, by the outlet's own thread.
type Job = Box<dyn FnOnce() + Send>;

/// A thread that writes. Whoever gives it something never waits.
///
/// `tracing-appender` does this for log lines alone, and prints to standard output when its queue is full at the end.
#[derive(Clone)]
pub struct Outlet(Arc<Shared>);

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outlet")
    }
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Item>,
    /// What replaces an earlier one that was not written yet.
    view: Option<Job>,
    /// Jobs that found the queue full since the last that did not.
    lost: usize,
    /// Whether the thread is writing.
    busy: bool,
}

enum Item {
    Job(Job),
    /// Here so many are missing.
    Lost(usize),
}

impl Queue {
    fn next(&mut self) -> Option<Item> {
        let last = |queue: &mut Self| (queue.lost > 0).then(|| Item::Lost(std::mem::take(&mut queue.lost)));
        self.jobs.pop_front().or_else(|| last(self)).or_else(|| self.view.take().map(Item::Job))
    }

    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.view.is_none() && self.lost == 0 && !self.busy
    }
}

impl Outlet {
    /// Starts the thread. `lost` says how many are missing, where some are.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(name: &str, lost: impl Fn(usize) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let write = move || {
            let mut queue = of_thread.lock();
            loop {
                let Some(item) = queue.next() else {
                    queue = of_thread.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                queue.busy = true;
                drop(queue);
                match item {
                    Item::Job(job) => job(),
                    Item::Lost(count) => lost(count),
                }
                queue = of_thread.lock();
                queue.busy = false;
                of_thread.changed.notify_all();
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(write)?;
        Ok(Self(shared))
    }

    /// Has `job` done after all that were given before.
    pub fn push(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.lock();
        if queue.jobs.len() >= LONGEST_QUEUE {
            queue.lost += 1;
            return;
        }
        if queue.lost > 0 {
            let lost = std::mem::take(&mut queue.lost);
            queue.jobs.push_back(Item::Lost(lost));
        }
        queue.jobs.push_back(Item::Job(Box::new(job)));
        self.0.changed.notify_all();
    }

    /// Has `job` done when there is time for it, unless a later one comes before that.
    pub fn show(&self, job: impl FnOnce() + Send + 'static) {
        self.0.lock().view = Some(Box::new(job));
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, or no longer.
    pub fn finish(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut queue = self.0.lock();
        while !queue.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.0.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_mins(1);

    /// An outlet, and what it does, as text.
    fn outlet() -> (Outlet, mpsc::Receiver<String>, mpsc::Sender<String>) {
        let (sender, receiver) = mpsc::channel();
        let of_lost = sender.clone();
        (Outlet::start("test", move |count| of_lost.send(format!("{count} lost")).unwrap()).unwrap(), receiver, sender)
    }

    /// Something that takes until what is returned first is dropped; the other one tells that it has begun.
    fn stuck(outlet: &Outlet) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        let (release, released) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        outlet.push(move || {
            begun.send(()).unwrap();
            // Ends when the sender is gone.
            let _ = released.recv();
        });
        (release, begins)
    }

    /// Blocks the thread of `outlet` until what is returned is dropped.
    fn block(outlet: &Outlet) -> mpsc::Sender<()> {
        let (release, begins) = stuck(outlet);
        begins.recv().unwrap();
        release
    }

    #[test]
    fn what_is_written_keeps_its_order() {
        let (outlet, written, sender) = outlet();
        for number in 0..100 {
            let sender = sender.clone();
            outlet.push(move || sender.send(number.to_string()).unwrap());
        }
        outlet.finish(LONG);
        let written: Vec<String> = written.try_iter().collect();
        assert_eq!(written, (0..100).map(|number: i32| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn who_writes_to_one_that_is_blocked_does_not_wait() {
        let (outlet, written, sender) = outlet();
        let blocked = block(&outlet);
        for _ in 0..LONGEST_QUEUE + 7 {
            outlet.push(|| {});
        }
        let start = Instant::now();
        outlet.finish(Duration::from_millis(20));
        assert!(start.elapsed() < LONG);
        drop(blocked);
        outlet.finish(LONG);
        outlet.push(move || sender.send("next".to_owned()).unwrap());
        outlet.finish(LONG);
        assert_eq!(written.try_iter().collect::<Vec<_>>(), ["7 lost", "next"]);
    }

    #[test]
    fn what_is_missing_is_said_where_it_is_missing() {
        let (outlet, written, sender) = outlet();
        let first = block(&outlet);
        let (second, begins) = stuck(&outlet);
        for _ in 0..LONGEST_QUEUE {
            outlet.push(|| {});
        }
        drop(first);
        begins.recv().unwrap();
        // One was taken, so that there is room.
        outlet.push(move || sender.send("later".to_owned()).unwrap());
        drop(second);
        outlet.finish(LONG);
        assert_eq!(written.try_iter().collect::<Vec<_>>(), ["1 lost", "later"]);
    }

    #[test]
    fn of_views_the_last_counts() {
        let (outlet, written, sender) = outlet();
        let blocked = block(&outlet);
        for number in 0..5 {
            let sender = sender.clone();
            outlet.show(move || sender.send(number.to_string()).unwrap());
        }
        drop(blocked);
        outlet.finish(LONG);
        assert_eq!(written.try_iter().collect::<Vec<_>>(), ["4"]);
    }
}
