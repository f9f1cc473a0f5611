//! The thread at the helm: it owns the state machine and the journal, takes what happens one at a time, and carries out
//! what the machine decides.

mod attach;
mod decisions;
mod input;
mod records;
mod report;
mod saver;
mod saving;
mod view;

pub use input::{Attached, Input, Refusal};
pub use saver::{SaveJob, Saved, Saver};

use crate::{
    Error,
    display::Display,
    journal::{Entry, Journal},
    predict::Predictor,
    summary,
};
use checkpoint::{Retention, State, Store};
use plan::{Position, RunConfig};
use proto::v1;
use records::Records;
use saving::Unsaved;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use steering::{Ending, Event, Options, Outcome, RunState, Start, Steering, WorkerId};
use tokio::sync::{mpsc, watch};
use tonic::Status;

/// Orders under way to one worker at most; one that does not take them is given up.
const ORDERS: usize = 64;

/// How old what others see may be before a sign of life renews it.
const LONGEST_UNSHOWN: Duration = Duration::from_millis(20);

fn is_progress(report: &v1::Report) -> bool {
    matches!(report.report, Some(v1::report::Report::Progress(_)))
}

/// What the helm is made of.
pub struct HelmOptions {
    /// How the run is steered.
    pub options: Options,
    /// Where it begins.
    pub start: Start,
    /// Its id.
    pub run_id: String,
    /// Whether the first worker's hardware decides the precision.
    pub auto_precision: bool,
    /// Its directory.
    pub run_dir: PathBuf,
    /// Its journal.
    pub journal: Journal,
    /// Which checkpoints stay.
    pub retention: Retention,
    /// Who answers predictions.
    pub predictor: Predictor,
    /// What a person looks at.
    pub display: Display,
    /// The state to answer predictions from before the first new checkpoint.
    pub newest: Option<(String, Option<f64>, Arc<State>)>,
}

/// An attached worker, as the helm knows it.
struct Attachment {
    orders: mpsc::Sender<Result<v1::Order, Status>>,
    hello: v1::Hello,
    progress: v1::Progress,
}

/// The thread's own data.
pub struct Helm {
    steering: Steering,
    config: RunConfig,
    auto_precision: bool,
    run_id: String,
    run_dir: PathBuf,
    records: Records,
    /// Failures that the records have.
    survived: usize,
    store: Store,
    saver: Saver,
    /// The last checkpoint of all, while the disk does not take it.
    unsaved: Option<Unsaved>,
    /// Whether a last checkpoint that cannot be written is given up.
    gives_up: bool,
    display: Display,
    attachments: HashMap<WorkerId, Attachment>,
    next_worker: WorkerId,
    /// States that came in, by generation and position, until they are saved.
    states: HashMap<(u64, Position), State>,
    newest: Option<(String, Option<f64>)>,
    best: Option<(String, f64)>,
    began: Instant,
    /// When others last saw how the run stands.
    shown: Instant,
    failure_timeout: Duration,
    /// Why workers do not come; empty if nothing is wrong.
    trouble: String,
    ending: Option<Ending>,
    /// Of the last generation.
    workers: usize,
    view: watch::Sender<v1::Run>,
}

impl Helm {
    /// A helm, and what others see of the run.
    ///
    /// # Errors
    /// If the thread that saves cannot be had.
    pub fn new(options: HelmOptions, inputs: mpsc::Sender<Input>) -> Result<(Self, watch::Receiver<v1::Run>), Error> {
        let store = Store::new(options.run_dir.join("checkpoints"));
        let best = store.best()?.and_then(|(name, manifest)| Some((name, manifest.test_accuracy?)));
        if let Some((name, accuracy, state)) = &options.newest {
            options.predictor.load(name, *accuracy, Arc::clone(state));
        }
        let saver = Saver::start(store.clone(), options.retention, options.predictor, inputs)?;
        if !options.auto_precision {
            saver.set_config(&options.run_id, &options.options.config);
        }
        let (view, receiver) = watch::channel(v1::Run::default());
        let survived = options.start.recoveries.len();
        let records = Records::new(options.journal, options.run_dir.clone(), &options.start.history);
        let mut helm = Self {
            failure_timeout: options.options.failure_timeout,
            config: options.options.config.clone(),
            steering: Steering::new(options.options, options.start),
            auto_precision: options.auto_precision,
            run_id: options.run_id,
            records,
            survived,
            run_dir: options.run_dir,
            store,
            saver,
            unsaved: None,
            gives_up: false,
            display: options.display,
            attachments: HashMap::new(),
            next_worker: 1,
            states: HashMap::new(),
            newest: options.newest.map(|(name, accuracy, _)| (name, accuracy)),
            best,
            began: Instant::now(),
            shown: Instant::now(),
            trouble: String::new(),
            ending: None,
            workers: 0,
            view,
        };
        helm.show();
        Ok((helm, receiver))
    }

