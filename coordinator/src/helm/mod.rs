//! The thread at the helm: it owns the state machine and the journal, takes what happens one at a time, and carries out
//! what the machine decides.

mod attach;
mod decisions;
mod input;
mod orders;
mod precision;
mod recorder;
mod records;
mod report;
mod saver;
mod saving;
mod uploads;
mod view;

pub use input::{Attached, Input, Refusal, RefusalKind};
pub use orders::{Orders, orders};
pub use precision::PrecisionChoice;
pub use recorder::Recorded;
pub use saver::{SaveJob, Saved, Saver};
pub use uploads::{Expected, Tickets};

use crate::{
    Error,
    display::Display,
    journal::{Entry, Journal},
    predict::Predictor,
    summary,
};
use checkpoint::{Retention, State, Store};
use decisions::HeldBack;
use orders::OrderSender;
use plan::{Position, Precision, RunConfig, Timeouts};
use proto::v1;
use recorder::Recorder;
use records::Records;
use saving::Unsaved;
use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use steering::{Ending, Event, Options, Outcome, RunState, Start, Steering, WorkerId};
use tokio::sync::{mpsc, watch};

/// Inputs that are looked at together: what happens in one moment leads to one decision.
const TOGETHER: usize = 512;

/// How old what others see may be before a sign of life renews it.
const LONGEST_UNSHOWN: Duration = Duration::from_millis(20);

fn is_progress(report: &v1::Report) -> bool {
    matches!(report.report, Some(v1::report::Report::Progress(_)))
}

fn is_prepared(report: &v1::Report) -> bool {
    matches!(report.report, Some(v1::report::Report::Prepared(_)))
}

/// What the helm is made of.
pub struct HelmOptions {
    /// How the run is steered.
    pub options: Options,
    /// Where it begins.
    pub start: Start,
    /// Its id.
    pub run_id: String,
    /// Who decides the precision.
    pub precision: PrecisionChoice,
    /// Whether workers of different kinds may take part together.
    pub allow_mixed: bool,
    /// How long things are waited for.
    pub timeouts: Timeouts,
    /// Which states may be sent.
    pub tickets: Tickets,
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
    orders: OrderSender,
    hello: v1::Hello,
    progress: v1::Progress,
    /// In which it was welcomed to compute.
    precision: Precision,
    /// Whether it has shown that it can compute, since it was last set aside.
    prepared: bool,
}

