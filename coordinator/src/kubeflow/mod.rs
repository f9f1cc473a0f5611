//! Within a TrainJob of Kubeflow Trainer, its controller is told how far the run is. Nothing ever waits for it, but for a moment
//! at the end.

mod place;
mod status;

pub use place::Place;

use crate::{error::Error, outgoing::Receiver};
use proto::v1::Run;
use serde_json::{Value, json};
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant, SystemTime},
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

/// Between two reports: a controller has many jobs, and asks for no more.
const INTERVAL: Duration = Duration::from_secs(5);
/// After a report that was not taken, at the most. The newest is sent then.
const LONGEST: Duration = Duration::from_mins(2);
/// How long a run that stands still is silent.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a report may take.
const TIME: Duration = Duration::from_secs(5);
/// Attempts of the last one.
const LAST: u32 = 3;
/// How long the last report is waited for when the run is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// The thread that reports.
#[derive(Debug)]
pub struct Reports {
    /// It ends when this is dropped.
    stop: mpsc::Sender<()>,
    /// That the last word is sent.
    delivered: oneshot::Receiver<()>,
}

impl Reports {
    /// Reports the run in `view`, of so many `epochs`, to `place`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(place: Place, epochs: u32, view: watch::Receiver<Run>) -> Result<Self, Error> {
        let (stop, stopped) = mpsc::channel();
        let (over, delivered) = oneshot::channel();
        let body = move || {
            report(&place, epochs, &view, &stopped);
            // Whoever waited for it may be gone.
            let _ = over.send(());
        };
        let thread = thread::Builder::new().name("kubeflow".to_owned()).spawn(body);
        thread.map_err(|error| Error::Serve(error.to_string()))?;
        Ok(Self { stop, delivered })
    }

    /// Ends it. The last word is sent, unless that takes too long.
    pub async fn end(self) {
        drop(self.stop);
        // Late or gone: nothing waits for it any longer.
        let _ = timeout(FAREWELL, self.delivered).await;
    }
}

/// Reports until it is told to stop, and once more then.
fn report(place: &Place, epochs: u32, view: &watch::Receiver<Run>, stopped: &mpsc::Receiver<()>) {
    let mut pause = INTERVAL;
    let mut told: Option<(Value, Instant)> = None;
    let mut refused = false;
    loop {
        let status = status::status(&view.borrow().clone(), epochs);
        let is_known = told.as_ref().is_some_and(|(known, at)| *known == status && at.elapsed() < SILENCE);
        if !is_known {
            match send(place, &status, 1) {
                Ok(()) => {
                    if std::mem::take(&mut refused) {
                        tracing::info!("Kubeflow takes the progress of the run again");
                    }
                    (pause, told) = (INTERVAL, Some((status, Instant::now())));
                }
                Err(why) => {
                    if !std::mem::replace(&mut refused, true) {
                        tracing::warn!(
                            "Kubeflow does not take the progress of the run: {why}. Training goes on, and it is tried again"
                        );
                    }
                    pause = (2 * pause).min(LONGEST);
                }
            }
        }
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    let status = status::status(&view.borrow().clone(), epochs);
    if let Err(why) = send(place, &status, LAST) {
        tracing::warn!("Kubeflow was not told how the run ended: {why}");
    }
}

/// Sends a status. Token and certificates are read anew: both change while a run goes on.
fn send(place: &Place, status: &Value, attempts: u32) -> Result<(), String> {
    let (authority, token) = (place.authority()?, place.token()?);
    let mut status = status.clone();
    status["lastUpdatedTime"] = json!(humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
    let receiver = Receiver { url: place.url(), authority, token: Some(&token) };
    receiver.post(&json!({"trainerStatus": status}).to_string(), attempts, TIME)
}
