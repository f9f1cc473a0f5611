//! Who else is told: the webhook and the command, each in its own time.

use super::{FAREWELL, command, note::Note, spawn, webhook};
use crate::error::Error;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    time::Instant,
};
use url::Url;

/// Alerts that wait for one that is slow.
const WAITING: usize = 64;

/// How one of them is told.
type Deliver = dyn Fn(&Note) -> Result<(), String> + Send + Sync;

/// All of them.
#[derive(Debug, Default)]
pub struct Receivers(Vec<Outlet>);

/// One of them, with a thread of its own.
#[derive(Debug)]
struct Outlet {
    name: &'static str,
    thread: &'static str,
    queue: SyncSender<Note>,
    delivery: Arc<Delivery>,
    over: mpsc::Sender<()>,
    /// Broken off once all is delivered.
    ended: Receiver<()>,
}

/// What is on its way to one of them.
struct Delivery {
    notes: Mutex<Receiver<Note>>,
    /// What it has not been told yet.
    open: Mutex<Vec<Note>>,
    deliver: Box<Deliver>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Receivers {
    /// Starts a thread for each that is given.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(webhook: Option<Url>, command: Option<String>) -> Result<Self, Error> {
        let mut outlets = Vec::new();
        if let Some(url) = webhook {
            outlets.push(Outlet::start("the webhook", "webhook", move |note| webhook::post(&url, note))?);
        }
        if let Some(command) = command {
            let run = move |note: &Note| command::run(&command, note);
            outlets.push(Outlet::start("the command of alerts", "alert-command", run)?);
        }
        Ok(Self(outlets))
    }

    /// Tells all, and waits for none.
    pub fn tell(&self, note: &Note) {
        for outlet in &self.0 {
            outlet.tell(note);
        }
    }

    /// Waits until all is delivered, but not for long. One that is still busy with an alert is told of the others beside it.
    pub fn end(self) {
        let until = Instant::now() + FAREWELL;
        let leaving: Vec<_> = self.0.into_iter().map(Outlet::close).collect();
        for (name, delivery, ended) in leaving {
            // It sends nothing: it ends or it is late.
            let _ = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
            for note in delivery.open().drain(..) {
                tracing::warn!("{name} was not told that {}: the run is over, and it takes too long", note.text());
            }
        }
    }
}

impl Outlet {
    fn start(
        name: &'static str,
        thread: &'static str,
        deliver: impl Fn(&Note) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let (queue, notes) = mpsc::sync_channel(WAITING);
        let (over, ended) = mpsc::channel();
        let (notes, open) = (Mutex::new(notes), Mutex::default());
        let outlet = Self {
            name,
            thread,
            queue,
            delivery: Arc::new(Delivery { notes, open, deliver: Box::new(deliver) }),
            over,
            ended,
        };
        outlet.go()?;
        Ok(outlet)
    }

    /// Delivers, on a thread.
    fn go(&self) -> Result<(), Error> {
        let (name, delivery, over) = (self.name, Arc::clone(&self.delivery), self.over.clone());
        spawn(self.thread, move || {
            // Dropped at the end, which says that all is delivered.
            let _over = over;
            while let Some(note) = delivery.next() {
                let delivered = (delivery.deliver)(&note);
                if delivery.close(&note)
                    && let Err(why) = delivered
                {
                    tracing::warn!("{name} was not told that {}: {why}", note.text());
                }
            }
        })
    }

    fn tell(&self, note: &Note) {
        self.delivery.open().push(note.clone());
        if let Err(TrySendError::Full(note) | TrySendError::Disconnected(note)) = self.queue.try_send(note.clone()) {
            self.delivery.close(&note);
            tracing::warn!("{} is too slow, and was not told that {}", self.name, note.text());
        }
    }

    /// Takes no more, and delivers what is left by a second thread too: the first may be busy for long.
    fn close(self) -> (&'static str, Arc<Delivery>, Receiver<()>) {
        let begun = self.go();
        let Self { name, queue, delivery, over, ended, .. } = self;
        drop((queue, over));
        if let Err(error) = begun {
            tracing::warn!("{name} is told one by one: {error}");
        }
        (name, delivery, ended)
    }
}

impl Delivery {
    /// Waits for the next; `None` if no more will come.
    fn next(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    fn open(&self) -> MutexGuard<'_, Vec<Note>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That nothing has to be said of `note` any more. Whether it was open.
    fn close(&self, note: &Note) -> bool {
        let mut open = self.open();
        let place = open.iter().position(|other| other == note);
        place.map(|place| open.remove(place)).is_some()
    }
}
