//! A run whose model answers, and that nobody trains here.

use crate::{
    services::Predictor,
    web::{Asked, finished},
};
use checkpoint::Manifest;
use chronicle::{Chronicle, Fact};
use page::Shown;
use proto::v1::Run;
use std::{path::Path, sync::Arc};
use tokio::sync::watch;

/// What `coordinator serve` shows of `path`, a run directory or one checkpoint. The newest one is `name`, with this `manifest`. The
/// sender is for those that come later.
///
/// The course of a run is shown if its journal can be read: one that is at work keeps it to itself. The model answers anyway.
pub(crate) fn served(
    path: &Path,
    (name, manifest): (&str, &Manifest),
    data_dir: &Path,
    predictor: Predictor,
) -> (Shown, watch::Sender<Run>) {
    let course = if path.join("checkpoints").is_dir() { course(path) } else { None };
    // A journal that was lost knows no run, and a checkpoint does.
    let course = course.filter(|(run, _)| run.model().is_some());
    let (mut run, chronicle) = course.unwrap_or_else(|| of_manifest(manifest));
    name.clone_into(&mut run.checkpoint);
    let images = finished::images(&chronicle, data_dir);
    let (run, chronicle) = (watch::Sender::new(run), watch::Sender::new(chronicle).subscribe());
    let shown = Shown::new(&path.display().to_string(), run.subscribe(), chronicle);
    (Shown { images, model: Some(Arc::new(Asked(predictor))), ..shown }, run)
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
