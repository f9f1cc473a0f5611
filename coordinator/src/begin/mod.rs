//! What a coordinator finds in its run directory, and where the run begins or resumes.
//!
//! A run never starts over in a directory that holds one. A checkpoint that cannot be understood is passed over with a
//! warning, and kept. If there is nothing else to resume from, the coordinator refuses to begin and names it.

mod history;
mod import;
mod resume;
mod tidy;

use crate::{
    args::Args,
    error::Error,
    helm::PrecisionChoice,
    journal::{Entry, Journal},
    settings,
};
use checkpoint::{Found, Manifest, PassedOver, Store};
use config::RunConfig;
use import::{Origin, TakenIn};
use plan::Position;
use resume::Resume;
use state::State;
use std::{fs, path::PathBuf, sync::Arc};
use steering::Start;

/// A run that is ready to begin or to resume.
pub struct Begun {
    /// The run's id.
    pub run_id: String,
    /// Its configuration: all that decides the weights.
    pub config: RunConfig,
    /// Who decides its precision.
    pub precision: PrecisionChoice,
    /// Its directory, which this coordinator has to itself.
    pub run_dir: PathBuf,
    /// The journal in that directory, open and locked.
    pub journal: Journal,
    /// What the state machine starts from: generation, epochs, checkpoint.
    pub start: Start,
    /// The newest checkpoint: name, manifest, state.
    pub newest: Option<(String, Manifest, Arc<State>)>,
}

/// Begins the run that `args` ask for, or resumes it. `check` says whether a configuration can be run here.
///
/// # Errors
/// If it cannot begin. The directory is then as it was, except that leftovers of a killed coordinator are tidied up.
pub fn begin(args: &Args, check: impl Fn(&RunConfig) -> Result<(), Error>) -> Result<Begun, Error> {
    let run_dir = settings::run_dir(args);
    for unused in &args.asked.0.unused {
        tracing::warn!("{unused}: it has no effect");
    }
    // Plain mistakes are found before anything is created.
    settings::run_config(args, None)?;
    fs::create_dir_all(&run_dir).map_err(|error| Error::RunDir {
        operation: "create",
        path: run_dir.clone(),
        why: format!("{error}; give another --run-dir"),
    })?;
    let mut journal = Journal::open(&run_dir)?;
    let store = Store::new(run_dir.join("checkpoints"));
    tidy::tidy(&run_dir, &mut journal, &store)?;
    let run = journal.run()?;
    let directory = Directory { args, run_dir, journal, store };
    match Resume::of(&args.resume) {
        Resume::Never if run.is_some() => Err(Error::RunExists { run_dir: directory.run_dir }),
        Resume::From(path) => match import::wanted(&path, &directory.journal)? {
            Some(source) => directory.begin_from(run, source, check),
            None => directory.go_on(run.as_ref(), check),
        },
        Resume::Auto | Resume::Never => directory.go_on(run.as_ref(), check),
    }
}

/// A run directory that this coordinator has to itself.
struct Directory<'a> {
    args: &'a Args,
    run_dir: PathBuf,
    journal: Journal,
    store: Store,
}

