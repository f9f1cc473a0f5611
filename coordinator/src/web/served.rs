//! A run whose model answers, and that nobody trains here.

use crate::{
    services::Predictor,
    web::{Asked, finished},
};
use checkpoint::Manifest;
use chronicle::{Chronicle, Fact};
use humantime::format_rfc3339_seconds;
use page::Shown;
use proto::v1::{Run, RunState};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio::{sync::watch, task::spawn_blocking};

/// What `coordinator serve` shows of `path`, a run directory or one checkpoint. The newest one is `name`, with this `manifest`.
/// Checkpoints that come later are to be told to the second of what is returned.
///
/// The course of a run is shown if its journal can be read: one that is at work keeps it to itself. The model answers anyway.
pub(crate) fn served(path: &Path, newest: (&str, &Manifest), data_dir: &Path, predictor: Predictor) -> (Shown, Course) {
    let course = Course::new(path, newest);
    let images = finished::images(&course.chronicle.borrow(), data_dir);
    let shown = Shown::new(&path.display().to_string(), course.run.subscribe(), course.chronicle.subscribe());
    (Shown { images, model: Some(Arc::new(Asked(predictor))), ..shown }, course)
}

/// The course of a run whose model answers, as far as it can be read.
#[derive(Debug)]
pub(crate) struct Course {
    /// `None` for one checkpoint, which has no course.
    run_dir: Option<PathBuf>,
    run: watch::Sender<Run>,
    chronicle: watch::Sender<Chronicle>,
    /// When it was read.
    read_at: Option<SystemTime>,
    /// Whether the run may have gone on since.
    behind: bool,
}

impl Course {
    fn new(path: &Path, (name, manifest): (&str, &Manifest)) -> Self {
        let run_dir = path.join("checkpoints").is_dir().then(|| path.to_owned());
        let read = run_dir.as_deref().and_then(course);
        let read_at = read.as_ref().map(|_| SystemTime::now());
        let behind = run_dir.is_some() && read.is_none();
        let (mut run, chronicle) = read.unwrap_or_else(|| of_manifest(manifest));
        name.clone_into(&mut run.checkpoint);
        if run.model().is_none() {
            // A journal that was lost knows no run, and a checkpoint does.
            run.config = of_manifest(manifest).0.config;
        }
        Self { run_dir, run: watch::Sender::new(run), chronicle: watch::Sender::new(chronicle), read_at, behind }
    }

    /// The checkpoint `name`, with this `manifest`, answers from now on. As long as the journal cannot be read, what is shown says of
    /// when it is.
    pub async fn answers(&mut self, name: &str, manifest: &Manifest) {
        self.behind = true;
        self.run.send_modify(|run| {
            name.clone_into(&mut run.checkpoint);
            run.best_accuracy = run.best_accuracy.into_iter().chain(manifest.test_accuracy).reduce(f64::max);
            if let Some(at) = self.read_at {
                run.set_state(RunState::Unspecified);
                run.reason = format!(
                    "curves and records are those of {}: the run has gone on since, and its coordinator keeps them to itself. \
                     The newest checkpoint answers",
                    format_rfc3339_seconds(at)
                );
            }
        });
        self.catch_up().await;
    }

    /// Reads it again if the run may have gone on, and nobody is at work on it any more.
    pub async fn catch_up(&mut self) {
        let Some(run_dir) = self.run_dir.clone().filter(|_| self.behind) else { return };
        // What cannot be read now may be read later.
        let Ok(Ok((mut run, chronicle))) = spawn_blocking(move || finished::course(&run_dir)).await else { return };
        run.checkpoint.clone_from(&self.run.borrow().checkpoint);
        self.run.send_replace(run);
        self.chronicle.send_replace(chronicle);
        (self.read_at, self.behind) = (Some(SystemTime::now()), false);
    }
}

fn course(run_dir: &Path) -> Option<(Run, Chronicle)> {
    match finished::course(run_dir) {
        Ok(course) => Some(course),
        Err(error) => {
            tracing::warn!("the page shows the model alone: {error}");
            None
        }
    }
}

/// What a checkpoint tells of its run.
fn of_manifest(manifest: &Manifest) -> (Run, Chronicle) {
    let mut chronicle = Chronicle::default();
    let config = serde_json::to_value(&manifest.config).unwrap_or_default();
    let told = Some(proto::to_message(&config));
    chronicle.add(manifest.written_at as f64, Fact::Run { id: manifest.run_id.clone(), config });
    let run = Run {
        id: manifest.run_id.clone(),
        config: told,
        reason: "predictions are answered; the run itself is not shown".to_owned(),
        epoch: manifest.position.epoch,
        best_accuracy: manifest.test_accuracy,
        ..Run::default()
    };
    (run, chronicle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, Journal};
    use checkpoint::{Saved, Store, initial_state};
    use config::RunConfig;
    use plan::Confusion;
    use schedule::ScheduleState;
    use steering::EpochRecord;

    fn epoch(epoch: u32) -> Entry {
        Entry::Epoch(Box::new(EpochRecord {
            epoch,
            train_loss: 1.0,
            train_accuracy: 0.5,
            train_images: 100,
            test_loss: 1.0,
            test_accuracy: 0.25,
            confusion: Confusion::new(2),
            lr: 0.1,
            seconds: 1.0,
            train_seconds: 1.0,
            images_per_second: 100.0,
            note: None,
            schedule: ScheduleState::new(0.1),
        }))
    }

    #[tokio::test]
    async fn what_is_shown_follows_the_run_or_says_of_when_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (store, config) = (Store::new(directory.path().join("checkpoints")), RunConfig::default());
        let state = initial_state(&config, config.architecture().unwrap().layout());
        let schedule = ScheduleState::new(0.1);
        let saved =
            Saved { run_id: "r", config: &config, schedule: &schedule, evaluation: Some((1.0, 0.75)), state: &state };
        let (name, manifest) = store.write(&saved).unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.record(0.0, [epoch(0)]).unwrap();
        drop(journal);

        let mut course = Course::new(directory.path(), (&name, &manifest));
        let (run, chronicle) = (course.run.subscribe(), course.chronicle.subscribe());
        let shown = || (chronicle.borrow().epochs().len(), run.borrow().checkpoint.clone(), run.borrow().best_accuracy);
        assert_eq!(shown(), (1, name.clone(), Some(0.25)));
        // Somebody trains it, and a checkpoint comes.
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.record(0.0, [epoch(1)]).unwrap();
        course.answers("step-2", &manifest).await;
        assert_eq!(shown(), (1, "step-2".to_owned(), Some(0.75)));
        assert!(run.borrow().reason.starts_with("curves and records are those of 20"), "{}", run.borrow().reason);
        // It is over.
        drop(journal);
        course.catch_up().await;
        assert_eq!(shown(), (2, "step-2".to_owned(), Some(0.25)));
        assert!(!run.borrow().reason.contains("curves"), "{}", run.borrow().reason);
    }
}
