//! Runs that are over, beside each other.

use crate::{
    connections::{most, of_the_page},
    display::Display,
    error::Error,
    web::{Http, Site},
};
use chronicle::Chronicle;
use clap::Parser;
use page::{Images, Shown};
use program::{Format, arguments};
use proto::v1::{Run, RunState};
use serde_json::Value;
use std::{
    ffi::OsString,
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// The word that stands before the other arguments.
const WORD: &str = "view";

/// Shows runs that are over in a browser, and compares several. It changes nothing in their directories
#[derive(Debug, Clone, Parser)]
#[command(name = "coordinator view", version)]
pub struct ViewArgs {
    /// Run directories
    #[arg(value_name = "RUN_DIR", required = true)]
    pub run_dirs: Vec<PathBuf>,

    /// The address of the page; without a port, the first that is free from 8080 on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub http: Http,

    /// Where the data set's files are, for its pictures
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Log lines as text or as JSON
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
}

impl ViewArgs {
    /// Reads a command line that begins with `coordinator view`, and the environment. `None` if it begins otherwise.
    ///
    /// # Errors
    /// What makes no sense, or which help was asked for.
    pub fn read(line: &[OsString]) -> Option<Result<Self, Error>> {
        let rest = line.get(1).filter(|word| *word == WORD).map(|_| &line[1..])?;
        Some(arguments::read(arguments::command::<Self>(&[]), rest, &[]).map_err(Error::from))
    }
}

/// Shows runs that are over, until `stop` ends. Nothing in their directories changes. Of several, those that cannot be shown are
/// left out, and named.
///
/// # Errors
/// If none of them can be read, or the address cannot be had.
pub async fn view(asked: &ViewArgs, display: &Display, stop: impl Future<Output = String>) -> Result<(), Error> {
    let runs = readable(&asked.run_dirs, &asked.data_dir)?;
    let listener = asked.http.bind().await?.ok_or(Error::NoPage)?;
    let site = Site::start(listener, (runs, false), None, of_the_page(most()), &[], display)?;
    stop.await;
    site.close().await;
    Ok(())
}

/// What each is called: its directory's own name, or the whole path where two have the same.
fn names(run_dirs: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let is_alone = |wanted: &Option<String>| run_dirs.iter().filter(|other| name(other) == *wanted).count() == 1;
    let names = run_dirs.iter().map(|path| match name(path).filter(|name| is_alone(&Some(name.clone()))) {
        Some(name) => name,
        None => path.display().to_string(),
    });
    names.collect()
}

/// The runs that can be shown.
fn readable(run_dirs: &[PathBuf], data_dir: &Path) -> Result<Vec<Shown>, Error> {
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for (run_dir, name) in run_dirs.iter().zip(&names(run_dirs)) {
        match shown(run_dir, name, data_dir) {
            Ok(run) => runs.push(run),
            Err(why) => left_out.push((run_dir, why)),
        }
    }
    if runs.is_empty()
        && let Some((_, why)) = left_out.pop()
    {
        return Err(why);
    }
    for (run_dir, why) in left_out {
        tracing::warn!("{} is left out: {why}", run_dir.display());
    }
    Ok(runs)
}

fn shown(run_dir: &Path, name: &str, data_dir: &Path) -> Result<Shown, Error> {
    let (run, chronicle) = course(run_dir)?;
    let images = images(&chronicle, data_dir);
    // Nobody sends anything any more.
    let (run, chronicle) = (watch::Sender::new(run).subscribe(), watch::Sender::new(chronicle).subscribe());
    Ok(Shown { images, ..Shown::new(name, run, chronicle) })
}

/// A run that is over, and what it has been through.
pub(crate) fn course(run_dir: &Path) -> Result<(Run, Chronicle), Error> {
    let chronicle = chronicle::read(run_dir)?;
    let summary = summary(run_dir)?;
    Ok((run(&chronicle, &summary), chronicle))
}

/// What the run left of itself. Null if it was killed before it could.
fn summary(run_dir: &Path) -> Result<Value, Error> {
    let path = run_dir.join("summary.json");
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let failed = |why: String| Error::RunDir { operation: "read", path: path.clone(), why };
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// The run as its coordinator would have shown it in the end.
fn run(chronicle: &Chronicle, summary: &Value) -> Run {
    let text = |key: &str| summary[key].as_str().unwrap_or_default().to_owned();
    let state = match summary["state"].as_str() {
        Some("finished") => RunState::Finished,
        Some("stopped") => RunState::Stopped,
        Some("failed") => RunState::Failed,
        _ => RunState::Unspecified,
    };
    let reason = match state {
        RunState::Unspecified => {
            "it left no summary: its coordinator was killed. The command that began it goes on from there".to_owned()
        }
        _ => text("reason"),
    };
    let config = chronicle.config();
    let number = |key: &str| config[key].as_u64().unwrap_or_default();
    let batch = number("batch_size").max(1);
    let last = chronicle.epochs().last();
    let best = chronicle.epochs().iter().map(|record| record.test_accuracy).fold(f64::NAN, f64::max);
    let newest = chronicle.recoveries().skip(chronicle.recoveries().len().saturating_sub(::view::records::RECOVERIES));
    Run {
        id: chronicle.id().to_owned(),
        config: Some(proto::to_message(config)),
        state: state.into(),
        reason,
        epoch: last.map_or(0, |record| record.epoch),
        steps_per_epoch: number("train_samples").div_ceil(batch) as u32,
        step: last.map_or(0, |_| number("train_samples").div_ceil(batch) as u32),
        train_loss: last.map(|record| record.train_loss),
        train_accuracy: last.map(|record| record.train_accuracy),
        learning_rate: last.map_or(f64::NAN, |record| record.lr),
        images_per_second: summary["images_per_second"].as_f64().unwrap_or_default(),
        epochs: ::view::records::newest_epochs(chronicle.epochs()),
        recoveries: newest.map(::view::records::recovery).collect(),
        events: chronicle.next_event(),
        generation: chronicle.generations().next_back().map_or(0, |generation| generation.generation),
        checkpoint: text("checkpoint"),
        best_checkpoint: text("best_checkpoint"),
        best_accuracy: summary["best_accuracy"].as_f64().or(Some(best).filter(|best| !best.is_nan())),
        wall_seconds: summary["wall_seconds"].as_f64().unwrap_or_default(),
        ..Run::default()
    }
}

/// The test images of the run's data set, if they are in `data_dir` when somebody asks.
pub(crate) fn images(chronicle: &Chronicle, data_dir: &Path) -> Option<Arc<Images>> {
    let spec: config::DatasetSpec = serde_json::from_value(chronicle.config()["dataset"].clone()).ok()?;
    let limit = chronicle.config()["test_samples"].as_u64()? as usize;
    let data_dir = data_dir.to_owned();
    let spec = Arc::new(spec);
    Some(Arc::new(Images::new(move || {
        importers::open(&spec, &data_dir, data::Split::Test, Some(limit)).map_err(|error| error.to_string())
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_tells_of_every_flag() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
        let command = <ViewArgs as clap::CommandFactory>::command();
        program::reference::check(&page, "coordinator view", &program::reference::section(&command, &[])).unwrap();
    }

    #[test]
    fn runs_are_called_by_the_shortest_name_that_tells_them_apart() {
        let called = names(&["runs/a".into(), "runs/b/".into(), "old/b".into()]);
        assert_eq!(called, ["a", "runs/b/", "old/b"]);
    }

    #[test]
    fn a_run_without_a_summary_was_killed() {
        let run = run(&Chronicle::default(), &Value::Null);
        assert_eq!((run.state(), run.best_accuracy), (RunState::Unspecified, None));
        assert!(run.reason.contains("was killed"), "{}", run.reason);
    }

    #[test]
    fn of_several_runs_those_that_can_be_read_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let [good, broken, empty] = ["good", "broken", "empty"].map(|name| directory.path().join(name));
        for path in [&good, &broken, &empty] {
            fs::create_dir(path).unwrap();
        }
        drop(crate::journal::Journal::open(&good).unwrap());
        fs::write(broken.join("journal.sqlite"), "no database").unwrap();
        let shown = |dirs: &[&PathBuf]| {
            readable(&dirs.iter().map(|dir| (*dir).clone()).collect::<Vec<_>>(), Path::new("nowhere"))
                .map(|runs| runs.len())
        };
        assert_eq!(shown(&[&empty, &good, &broken]).unwrap(), 1);
        assert!(shown(&[&broken]).unwrap_err().to_string().contains("broken"));
        assert!(shown(&[&broken, &empty]).is_err());
    }
}