impl Directory<'_> {
    /// Begins from a checkpoint from elsewhere, or from an earlier one of the run.
    fn begin_from(
        mut self,
        run: Option<(String, RunConfig)>,
        source: Origin,
        check: impl Fn(&RunConfig) -> Result<(), Error>,
    ) -> Result<Begun, Error> {
        let (run_id, stored) = run.unzip();
        // If the journal was lost, a checkpoint in the directory still names its run.
        let run_id = match run_id {
            None if import::name_of(&self.store, &source.path)?.is_some() => Some(source.manifest.run_id.clone()),
            run_id => run_id,
        };
        let theirs = &source.manifest.config;
        let config = settings::run_config(self.args, Some(stored.as_ref().unwrap_or(theirs)))?;
        let begun = epochs_begun(source.manifest.position);
        if let Some(stored) = &stored {
            self.check_unchanged(stored, &config, begun)?;
        }
        let differences = theirs.conflicts(&config, begun);
        if !differences.is_empty() {
            return Err(Error::CheckpointDiffers { checkpoint: source.path, differences });
        }
        check(&config)?;
        let fresh = new_run_id(&config);
        let TakenIn { run_id, found } =
            import::take_in(&mut self.journal, &self.store, run_id, fresh, &config, source)?;
        if self.journal.epochs()?.is_empty() {
            tidy::empty_metrics(&self.run_dir, true)?;
        }
        self.begun(run_id, config, PrecisionChoice::Fixed, Some(found))
    }

    /// Resumes the run in the directory, or begins one if there is none.
    fn go_on(
        mut self,
        run: Option<&(String, RunConfig)>,
        check: impl Fn(&RunConfig) -> Result<(), Error>,
    ) -> Result<Begun, Error> {
        let store = run.map_or_else(|| self.store.clone(), |(run_id, _)| self.store.of_run(run_id));
        let (newest, passed_over) = store.newest()?;
        self.judge(run.is_some(), newest.as_ref(), &passed_over)?;
        // The journal does not know the run of its checkpoints: it was lost, or a full disk never took it.
        let adopted = run.is_none().then_some(newest.as_ref()).flatten();
        let adopted = adopted.map(|(_, manifest, _)| (manifest.run_id.clone(), manifest.config.clone()));
        let known = run.or(adopted.as_ref());
        if adopted.is_some() && self.args.resume == "never" {
            return Err(Error::RunExists { run_dir: self.run_dir });
        }
        let config = settings::run_config(self.args, known.map(|(_, config)| config))?;
        let recorded = self.journal.epochs()?.last().map_or(0, |record| record.epoch + 1);
        let precision = match known {
            _ if self.args.asked.has("precision") => PrecisionChoice::Fixed,
            None => PrecisionChoice::Open,
            // Nothing of the training is saved.
            Some(_) if newest.is_none() && recorded == 0 => PrecisionChoice::Chosen,
            Some(_) => PrecisionChoice::Fixed,
        };
        if let Some((_, known)) = known {
            let saved = newest.as_ref().map_or(0, |(_, manifest, _)| epochs_begun(manifest.position));
            self.check_unchanged(known, &config, recorded.max(saved))?;
        }
        if known.is_none() {
            config.check_new()?;
        }
        check(&config)?;
        let run_id = known.map_or_else(|| new_run_id(&config), |(run_id, _)| run_id.clone());
        if let (Some((_, manifest, _)), true) = (&newest, adopted.is_some()) {
            tracing::warn!(
                "the journal in {} knows no run, and its checkpoints are of run {run_id}: going on with that from {}. \
                 The figures of the epochs before are not known",
                self.run_dir.display(),
                manifest.position
            );
        }
        self.record_run(run.map(|(_, config)| config), &run_id, &config, precision)?;
        self.begun(run_id, config, precision, newest)
    }

    /// Records the run. There is nothing to record yet if its first worker is to decide its precision, or if nothing
    /// changed.
    fn record_run(
        &mut self,
        stored: Option<&RunConfig>,
        run_id: &str,
        config: &RunConfig,
        precision: PrecisionChoice,
    ) -> Result<(), Error> {
        if precision == PrecisionChoice::Open || stored == Some(config) {
            return Ok(());
        }
        let mut entries = vec![Entry::Run { id: run_id.to_owned(), config: Box::new(config.clone()) }];
        for difference in stored.map_or_else(Vec::new, |stored| stored.differences(config)) {
            tracing::info!("{difference}, as asked");
            entries.push(Entry::Event(difference.to_string()));
        }
        self.journal.commit(entries)
    }

    fn check_unchanged(&self, known: &RunConfig, config: &RunConfig, begun: u32) -> Result<(), Error> {
        let differences = known.conflicts(config, begun);
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::ConfigChanged { run_dir: self.run_dir.clone(), differences })
    }

    /// Warns of what is passed over. Refuses if there was a run, and there is nothing to resume from.
    fn judge(&self, recorded: bool, newest: Option<&Found>, passed_over: &[PassedOver]) -> Result<(), Error> {
        if let Some((newest, _, _)) = newest {
            for PassedOver { name, why } in passed_over {
                let instead = if name > newest { ", taking the one before" } else { "" };
                tracing::warn!("{why}; {name} counts for nothing and is kept{instead}");
                if let Err(error) = self.store.set_apart(name) {
                    tracing::warn!("{error}");
                }
            }
            return Ok(());
        }
        let mut why: Vec<String> = passed_over.iter().map(|passed_over| passed_over.why.to_string()).collect();
        if let Some((import, false)) = self.journal.last_import()? {
            why.push(format!(
                "checkpoint {} was to be taken in, and what was of it is gone: name it again",
                import.path
            ));
        }
        if why.is_empty()
            && recorded
            && let Some(name) = self.journal.last_checkpoint()?
        {
            why.push(format!(
                "the journal tells of checkpoint {name}, and there is none in {}",
                self.store.root().display()
            ));
        }
        if why.is_empty() && !recorded && tidy::has_metrics(&self.run_dir)? {
            why.push(
                "metrics.jsonl tells of epochs, and there is neither a journal of them nor a checkpoint".to_owned(),
            );
        }
        if why.is_empty() { Ok(()) } else { Err(Error::NothingToGoOnFrom { run_dir: self.run_dir.clone(), why }) }
    }

    /// Gathers all that is known of the run, once it is recorded. `newest` is where it resumes.
    fn begun(
        mut self,
        run_id: String,
        config: RunConfig,
        precision: PrecisionChoice,
        newest: Option<Found>,
    ) -> Result<Begun, Error> {
        self.mend(newest.as_ref())?;
        let mut start = Start::fresh(config.lr);
        start.generation = self.journal.last_generation()?;
        start.history = self.journal.epochs()?;
        start.recoveries = self.journal.recoveries()?;
        start.void = self.journal.void()?;
        if let Some((name, manifest, state)) = &newest {
            // Whatever epochs are left out of the records, the run does not go back before the checkpoint.
            start.base = (manifest.position.epoch, manifest.schedule.clone());
            start.checkpoint = Some((name.clone(), manifest.position, state.totals));
            tracing::info!("going on from checkpoint {name} at {}", manifest.position);
        } else if !start.history.is_empty() {
            tracing::warn!(
                "{} epochs are recorded, and no checkpoint of them was ever written: they are done again, unless a \
                 worker still holds their state",
                start.history.len()
            );
        }
        if precision != PrecisionChoice::Open {
            tidy::mend_config(&self.run_dir, &config)?;
        }
        if start.generation > 0 && !start.is_complete(config.epochs) {
            let from = match &newest {
                Some((name, manifest, _)) => format!("it goes on from checkpoint {name} at {}", manifest.position),
                None => "nothing is saved yet: it goes on from what workers hold, or begins anew".to_owned(),
            };
            let text = format!("the coordinator was started again: {from}");
            // A disk that is full takes it later.
            self.journal.record(crate::journal::now(), [Entry::Event(text)])?;
        }
        let newest = newest.map(|(name, manifest, state)| (name, manifest, Arc::new(state)));
        let Self { run_dir, journal, .. } = self;
        Ok(Begun { run_id, config, precision, run_dir, journal, start, newest })
    }

    /// Makes the records and `latest` fit the checkpoint that the run resumes from. Epochs that do not lead to it are
    /// left out.
    fn mend(&mut self, newest: Option<&Found>) -> Result<(), Error> {
        let recorded = self.journal.epochs()?;
        let fits = match newest {
            Some((_, manifest, _)) => history::leads_to(&recorded, manifest),
            None => history::is_without_gaps(&recorded) && recorded.first().is_none_or(|first| first.epoch == 0),
        };
        if !fits {
            let text = "the epochs in the journal do not lead to the checkpoint that the run goes on from: their figures \
                        are left out";
            tracing::warn!("{text}");
            self.journal.commit([Entry::Rewind { epoch: 0 }, Entry::Event(text.to_owned())])?;
        }
        if !fits || recorded.is_empty() {
            tidy::empty_metrics(&self.run_dir, false)?;
        }
        self.store.mend_latest(newest.map(|(name, _, _)| name.as_str()))?;
        Ok(())
    }
}

/// How many epochs have begun at `position`, done or not.
fn epochs_begun(position: Position) -> u32 {
    position.epoch.saturating_add(u32::from(position.step > 0))
}

/// An id that tells runs apart and that people can read: model, time and process.
fn new_run_id(config: &RunConfig) -> String {
    let millis = (crate::journal::now() * 1000.0) as u64;
    format!("{}-{:x}-{:x}", config.model, millis, std::process::id())
}

#[cfg(test)]
mod tests;
