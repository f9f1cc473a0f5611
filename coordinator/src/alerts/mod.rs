//! What somebody has to be told at once goes to the log, the journal, the page, a webhook and a command. Nothing ever waits for any of them.

mod arguments;
mod command;
mod disk;
mod note;
mod receivers;
mod webhook;

pub use arguments::AlertArgs;

use crate::{error::Error, helm::HelmInput};
use alerts::{Alert, Lookout, Rules, Seen, Severity, Status};
use chronicle::{Chronicle, Fact};
use disk::Watched;
use note::Note;
use proto::v1::Run;
use receivers::Receivers;
use std::{
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc as inputs, oneshot, watch},
    time::timeout,
};
use url::Url;

/// Between two looks at the run.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the last alerts are waited for when the run is over.
const FAREWELL: Duration = Duration::from_secs(5);
/// Until what was not delivered is told.
const WORD: Duration = Duration::from_secs(1);

/// Who is told, and from when on.
#[derive(Debug, Clone, Default)]
pub struct AlertOptions {
    /// From when on.
    pub rules: Rules,
    /// Gets each alert as JSON, by POST.
    pub webhook: Option<Url>,
    /// A command of the shell. It gets each alert as JSON on its standard input.
    pub command: Option<String>,
}

/// The thread that keeps a lookout.
#[derive(Debug)]
pub struct Alerts {
    /// It ends when this is dropped.
    stop: mpsc::Sender<()>,
    /// That all is delivered.
    delivered: oneshot::Receiver<()>,
}

impl Alerts {
    /// Keeps a lookout over the run in `view`, which is kept in `run_dir`. Each alert goes to the `chronicle`, and what is news to
    /// the journal through `inputs`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(
        options: AlertOptions,
        run_dir: &Path,
        view: watch::Receiver<Run>,
        inputs: inputs::Sender<HelmInput>,
        chronicle: watch::Sender<Chronicle>,
    ) -> Result<Self, Error> {
        let (stop, stopped) = mpsc::channel();
        let (over, delivered) = oneshot::channel();
        let disk = Watched::start(run_dir)?;
        let told = Told { inputs, chronicle, receivers: Receivers::start(options.webhook, options.command)? };
        let lookout = Lookout::new(options.rules);
        spawn("alerts", move || {
            watch_over(lookout, &view, &disk, &stopped, |alert, run| told.tell(alert, run));
            let Told { receivers, .. } = told;
            receivers.end();
            // Whoever waited for it may be gone.
            let _ = over.send(());
        })?;
        Ok(Self { stop, delivered })
    }

    /// Ends it. What is to be told last is told, unless that takes too long.
    pub async fn end(self) {
        drop(self.stop);
        // Late or gone: nothing waits for it any longer.
        let _ = timeout(FAREWELL + WORD, self.delivered).await;
    }
}

/// Looks at the run until it is told to stop, and once more then.
fn watch_over(
    mut lookout: Lookout,
    view: &watch::Receiver<Run>,
    disk: &Watched,
    stopped: &mpsc::Receiver<()>,
    tell: impl Fn(&Alert, &Run),
) {
    let began = Instant::now();
    loop {
        let last = stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Disconnected);
        let run = view.borrow().clone();
        for alert in lookout.look(&Seen { run: &run, at: began.elapsed(), disk: disk.now() }) {
            tell(&alert, &run);
        }
        if last {
            return;
        }
    }
}

/// All who are told.
struct Told {
    inputs: inputs::Sender<HelmInput>,
    chronicle: watch::Sender<Chronicle>,
    receivers: Receivers,
}

impl Told {
    fn tell(&self, alert: &Alert, run: &Run) {
        log(alert);
        if alert.kind.is_news() {
            // A helm that is busy has more important things to record.
            let _ = self.inputs.try_send(HelmInput::Note { text: alert.text.clone() });
        }
        let note = Note::new(alert, run);
        self.chronicle.send_modify(|chronicle| chronicle.add(note.at(), Fact::Alert(shown(alert))));
        self.receivers.tell(&note);
    }
}

/// An alert as people see it.
fn shown(alert: &Alert) -> chronicle::Alert {
    // These are words in JSON too.
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    chronicle::Alert {
        kind: word(serde_json::to_value(alert.kind)),
        status: word(serde_json::to_value(alert.status)),
        severity: word(serde_json::to_value(alert.severity)),
        worker: alert.worker.clone(),
        text: alert.text.clone(),
        advice: alert.advice.to_owned(),
    }
}

/// What the log does not tell anyway.
fn log(alert: &Alert) {
    if !alert.kind.is_news() {
        return;
    }
    match (alert.severity, alert.status) {
        (Severity::Info, _) | (_, Status::Resolved) => tracing::info!("{}", alert.text),
        (Severity::Warning | Severity::Critical, Status::Firing) => tracing::warn!("{}", alert.text),
    }
}

/// A thread with a name.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map(drop).map_err(|error| Error::Serve(error.to_string()))
}

#[cfg(test)]
mod tests;
