//! Where the time of a step goes.

use serde_json::json;
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

/// What a step is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Phase {
    /// Waiting for a batch and copying it to the device.
    Input,
    /// The forward pass and the loss.
    Forward,
    /// The backward pass, without what it waited for other workers.
    Backward,
    /// The reduction, where this worker does nothing else.
    Exposed,
    /// Waiting for a slower worker to come as far, where that can be told from the reduction: in shared memory.
    Waiting,
    /// The optimiser and the running statistics.
    Optimizer,
    /// From the start of the reduction to its end, but for the waiting: it went on beside the backward pass.
    Hidden,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Input, Self::Forward, Self::Backward, Self::Exposed, Self::Waiting, Self::Optimizer, Self::Hidden];

    fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Exposed => "reduction_exposed",
            Self::Waiting => "waiting_for_slower",
            Self::Optimizer => "optimizer",
            Self::Hidden => "reduction_hidden",
        }
    }
}

/// A stretch of time in a trace.
#[derive(Debug)]
struct Span {
    name: &'static str,
    track: u32,
    start: Instant,
    length: Duration,
    step: u64,
}

/// Spans that a trace holds at most: some hundred steps more than anybody looks at.
const SPANS: usize = 200_000;

/// Adds up where time goes, and keeps a trace if it is asked to.
#[derive(Debug)]
pub struct Profile {
    origin: Instant,
    totals: [Duration; Phase::ALL.len()],
    steps: u64,
    spans: Option<Vec<Span>>,
}

impl Profile {
    /// One that begins now.
    #[must_use]
    pub fn new(traced: bool) -> Self {
        Self {
            origin: Instant::now(),
            totals: [Duration::ZERO; Phase::ALL.len()],
            steps: 0,
            spans: traced.then(Vec::new),
        }
    }

    /// Counts the time since `start` to `phase`. Returns the time now, where the next phase begins.
    pub fn end(&mut self, phase: Phase, start: Instant) -> Instant {
        let now = Instant::now();
        self.add(phase, start, now - start);
        now
    }

    /// Counts `length` to `phase`.
    pub fn add(&mut self, phase: Phase, start: Instant, length: Duration) {
        self.totals[phase as usize] += length;
        self.span(phase.name(), u32::from(phase == Phase::Hidden), start, length);
    }

    /// Moves time that was counted to one phase to another.
    pub fn transfer(&mut self, from: Phase, to: Phase, length: Duration) {
        self.totals[from as usize] = self.totals[from as usize].saturating_sub(length);
        self.totals[to as usize] += length;
    }

    /// Adds a stretch to the trace, on a track of its own kind, without counting it.
    pub fn span(&mut self, name: &'static str, track: u32, start: Instant, length: Duration) {
        if let Some(spans) = &mut self.spans
            && spans.len() < SPANS
        {
            spans.push(Span { name, track, start, length, step: self.steps });
        }
    }

    /// A step is over.
    pub fn end_step(&mut self) {
        self.steps += 1;
    }

    /// Writes what was gathered as a trace that Perfetto and Chrome open, if it was kept. Beside the events it holds
    /// the milliseconds of an average step by phase, as `otherData`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, process: &str) -> io::Result<()> {
        let Some(spans) = &self.spans else { return Ok(()) };
        let micros = |length: Duration| length.as_secs_f64() * 1e6;
        let mut events = vec![json!({"ph": "M", "name": "process_name", "pid": 1, "args": {"name": process}})];
        for (track, name) in ["engine", "reduction", "collectives"].iter().enumerate() {
            events.push(json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": track, "args": {"name": name}}));
        }
        for span in spans {
            let start = micros(span.start.saturating_duration_since(self.origin));
            events.push(json!({
                "ph": "X", "name": span.name, "pid": 1, "tid": span.track, "ts": start, "dur": micros(span.length),
                "args": {"step": span.step},
            }));
        }
        let average = |phase: Phase| micros(self.totals[phase as usize]) / 1e3 / self.steps.max(1) as f64;
        let phases: serde_json::Map<_, _> =
            Phase::ALL.iter().map(|phase| (phase.name().to_owned(), json!(average(*phase)))).collect();
        let trace = json!({"traceEvents": events, "otherData": {"steps": self.steps, "milliseconds": phases}});
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, trace.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_holds_spans_and_averages() {
        let mut profile = Profile::new(true);
        let start = Instant::now();
        for _ in 0..2 {
            profile.add(Phase::Forward, start, Duration::from_millis(6));
            profile.add(Phase::Backward, start, Duration::from_millis(10));
            profile.transfer(Phase::Backward, Phase::Exposed, Duration::from_millis(2));
            profile.end_step();
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/trace.json");
        profile.write(&path, "a worker").unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let milliseconds = &trace["otherData"]["milliseconds"];
        let phases = ["forward", "backward", "reduction_exposed", "input"].map(|name| milliseconds[name].as_f64());
        assert_eq!(phases, [Some(6.0), Some(8.0), Some(2.0), Some(0.0)]);
        let events = trace["traceEvents"].as_array().unwrap();
        let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!((spans.len(), &spans[3]["args"]["step"]), (4, &json!(1)));
    }
}
