//! `tensorboard/`: the figures of epochs as TensorBoard reads them.

use super::files::failed;
use crate::error::Error;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use steering::EpochRecord;

/// Where they are in a run directory.
const DIRECTORY: &str = "tensorboard";
/// What the names of event files begin with. TensorBoard reads files with this in their names, in the order of their names.
const PREFIX: &str = "events.out.tfevents.";

/// The event file of a run. It holds what the history holds. When epochs are done again, a new file takes its place.
///
/// It is for people to look at, so nothing ever fails because of it.
pub struct EventFiles {
    directory: PathBuf,
    file: Option<File>,
    /// Whether people were told that it cannot be written.
    told: bool,
}

impl EventFiles {
    /// Those of the run in `run_dir`. Nothing is written yet.
    #[must_use]
    pub fn new(run_dir: &Path) -> Self {
        Self { directory: run_dir.join(DIRECTORY), file: None, told: false }
    }

    /// Whether there are some.
    #[must_use]
    pub fn exist(&self) -> bool {
        event_files(&self.directory).is_ok_and(|files| !files.is_empty())
    }

    /// Adds the last epochs of `history`, so many of them.
    pub fn add(&mut self, history: &[EpochRecord], epochs: usize) {
        let Some(file) = &mut self.file else { return self.write(history) };
        let last = &history[history.len().saturating_sub(epochs)..];
        let bytes: Vec<u8> = last.iter().flat_map(|record| figures(now(), record)).collect();
        if let Err(error) = file.write_all(&bytes) {
            // Half of it may be there. The next epoch brings a new file with all of them.
            self.file = None;
            self.tell(&error);
        }
    }

    /// Writes all of `history` anew.
    pub fn write(&mut self, history: &[EpochRecord]) {
        self.file = None;
        match self.replace(history) {
            Ok(file) => (self.file, self.told) = (Some(file), false),
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&mut self, error: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!("no figures for TensorBoard: {error}; they are written again after the next epoch");
        }
    }

    /// A new file with all of `history`; the earlier ones are removed.
    fn replace(&self, history: &[EpochRecord]) -> Result<File, Error> {
        let directory = &self.directory;
        fs::create_dir_all(directory).map_err(failed("create", directory))?;
        let earlier = event_files(directory)?;
        let now = now();
        let mut bytes = tensorboard::header(now);
        bytes.extend(tensorboard::begin(now, 0));
        // When an epoch ended is not recorded: as if all of them had been done without a break until now.
        let mut at = now - history.iter().map(|record| record.seconds).filter(|time| time.is_finite()).sum::<f64>();
        for record in history {
            at += if record.seconds.is_finite() { record.seconds } else { 0.0 };
            bytes.extend(figures(at, record));
        }
        let path = directory.join(format!("{PREFIX}{now:020.9}.{}", std::process::id()));
        let mut file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(failed("create", &path))?;
        file.write_all(&bytes).map_err(failed("write", &path))?;
        for path in earlier {
            // What is left of it is void: the new file begins at step 0.
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!("cannot remove {}: {error}", path.display());
            }
        }
        Ok(file)
    }
}

/// The event files in `directory`.
fn event_files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(failed("read", directory))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", directory))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// The figures of an epoch. Steps are epochs, from 1.
fn figures(at: f64, record: &EpochRecord) -> Vec<u8> {
    let figures = [
        ("train/loss", record.train_loss),
        ("train/accuracy", record.train_accuracy),
        ("test/loss", record.test_loss),
        ("test/accuracy", record.test_accuracy),
        ("train/learning_rate", record.lr),
        ("perf/images_per_second", record.images_per_second),
    ];
    tensorboard::scalars(at, u64::from(record.epoch) + 1, &figures)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Confusion;
    use schedule::ScheduleState;

    fn record(epoch: u32) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: f64::NAN,
            train_accuracy: 0.1,
            train_images: 512,
            test_loss: 2.0,
            test_accuracy: 0.25,
            confusion: Confusion::new(2),
            lr: 0.1,
            seconds: 3.0,
            train_seconds: 1.0,
            images_per_second: 512.0,
            note: None,
            schedule: ScheduleState::new(0.1),
        }
    }

    /// How many records each event file in a run directory has.
    fn lengths(run_dir: &Path) -> Vec<usize> {
        let files = event_files(&run_dir.join(DIRECTORY)).unwrap();
        files.iter().map(|file| tensorboard::records(&fs::read(file).unwrap()).unwrap().len()).collect()
    }

    #[test]
    fn there_is_one_file_and_it_holds_the_history() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut files = EventFiles::new(run_dir.path());
        let history: Vec<EpochRecord> = (0..3).map(record).collect();
        files.add(&history[..1], 1);
        files.add(&history[..2], 1);
        assert_eq!(lengths(run_dir.path()), [2 + 2]);
        files.write(&history[..1]);
        assert_eq!(lengths(run_dir.path()), [2 + 1], "epochs that are done again");
        EventFiles::new(run_dir.path()).write(&history);
        assert_eq!(lengths(run_dir.path()), [2 + 3], "the next coordinator");
    }

    #[test]
    fn a_place_that_cannot_be_written_ends_nothing() {
        let run_dir = tempfile::tempdir().unwrap();
        fs::write(run_dir.path().join(DIRECTORY), "in the way").unwrap();
        let mut files = EventFiles::new(run_dir.path());
        let history = [record(0), record(1)];
        files.add(&history[..1], 1);
        fs::remove_file(run_dir.path().join(DIRECTORY)).unwrap();
        files.add(&history, 1);
        assert_eq!(lengths(run_dir.path()), [2 + 2]);
    }
}
