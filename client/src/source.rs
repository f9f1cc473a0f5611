//! Where a run is looked at: at its coordinator, or in the directory that it left.

use crate::{args::From, connect::Coordinator, directory::Directory, error::Failure};
use program::address;
use proto::v1::{Checkpoint, Epoch, Event, Generation, Recovery, Run};
use std::path::Path;
use tonic::transport::Uri;
use view::records;

/// A run that can be looked at.
#[derive(Debug)]
pub enum Source {
    /// One whose coordinator answers.
    Live(Coordinator),
    /// One that is over.
    Over(Box<Directory>),
}

impl Source {
    /// The run in the directory of `from`, or else that of the coordinator at `url`.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn of(from: &From, url: &Uri) -> Result<Self, Failure> {
        match &from.run_dir {
            Some(run_dir) => Self::in_directory(run_dir),
            None => Coordinator::connect(url).await.map(Self::Live),
        }
    }

    /// The run in `run_dir`.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn in_directory(run_dir: &Path) -> Result<Self, Failure> {
        Directory::read(run_dir).map(|directory| Self::Over(Box::new(directory)))
    }

    /// The run by the directory or the address that `name` is.
    ///
    /// # Errors
    /// If it is neither, or there is no run.
    pub async fn named(name: &str) -> Result<Self, Failure> {
        if Path::new(name).is_dir() {
            return Self::in_directory(Path::new(name));
        }
        match address::parse(name) {
            Ok(uri) if !name.contains('/') || name.contains("://") => Coordinator::connect(&uri).await.map(Self::Live),
            _ => Err(Failure::NoRun(format!("{name} is neither a directory nor an address"))),
        }
    }

    /// The run as it stands.
    ///
    /// # Errors
    /// If the coordinator does not tell, as of everything else here.
    pub async fn run(&self) -> Result<Run, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.run().await,
            Self::Over(directory) => Ok(directory.run()),
        }
    }

    /// The run with all its epochs. A coordinator tells of the newest ones only where the run alone is asked for.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn whole_run(&self) -> Result<Run, Failure> {
        // In this order: no epoch of the run is missing.
        let run = self.run().await?;
        Ok(Run { epochs: self.epochs(false).await?, ..run })
    }

    /// The epochs that are done, with their counts of answers too if `with_confusion`.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn epochs(&self, with_confusion: bool) -> Result<Vec<Epoch>, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.epochs(with_confusion).await,
            Self::Over(directory) => {
                let epochs = directory.chronicle.epochs().iter();
                Ok(epochs.map(|record| records::whole_epoch(record, with_confusion)).collect())
            }
        }
    }

    /// The checkpoints that were written.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.checkpoints().await,
            Self::Over(directory) => {
                Ok(records::checkpoints(&directory.chronicle, &directory.stored, directory.steps()))
            }
        }
    }

    /// The generations.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn generations(&self) -> Result<Vec<Generation>, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.generations().await,
            Self::Over(directory) => Ok(directory.chronicle.generations().map(records::generation).collect()),
        }
    }

    /// The failures that were survived.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn recoveries(&self) -> Result<Vec<Recovery>, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.recoveries().await,
            Self::Over(directory) => Ok(directory.chronicle.recoveries().map(records::recovery).collect()),
        }
    }

    /// The events from number `first` on whose text has `filter` in it, in letters of any size.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn events(&self, first: u64, filter: &str) -> Result<Vec<Event>, Failure> {
        match self {
            Self::Live(coordinator) => coordinator.events(first, filter).await,
            Self::Over(directory) => {
                let filter = filter.to_lowercase();
                let events = directory.chronicle.events_from(first);
                Ok(events.filter(|event| event.text.to_lowercase().contains(&filter)).map(records::event).collect())
            }
        }
    }
}
