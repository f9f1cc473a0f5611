//! The thread at the helm owns the state machine. It takes inputs in order, and carries out what the machine decides.
//! Two more threads have the disk: the recorder owns the journal, and the saver writes checkpoints.

mod asked;
mod attach;
mod backend;
mod conditions;
mod decisions;
mod finish;
mod guests;
mod input;
mod options;
mod order_message;
mod orders;
mod place;
mod precision;
mod recorder;
mod records;
mod report;
mod saver;
mod saving;
mod spans;
mod take;
mod uploads;
mod view;

pub use asked::{Answer, Declined};
pub use input::{HelmInput, Refusal, RefusalKind};
pub use options::HelmOptions;
pub use orders::{Orders, orders};
pub use precision::PrecisionChoice;
pub use recorder::Recorded;
pub use saver::Saver;
pub use uploads::{Expected, Tickets};

use crate::{display::Display, error::Error, journal::Entry};
use asked::Waiting;
use checkpoint::Store;
use conditions::Conditions;
use config::RunConfig;
use decisions::HeldBack;
use guests::Guests;
use orders::OrderSender;
use plan::{Position, Precision, Timeouts};
use proto::v1;
use recorder::Recorder;
use records::Records;
use saving::Unsaved;
use spans::Spans;
use state::State;
use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    time::{Duration, Instant},
};
use steering::{Ending, Steering, WorkerId};
use tokio::sync::{mpsc, watch};

/// The most inputs that are handled together: what happens in one moment leads to one decision.
const TOGETHER: usize = 512;

/// An attached worker, as the helm knows it.
struct Attachment {
    orders: OrderSender,
    hello: v1::Hello,
    progress: v1::Progress,
    /// The precision that its welcome told it to compute in.
    precision: Precision,
    /// Whether it has shown that it can compute since it was last set aside.
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
    /// The entry that has to be on disk before the next order is sent.
    gate: u64,
    /// Orders that wait for an entry to be on disk.
    held_back: VecDeque<HeldBack>,
    /// Since when there were always orders waiting.
    held_since: Option<Instant>,
    tickets: Tickets,
    allow_mixed: bool,
    /// Why nothing more can be recorded.
    damaged: Option<Error>,
    /// Whether the run's last records are being written.
    finishing: bool,
    /// Whether they could be written, once that is known.
    finished: Option<Result<(), Error>>,
    /// Whether everything is over and written.
    over: bool,
    /// How many survived failures were given to the recorder.
    survived: usize,
    /// The entry of the last of them, and how many of them are on disk. Only those are shown as survived.
    survived_at: u64,
    shown_as_survived: usize,
    store: Store,
    saver: Saver,
    /// The last checkpoint of the run, until the disk takes it.
    unsaved: Option<Unsaved>,
    /// Whether a last checkpoint that cannot be written is given up.
    gives_up: bool,
    display: Display,
    attachments: HashMap<WorkerId, Attachment>,
    /// Those that were ever attached.
    guests: Guests,
    /// Workers that take no orders, until the machine knows that they are gone.
    deaf: Vec<WorkerId>,
    next_worker: WorkerId,
    /// States that arrived, by order and position, until they are saved.
    states: HashMap<(u64, Position), State>,
    newest: Option<(String, Option<f64>)>,
    best: Option<(String, f64)>,
    /// Of the newest checkpoint's weights; empty without one.
    weights_sha256: String,
    /// Who waits for a checkpoint.
    waiting: Waiting,
    /// The same for a collector.
    spans: Spans,
    /// What holds beside the state.
    conditions: Conditions,
    /// Workers that somebody wants.
    wanted: usize,
    began: Instant,
    /// When the view for others was last renewed.
    shown: Instant,
    timeouts: Timeouts,
    /// Why workers do not come; empty if nothing is wrong.
    trouble: String,
    ending: Option<Ending>,
    /// The number of members of the last generation.
    workers: usize,
    /// What the last generation does collectives with.
    backend: v1::Backend,
    view: watch::Sender<v1::Run>,
}

impl Helm {
    /// Makes the helm, and the view of the run that others watch.
    ///
    /// # Errors
    /// If the thread that saves cannot be had.
    pub fn new(
        options: HelmOptions,
        inputs: mpsc::Sender<HelmInput>,
    ) -> Result<(Self, watch::Receiver<v1::Run>), Error> {
        let store = Store::new(options.run_dir.join("checkpoints")).of_run(&options.run_id);
        let best = store.best()?.and_then(|(name, manifest)| Some((name, manifest.test_accuracy?)));
        let saver = Saver::start(store.clone(), options.retention, options.engine, inputs.clone())?;
        if options.precision != PrecisionChoice::Open {
            saver.set_config(&options.run_id, &options.config);
        }
        let (view, receiver) = watch::channel(v1::Run::default());
        let survived = options.start.recoveries.len();
        let history = options.start.history.clone();
        let records = Records::new(options.journal, options.chronicle, options.run_dir.clone(), history);
        let spans = Spans::new(options.telemetry, &options.run_id, &options.config.model);
        let mut helm = Self {
            timeouts: options.timeouts,
            tickets: options.tickets,
            allow_mixed: options.allow_mixed,
            recorder: Recorder::start(records, inputs)?,
            gate: 0,
            held_back: VecDeque::new(),
            held_since: None,
            damaged: None,
            finishing: false,
            finished: None,
            over: false,
            config: options.config,
            steering: Steering::new(options.options, options.start),
            precision: options.precision,
            run_id: options.run_id,
            survived,
            survived_at: 0,
            shown_as_survived: survived,
            run_dir: options.run_dir,
            store,
            saver,
            unsaved: None,
            gives_up: false,
            display: options.display,
            attachments: HashMap::new(),
            guests: Guests::default(),
            deaf: Vec::new(),
            next_worker: 1,
            states: HashMap::new(),
            newest: options.newest,
            best,
            weights_sha256: options.weights_sha256,
            waiting: Waiting::default(),
            spans,
            conditions: Conditions::default(),
            wanted: options.wanted,
            began: Instant::now(),
            shown: Instant::now(),
            trouble: String::new(),
            ending: None,
            workers: 0,
            backend: v1::Backend::Gloo,
            view,
        };
        helm.show();
        Ok((helm, receiver))
    }

    /// Handles inputs until the run is over and all of it is on disk.
    ///
    /// # Errors
    /// If the journal is damaged, something of the run could not be written in the end, or the run failed.
    pub fn run(mut self, inputs: &mut mpsc::Receiver<HelmInput>) -> Result<(), Error> {
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

    /// The time since the helm began.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn since_began(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    fn warn(&mut self, text: &str) {
        tracing::warn!("{text}");
        self.recorder.record(Entry::Event(text.to_owned()));
    }

    fn note(&mut self, text: &str) {
        tracing::info!("{text}");
        self.recorder.record(Entry::Event(text.to_owned()));
    }
}
