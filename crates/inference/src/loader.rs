//! The thread that reads checkpoints which are asked for by name, so that no other request waits for a disk.

use crate::{source::Source, thread::Message};
use data::DatasetSpec;
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread,
};

/// What the thread is to do. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loader(Arc<(Mutex<Inbox>, Condvar)>);

#[derive(Debug, Default)]
struct Inbox {
    /// No more than requests that wait for one.
    names: VecDeque<String>,
    closed: bool,
}

impl Loader {
    /// Starts the thread. It sends models to `out`.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn start(&self, source: Source, dataset: Arc<DatasetSpec>, out: mpsc::SyncSender<Message>) -> io::Result<()> {
        let loader = self.clone();
        let body = move || {
            while let Some(name) = loader.next() {
                let model = source.load(&name, &dataset).map(Box::new);
                if out.send(Message::Loaded { name, model }).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("load".to_owned()).spawn(body).map(|_| ())
    }

    /// Has the checkpoint `name` loaded.
    pub fn load(&self, name: String) {
        self.change(|inbox| inbox.names.push_back(name));
    }

    /// Ends the thread.
    pub fn close(&self) {
        self.change(|inbox| inbox.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let (inbox, changed) = &*self.0;
        change(&mut inbox.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_one();
    }

    /// The name that is next. `None` at the end.
    fn next(&self) -> Option<String> {
        let (inbox, changed) = &*self.0;
        let inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |inbox: &mut Inbox| !inbox.closed && inbox.names.is_empty();
        let mut inbox = changed.wait_while(inbox, waiting).unwrap_or_else(PoisonError::into_inner);
        if inbox.closed { None } else { inbox.names.pop_front() }
    }
}
