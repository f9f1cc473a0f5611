//! The run as spans for a collector of OpenTelemetry: generations, epochs, checkpoints, and failures that were survived.
//! Nothing here waits.

use checkpoint::Manifest;
use plan::Position;
use std::time::Duration;
use steering::{Ending, EpochRecord, Outcome, Recovery};
use telemetry::{Identity, Span, Telemetry};

/// The spans of a run, as its coordinator knows it.
pub(super) struct Spans {
    telemetry: Telemetry,
    run: String,
    /// This coordinator's part of the run. All other spans are within it.
    whole: Option<Span>,
    /// The generation that there is.
    generation: Option<(u64, Span)>,
}

impl Spans {
    /// Those of the run with the id `run`.
    pub fn new(telemetry: Telemetry, run: &str, model: &str) -> Self {
        let whole = Span::new("run", Identity::of_run(run), None).with("run", run.to_owned());
        Self { telemetry, run: run.to_owned(), whole: Some(whole.with("model", model.to_owned())), generation: None }
    }

    /// A generation begins, and with that the one before has ended.
    pub fn generation(&mut self, number: u64, members: &[String], reason: &str) {
        self.end_generation();
        let span = Span::new("generation", Identity::of_generation(&self.run, number), self.parent());
        let span = span
            .with("run", self.run.clone())
            .with("generation", number as i64)
            .with("world_size", members.len() as i64)
            .with("members", members.join(", "))
            .with("reason", reason.to_owned());
        self.generation = Some((number, span));
    }

    /// There is no generation any more.
    pub fn end_generation(&mut self) {
        if let Some((_, span)) = self.generation.take() {
            self.telemetry.end(span);
        }
    }

    /// An epoch is done.
    pub fn epoch(&self, record: &EpochRecord) {
        let span = self.child("epoch", self.parent()).took(seconds(record.seconds));
        let span = span
            .with("epoch", i64::from(record.epoch))
            .with("train_images", record.train_images as i64)
            .with("train_seconds", record.train_seconds)
            .with("train_loss", record.train_loss)
            .with("test_loss", record.test_loss)
            .with("test_accuracy", record.test_accuracy);
        self.telemetry.end(span);
    }

    /// A failure was survived at `position`.
    pub fn recovery(&self, recovery: &Recovery, position: Position) {
        let Recovery { kind, detected_ms, resumed_ms, generation } = recovery;
        let took = Duration::from_millis(detected_ms.saturating_add(resumed_ms.unwrap_or_default()));
        let span = Span::new("recovery", Identity::of_run(&self.run), self.parent()).took(took);
        let span = span
            .with("run", self.run.clone())
            .with("generation", *generation as i64)
            .with("epoch", i64::from(position.epoch))
            .with("step", i64::from(position.step))
            .with("kind", kind.clone())
            .with("detected_ms", *detected_ms as i64)
            .with_some("resumed_ms", resumed_ms.map(|time| time as i64));
        self.telemetry.end(span);
    }

    /// A checkpoint of `position` was written within `took`, or was not.
    pub fn checkpoint(
        &self,
        result: Result<&(String, Manifest), &checkpoint::Error>,
        position: Position,
        took: Duration,
    ) {
        let parent = self.generation.as_ref().map(|(_, span)| span.identity()).or(self.parent());
        let span = self.child("checkpoint", parent).took(took);
        let span = span.with("epoch", i64::from(position.epoch)).with("step", i64::from(position.step));
        self.telemetry.end(match result {
            Ok((name, manifest)) => {
                span.with("checkpoint", name.clone()).with("steps_done", manifest.steps_done as i64)
            }
            Err(why) => span.failed(&why.to_string()),
        });
    }

    /// The run is over for this coordinator.
    pub fn end(&mut self, ending: &Ending) {
        self.end_generation();
        let Some(span) = self.whole.take() else { return };
        let span = span.with("reason", ending.reason.clone());
        self.telemetry.end(if ending.outcome == Outcome::Failed { span.failed(&ending.reason) } else { span });
    }

    fn parent(&self) -> Option<Identity> {
        self.whole.as_ref().map(Span::identity)
    }

    /// A span of the generation that there is.
    fn child(&self, name: &'static str, parent: Option<Identity>) -> Span {
        let generation = self.generation.as_ref().map(|(number, _)| *number as i64);
        let span = Span::new(name, Identity::of_run(&self.run), parent);
        span.with("run", self.run.clone()).with_some("generation", generation)
    }
}

/// What a record tells of a time. It may be of another version, and no number.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
