//! The thread that makes models of checkpoints, so that no request waits for a disk but those that ask for what is there.

use crate::{answer::PredictError, model::Model, source::Source, thread::Message};
use checkpoint::Manifest;
use data::DatasetSpec;
use state::State;
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
    /// Only the last one counts.
    newest: Option<(String, Manifest, Arc<State>)>,
    named: VecDeque<String>,
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
            while let Some(message) = loader.next(&source, &dataset) {
                if out.send(message).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("load".to_owned()).spawn(body).map(|_| ())
    }

    /// Has the newest checkpoint loaded.
    pub fn newest(&self, name: &str, manifest: &Manifest, state: Arc<State>) {
        self.change(|inbox| inbox.newest = Some((name.to_owned(), manifest.clone(), state)));
    }

    /// Has the checkpoint `name` loaded.
    pub fn named(&self, name: String) {
        self.change(|inbox| inbox.named.push_back(name));
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

    /// What came of the next checkpoint. `None` at the end.
    fn next(&self, source: &Source, dataset: &DatasetSpec) -> Option<Message> {
        loop {
            match self.wait()? {
                Wanted::Newest(name, manifest, state) => {
                    if let Some(message) = newest(&name, &manifest, &state, dataset) {
                        return Some(message);
                    }
                }
                Wanted::Named(name) => {
                    let model = source.load(&name, dataset).map(Box::new);
                    return Some(Message::Loaded { name, model });
                }
            }
        }
    }

    /// What is wanted next. `None` at the end.
    fn wait(&self) -> Option<Wanted> {
        let (inbox, changed) = &*self.0;
        let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if inbox.closed {
                return None;
            }
            if let Some((name, manifest, state)) = inbox.newest.take() {
                return Some(Wanted::Newest(name, Box::new(manifest), state));
            }
            if let Some(name) = inbox.named.pop_front() {
                return Some(Wanted::Named(name));
            }
            inbox = changed.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A checkpoint that is wanted.
enum Wanted {
    Newest(String, Box<Manifest>, Arc<State>),
    Named(String),
}

fn newest(name: &str, manifest: &Manifest, state: &State, dataset: &DatasetSpec) -> Option<Message> {
    match Model::new(name, manifest, state, dataset) {
        Ok(model) => Some(Message::Newest(Box::new(model))),
        Err(why) => {
            let error = PredictError::Unusable { name: name.to_owned(), why };
            tracing::warn!("{error}; the one before answers");
            None
        }
    }
}