    /// Takes what happens until the run is over and everything of it is on disk.
    ///
    /// # Errors
    /// If the journal is damaged, something of the run could not be written in the end, or the run failed.
    pub fn run(mut self, inputs: &mut mpsc::Receiver<Input>) -> Result<(), Error> {
        while let Some(input) = inputs.blocking_recv() {
            if let Err(error) = self.take(input) {
                // Without a journal nothing can be promised any more.
                let decisions = self.steering.fail(&error.to_string());
                self.send_only(decisions);
                return Err(error);
            }
            if let Some(ending) = self.ending.clone()
                && self.saver.is_idle()
                && (self.unsaved.is_none() || self.gives_up)
            {
                return self.finish(&ending);
            }
        }
        Err(Error::Serve("the helm was left alone".to_owned()))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn take(&mut self, input: Input) -> Result<(), Error> {
        // Of many workers signs of life come by the hundred: they show a little later.
        let in_passing = matches!(&input, Input::Report { report, .. } if is_progress(report));
        match input {
            Input::Attach { hello, answer } => {
                let result = self.attach(hello);
                let (answered, decisions) = match result {
                    Ok((attached, decisions)) => (Ok(attached), decisions),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // A worker that has gone again ends its stream next.
                let _ = answer.send(answered);
                self.carry_out(decisions)?;
            }
            Input::Report { worker, report } => {
                if let Some(event) = self.event(worker, report) {
                    let decisions = self.steering.handle(self.now(), worker, event);
                    self.carry_out(decisions)?;
                }
            }
            Input::Detached { worker, cause } => {
                self.attachments.remove(&worker);
                let decisions = self.steering.handle(self.now(), worker, Event::Detached { cause });
                self.carry_out(decisions)?;
            }
            Input::State { generation, state } => {
                let position = state.position;
                let Some(worker) = self.steering.members().first().copied() else { return Ok(()) };
                self.states.insert((generation, position), *state);
                let event = Event::StateArrived { generation, position };
                let decisions = self.steering.handle(self.now(), worker, event);
                self.carry_out(decisions)?;
            }
            Input::Saved(saved) => self.saved(*saved)?,
            Input::Stop { reason } => {
                self.note(&format!("stopping: {reason}"))?;
                self.gives_up = self.ending.is_some();
                let decisions = self.steering.stop(&reason);
                self.carry_out(decisions)?;
            }
            Input::Trouble { text } => self.trouble = text,
            Input::Fail { reason } => {
                // Unless somebody came meanwhile.
                if self.steering.status().state == RunState::Waiting {
                    let decisions = self.steering.fail(&reason);
                    self.carry_out(decisions)?;
                }
            }
            Input::Tick => {
                self.records.catch_up(self.steering.history())?;
                self.retry_the_last();
                let decisions = self.steering.tick(self.now());
                self.carry_out(decisions)?;
            }
        }
        self.record_what_was_survived()?;
        if !in_passing || self.shown.elapsed() > LONGEST_UNSHOWN {
            self.show();
        }
        Ok(())
    }

    fn event(&mut self, worker: WorkerId, report: v1::Report) -> Option<Event> {
        let report = report.report?;
        if let v1::report::Report::Progress(progress) = &report
            && let Some(attachment) = self.attachments.get_mut(&worker)
        {
            attachment.progress = *progress;
        }
        match report::event(report) {
            Ok(event) => event,
            Err(malformed) => {
                tracing::warn!("worker {worker}: {malformed}");
                None
            }
        }
    }

    fn record_what_was_survived(&mut self) -> Result<(), Error> {
        while let Some(recovery) = self.steering.recoveries().get(self.survived)
            && recovery.resumed_ms.is_some()
        {
            self.records.keep(Entry::Recovery(recovery.clone()))?;
            self.survived += 1;
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> Result<(), Error> {
        tracing::info!("{text}");
        self.records.keep(Entry::Event(text.to_owned()))
    }

    fn finish(mut self, ending: &Ending) -> Result<(), Error> {
        if let Some(unsaved) = self.unsaved.take() {
            return Err(unsaved.why.into());
        }
        self.note(&format!("{:?}: {}", ending.outcome, ending.reason).to_lowercase())?;
        self.show();
        let summary = summary::Summary::new(
            ending,
            &self.config,
            self.workers,
            self.steering.history(),
            self.steering.recoveries(),
            &self.store,
            self.began.elapsed(),
        )?;
        summary.write(&self.run_dir)?;
        self.records.settle(self.steering.history())?;
        self.display.end(&summary, &self.run_dir);
        match ending.outcome {
            Outcome::Finished | Outcome::Stopped => Ok(()),
            Outcome::Failed => Err(Error::Failed(ending.reason.clone())),
        }
    }
}
