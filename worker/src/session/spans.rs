//! What a worker does as spans for a collector of OpenTelemetry: its part in generations, training, evaluation. Nothing here
//! waits.

use engine::{Command, EngineEvent};
use plan::Position;
use telemetry::{Identity, Span, Telemetry};

/// The spans of a worker.
pub(super) struct Spans {
    telemetry: Telemetry,
    worker: String,
    /// Its part in the generation that there is.
    member: Option<Member>,
    /// What the engine does in it.
    work: Option<Work>,
}

struct Member {
    generation: u64,
    rank: u32,
    run: String,
    span: Span,
}

struct Work {
    span: Span,
    /// Chunks of the test set that are still to come.
    chunks: usize,
}

impl Spans {
    /// Those of the worker with this name.
    pub fn new(telemetry: Telemetry, worker: &str) -> Self {
        Self { telemetry, worker: worker.to_owned(), member: None, work: None }
    }

    /// The engine is told to do something, in the run with the id `run`.
    pub fn commanded(&mut self, run: &str, command: &Command) {
        match command {
            Command::Form(formation) => {
                self.end(None);
                let parent = Identity::of_generation(run, formation.generation);
                let span = Span::new("member", Identity::within(parent), Some(parent))
                    .with("run", run.to_owned())
                    .with("generation", formation.generation as i64)
                    .with("rank", i64::from(formation.rank))
                    .with("world_size", i64::from(formation.world_size))
                    .with("worker", self.worker.clone());
                let (generation, rank) = (formation.generation, formation.rank);
                self.member = Some(Member { generation, rank, run: run.to_owned(), span });
            }
            Command::Train { epoch, first_step, .. } => {
                self.begin("train", Position { epoch: *epoch, step: *first_step }, 0);
            }
            Command::Evaluate { epoch, chunks, .. } if !chunks.is_empty() => {
                self.begin("evaluate", Position { epoch: *epoch, step: 0 }, chunks.len());
            }
            _ => {}
        }
    }

    /// The engine has reported something.
    pub fn reported(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::EpochDone { outcome, .. } | EngineEvent::Halted { outcome, .. } => {
                if let Some(Work { span, .. }) = self.work.take() {
                    let span = span
                        .with("last_step", i64::from(outcome.position.step))
                        .with("images", outcome.images as i64)
                        .with("seconds", outcome.seconds);
                    self.telemetry.end(span);
                }
            }
            EngineEvent::Evaluated { .. } => {
                if let Some(work) = &mut self.work {
                    work.chunks = work.chunks.saturating_sub(1);
                    if work.chunks == 0 {
                        self.end_work(None);
                    }
                }
            }
            EngineEvent::Failed { error, .. } => self.end(Some(&error.to_string())),
            _ => {}
        }
    }

    /// The generation up to `generation` is over, for the reason `why`.
    pub fn aborted(&mut self, generation: u64, why: &str) {
        if self.member.as_ref().is_some_and(|member| member.generation <= generation) {
            self.end(Some(why));
        }
    }

    /// The worker is in no generation any more. `why`: something went wrong.
    pub fn end(&mut self, why: Option<&str>) {
        self.end_work(why);
        if let Some(Member { span, .. }) = self.member.take() {
            self.telemetry.end(ended(span, why));
        }
    }

    fn begin(&mut self, name: &'static str, at: Position, chunks: usize) {
        self.end_work(None);
        let Some(Member { generation, rank, run, span }) = &self.member else { return };
        let parent = span.identity();
        let span = Span::new(name, Identity::within(parent), Some(parent))
            .with("run", run.clone())
            .with("generation", *generation as i64)
            .with("rank", i64::from(*rank))
            .with("epoch", i64::from(at.epoch))
            .with("step", i64::from(at.step));
        self.work = Some(Work { span, chunks });
    }

    fn end_work(&mut self, why: Option<&str>) {
        if let Some(Work { span, .. }) = self.work.take() {
            self.telemetry.end(ended(span, why));
        }
    }
}

fn ended(span: Span, why: Option<&str>) -> Span {
    match why {
        Some(why) => span.failed(why),
        None => span,
    }
}