/// The thread's own data.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Helm {
    steering: Steering,
    config: RunConfig,
    precision: PrecisionChoice,
    run_id: String,
    run_dir: PathBuf,
    recorder: Recorder,
    /// The entry that has to be recorded before the next order is sent.
    gate: u64,
    /// Orders that wait for an entry.
    held_back: VecDeque<HeldBack>,
    tickets: Tickets,
    allow_mixed: bool,
    /// Why nothing more can be recorded.
    damaged: Option<Error>,
    /// Whether the last of all is being written.
    finishing: bool,
    /// What became of it.
    finished: Option<Result<(), Error>>,
    /// Whether everything is over and written.
    over: bool,
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
    /// Workers that take no orders, until the machine knows that they are gone.
    deaf: Vec<WorkerId>,
    next_worker: WorkerId,
    /// States that came in, by order and position, until they are saved.
    states: HashMap<(u64, Position), State>,
    newest: Option<(String, Option<f64>)>,
    best: Option<(String, f64)>,
    began: Instant,
    /// When others last saw how the run stands.
    shown: Instant,
    timeouts: Timeouts,
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
        let store = Store::new(options.run_dir.join("checkpoints")).of_run(&options.run_id);
        let best = store.best()?.and_then(|(name, manifest)| Some((name, manifest.test_accuracy?)));
        if let Some((name, accuracy, state)) = &options.newest {
            options.predictor.load(name, *accuracy, Arc::clone(state));
        }
        let saver = Saver::start(store.clone(), options.retention, options.predictor, inputs.clone())?;
        if options.precision != PrecisionChoice::Open {
            saver.set_config(&options.run_id, &options.options.config);
        }
        let (view, receiver) = watch::channel(v1::Run::default());
        let survived = options.start.recoveries.len();
        let records = Records::new(options.journal, options.run_dir.clone(), options.start.history.clone());
        let mut helm = Self {
            timeouts: options.timeouts,
            tickets: options.tickets,
            allow_mixed: options.allow_mixed,
            recorder: Recorder::start(records, inputs)?,
            gate: 0,
            held_back: VecDeque::new(),
            damaged: None,
            finishing: false,
            finished: None,
            over: false,
            config: options.options.config.clone(),
            steering: Steering::new(options.options, options.start),
            precision: options.precision,
            run_id: options.run_id,
            survived,
            run_dir: options.run_dir,
            store,
            saver,
            unsaved: None,
            gives_up: false,
            display: options.display,
            attachments: HashMap::new(),
            deaf: Vec::new(),
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
        let mut together = Vec::new();
        loop {
            if inputs.blocking_recv_many(&mut together, TOGETHER) == 0 {
                return Err(Error::Serve("the helm was left alone".to_owned()));
            }
            self.take_all(together.drain(..));
            let Some(ending) = self.ending.clone() else { continue };
            if !self.saver.is_idle() || (self.unsaved.is_some() && !self.gives_up) {
                continue;
            }
            if !std::mem::replace(&mut self.finishing, true) {
                self.begin_to_finish(&ending);
            }
            if let Some(written) = self.finished.take() {
                return self.finish(&ending, written);
            }
            if self.gives_up && self.unsaved.is_some() {
                // The disk that does not take the checkpoint may hold up the rest as well.
                return self.finish(&ending, Ok(()));
            }
        }
    }

    /// The time since the helm was taken.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn since_began(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// Takes what has happened, in its order. What workers did in between other things is told to the machine at once.
    fn take_all(&mut self, inputs: impl Iterator<Item = Input>) {
        let mut events: Vec<(Duration, WorkerId, Event)> = Vec::new();
        let mut shows = false;
        for input in inputs {
            // Of many workers signs of life come by the hundred: they show a little later.
            shows |= !matches!(&input, Input::Report { report, .. } if is_progress(report));
            if let Some(event) = self.as_event(&input) {
                events.push(event);
            }
            match input {
                Input::Report { .. }
                | Input::Detached { .. }
                | Input::StateMoved { .. }
                | Input::StateFailed { .. } => {}
                Input::State { expected, state, .. } => {
                    self.states.insert((expected.upload, state.position), *state);
                    // It is kept until the machine has said whether it wants it.
                    self.tell(&mut events);
                }
                other => {
                    self.tell(&mut events);
                    self.take(other);
                }
            }
        }
        self.tell(&mut events);
        self.forget_the_deaf();
        self.record_what_was_survived();
        if shows || self.shown.elapsed() > LONGEST_UNSHOWN {
            self.show();
        }
    }

    fn tell(&mut self, events: &mut Vec<(Duration, WorkerId, Event)>) {
        if !events.is_empty() {
            let decisions = self.steering.handle_all(events.drain(..));
            self.carry_out(decisions);
        }
    }

    /// What an input tells the machine of a worker, and when it happened.
    fn as_event(&mut self, input: &Input) -> Option<(Duration, WorkerId, Event)> {
        Some(match input {
            Input::Report { at, worker, report } => {
                if is_prepared(report)
                    && let Err(why) = self.admit(*worker)
                {
                    let cause = why.message().to_owned();
                    self.turn_away(*worker, why);
                    return Some((self.since_began(*at), *worker, Event::Detached { cause }));
                }
                (self.since_began(*at), *worker, self.event(*worker, report.clone())?)
            }
            Input::Detached { at, worker, cause } => {
                self.attachments.remove(worker);
                self.tickets.revoke(*worker);
                (self.since_began(*at), *worker, Event::Detached { cause: cause.clone() })
            }
            Input::StateMoved { at, expected } => {
                (self.since_began(*at), expected.worker, Event::UploadMoved { upload: expected.upload })
            }
            Input::State { at, expected, state, digest } => {
                let (upload, position, digest) = (expected.upload, state.position, *digest);
                (self.since_began(*at), expected.worker, Event::StateArrived { upload, position, digest })
            }
            Input::StateFailed { at, expected, cause } => {
                let (upload, cause) = (expected.upload, cause.clone());
                (self.since_began(*at), expected.worker, Event::UploadFailed { upload, cause })
            }
            _ => return None,
        })
    }

    fn take(&mut self, input: Input) {
        let decisions = match input {
            Input::Attach { hello, answer } => {
                let (answered, decisions) = match self.attach(hello) {
                    Ok((attached, decisions)) => (Ok(attached), decisions),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // A worker that has gone again ends its stream next.
                let _ = answer.send(answered);
                decisions
            }
            Input::Recorded(recorded) => {
                self.recorded(recorded);
                return;
            }
            Input::Saved(saved) => {
                self.saved(*saved);
                return;
            }
            Input::Unreadable { name, why, instead } => {
                tracing::warn!("checkpoint {name} cannot be read: {why}");
                self.steering.unreadable(self.now(), (&name, &why), instead)
            }
            Input::Stop { reason } => {
                self.note(&format!("stopping: {reason}"));
                self.gives_up = self.ending.is_some();
                self.steering.stop(self.now(), &reason)
            }
            Input::Trouble { text } => {
                self.trouble = text;
                return;
            }
            // Unless somebody came meanwhile.
            Input::Fail { .. } if self.steering.status().state != RunState::Waiting => return,
            Input::Fail { reason } => self.steering.fail(self.now(), &reason),
            Input::Tick { at } => {
                self.retry_the_last();
                let at = self.since_began(at);
                if !self.held_back.is_empty() {
                    self.steering.held_up(at);
                }
                self.steering.tick(at)
            }
            // Told to the machine.
            Input::Report { .. }
            | Input::Detached { .. }
            | Input::StateMoved { .. }
            | Input::State { .. }
            | Input::StateFailed { .. } => return,
        };
        self.carry_out(decisions);
    }

    fn event(&mut self, worker: WorkerId, report: v1::Report) -> Option<Event> {
        let report = report.report?;
        if let v1::report::Report::Progress(progress) = &report
            && let Some(attachment) = self.attachments.get_mut(&worker)
        {
            attachment.progress = *progress;
        }
        match report::event(worker, report, &self.tickets) {
            Ok(event) => event,
            Err(malformed) => {
                tracing::warn!("worker {worker}: {malformed}");
                None
            }
        }
    }

    /// Takes notice of what was recorded.
    fn recorded(&mut self, recorded: Recorded) {
        match recorded {
            Recorded::UpTo(number) => {
                self.recorder.reached(number);
                self.send_what_may_go();
            }
            Recorded::Last(result) => self.finished = Some(result),
            Recorded::Damaged(error) => {
                // Without a journal nothing more can be promised, but the newest state is saved.
                let reason = error.to_string();
                self.recorder.reached(u64::MAX);
                if self.damaged.replace(error).is_none() {
                    let decisions = self.steering.fail(self.now(), &reason);
                    self.carry_out(decisions);
                }
                self.send_what_may_go();
            }
        }
    }

    fn record_what_was_survived(&mut self) {
        while let Some(recovery) = self.steering.recoveries().get(self.survived)
            && recovery.resumed_ms.is_some()
        {
            self.recorder.record(Entry::Recovery(recovery.clone()));
            self.survived += 1;
        }
    }

    fn note(&mut self, text: &str) {
        tracing::info!("{text}");
        self.recorder.record(Entry::Event(text.to_owned()));
    }

    /// Has the end of the run written.
    fn begin_to_finish(&mut self, ending: &Ending) {
        let outcome = format!("{:?}", ending.outcome).to_lowercase();
        self.note(&format!("{outcome}: {}", ending.reason));
        self.show();
        let (ending, config, store) = (ending.clone(), self.config.clone(), self.store.clone());
        let (workers, run_dir, wall) = (self.workers, self.run_dir.clone(), self.began.elapsed());
        let (history, recoveries) = (self.steering.history().to_vec(), self.steering.recoveries().to_vec());
        let display = self.display.clone();
        self.recorder.finish(Box::new(move || {
            let summary = summary::Summary::new(&ending, &config, workers, &history, &recoveries, &store, wall)?;
            summary.write(&run_dir)?;
            display.end(&summary, &run_dir);
            Ok(())
        }));
    }

    fn finish(mut self, ending: &Ending, written: Result<(), Error>) -> Result<(), Error> {
        self.over = true;
        self.show();
        if let Some(unsaved) = self.unsaved.take() {
            return Err(unsaved.why.into());
        }
        if let Some(damaged) = self.damaged.take() {
            return Err(damaged);
        }
        written?;
        match ending.outcome {
            Outcome::Finished | Outcome::Stopped => Ok(()),
            Outcome::Failed => Err(Error::Failed(ending.reason.clone())),
        }
    }
}
