//! Where the time of a step goes, in the time of the device that does it.

use crate::error::EngineError;
use operations::Mark;
use reduction::Times;
use serde_json::json;
use std::{collections::VecDeque, fs, io, path::Path, time::Duration};
use tch::{Device, TchError};

/// What a step is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum StepPhase {
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

impl StepPhase {
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
    /// Since the profile began.
    start: Duration,
    length: Duration,
    step: u64,
}

/// A phase that the device may not have come to the end of.
#[derive(Debug)]
struct Pending {
    phase: StepPhase,
    start: Mark,
    end: Mark,
    step: u64,
}

/// Tracks of a trace.
const ENGINE: u32 = 0;
const REDUCTION: u32 = 1;

/// Spans that a trace holds at most: some hundred steps more than anybody looks at.
const SPANS: usize = 200_000;

fn torch() -> impl FnOnce(TchError) -> EngineError {
    EngineError::torch("ask the device for the time")
}

/// Adds up where time goes, and keeps a trace if it is asked to.
///
/// Nothing here waits for a GPU. A phase is counted once the GPU has come to its end, which [`Self::settle`] looks for.
#[derive(Debug)]
pub struct Profile {
    device: Device,
    /// The first mark.
    origin: Option<Mark>,
    totals: [Duration; StepPhase::ALL.len()],
    steps: u64,
    spans: Option<Vec<Span>>,
    /// In the order in which the device comes to their ends.
    pending: VecDeque<Pending>,
}

impl Profile {
    /// A profile of work on `device`.
    #[must_use]
    pub fn new(traced: bool, device: Device) -> Self {
        Self {
            device,
            origin: None,
            totals: [Duration::ZERO; StepPhase::ALL.len()],
            steps: 0,
            spans: traced.then(Vec::new),
            pending: VecDeque::new(),
        }
    }

    /// Where a phase begins.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn begin(&mut self) -> Result<Mark, EngineError> {
        let mark = Mark::now(self.device).map_err(torch())?;
        self.origin.get_or_insert_with(|| mark.clone());
        Ok(mark)
    }

    /// Ends a `phase` that began at `start`. Returns where it ends and the next phase begins.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn end(&mut self, phase: StepPhase, start: Mark) -> Result<Mark, EngineError> {
        let end = self.begin()?;
        self.pending.push_back(Pending { phase, start, end: end.clone(), step: self.steps });
        Ok(end)
    }

    /// Counts the phases that the device has come to the end of.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn settle(&mut self) -> Result<(), EngineError> {
        while let Some(next) = self.pending.front() {
            if !next.end.is_reached().map_err(torch())? {
                break;
            }
            let length = next.start.until(&next.end).map_err(torch())?;
            if let Some(Pending { phase, start, step, .. }) = self.pending.pop_front() {
                self.totals[phase as usize] += length;
                self.keep(phase.name(), ENGINE, &start, (length, step))?;
            }
        }
        Ok(())
    }

    /// Counts `length` from `start` to `phase`, on the track of the reduction, where the device has come to its end.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn add(&mut self, phase: StepPhase, start: &Mark, length: Duration) -> Result<(), EngineError> {
        self.totals[phase as usize] += length;
        self.keep(phase.name(), REDUCTION, start, (length, self.steps))
    }

    /// Moves time that was counted to one phase to another.
    pub fn transfer(&mut self, from: StepPhase, to: StepPhase, length: Duration) {
        self.totals[from as usize] = self.totals[from as usize].saturating_sub(length);
        self.totals[to as usize] += length;
    }

    /// Sorts the `times` of a step's reduction into phases. Time inside the backward pass counts as exposed, the time
    /// beside it as hidden. Time that slower workers took counts as waiting.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn sort(&mut self, times: Times) -> Result<(), EngineError> {
        self.transfer(StepPhase::Backward, StepPhase::Exposed, times.within);
        self.transfer(StepPhase::Exposed, StepPhase::Waiting, times.lagged);
        times.beside.map_or(Ok(()), |(began, length)| self.add(StepPhase::Hidden, &began, length))
    }

    /// Adds a stretch to the trace.
    fn keep(
        &mut self,
        name: &'static str,
        track: u32,
        start: &Mark,
        (length, step): (Duration, u64),
    ) -> Result<(), EngineError> {
        if let (Some(spans), Some(origin)) = (&mut self.spans, &self.origin)
            && spans.len() < SPANS
        {
            let start = origin.until(start).map_err(torch())?;
            spans.push(Span { name, track, start, length, step });
        }
        Ok(())
    }

    /// Forgets the phases that the device has not come to the end of, as it may never do.
    pub fn abandon(&mut self) {
        self.pending.clear();
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
        for (track, name) in ["engine", "reduction"].iter().enumerate() {
            events.push(json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": track, "args": {"name": name}}));
        }
        for span in spans {
            let start = micros(span.start);
            events.push(json!({
                "ph": "X", "name": span.name, "pid": 1, "tid": span.track, "ts": start, "dur": micros(span.length),
                "args": {"step": span.step},
            }));
        }
        let average = |phase: StepPhase| micros(self.totals[phase as usize]) / 1e3 / self.steps.max(1) as f64;
        let phases: serde_json::Map<_, _> =
            StepPhase::ALL.iter().map(|phase| (phase.name().to_owned(), json!(average(*phase)))).collect();
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
    use std::thread::sleep;

    #[test]
    fn a_trace_holds_spans_and_averages() {
        let mut profile = Profile::new(true, Device::Cpu);
        for _ in 0..2 {
            let start = profile.begin().unwrap();
            sleep(Duration::from_millis(6));
            let forward = profile.end(StepPhase::Forward, start.clone()).unwrap();
            sleep(Duration::from_millis(10));
            profile.end(StepPhase::Backward, forward).unwrap();
            profile.settle().unwrap();
            profile.transfer(StepPhase::Backward, StepPhase::Exposed, Duration::from_millis(2));
            profile.add(StepPhase::Hidden, &start, Duration::from_millis(1)).unwrap();
            profile.end_step();
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/trace.json");
        profile.write(&path, "a worker").unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let milliseconds = &trace["otherData"]["milliseconds"];
        let of = |name: &str| milliseconds[name].as_f64().unwrap();
        assert!(of("forward") >= 6.0 && of("backward") >= 8.0, "{milliseconds}");
        assert_eq!([of("reduction_exposed"), of("input"), of("reduction_hidden")], [2.0, 0.0, 1.0]);
        let events = trace["traceEvents"].as_array().unwrap();
        let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!(spans.len(), 6);
        let step = |span: &serde_json::Value| (span["name"].clone(), span["tid"].clone(), span["args"]["step"].clone());
        assert_eq!(step(spans[3]), (json!("forward"), json!(0), json!(1)));
        assert_eq!(step(spans[5]), (json!("reduction_hidden"), json!(1), json!(1)));
        let starts: Vec<_> = spans.iter().map(|span| span["ts"].as_f64().unwrap()).collect();
        assert!(starts[0] < starts[1] && starts[1] < starts[3], "{starts:?}");
    }

    #[test]
    fn nothing_is_counted_before_it_is_settled() {
        let mut profile = Profile::new(false, Device::Cpu);
        let start = profile.begin().unwrap();
        sleep(Duration::from_millis(2));
        profile.end(StepPhase::Input, start).unwrap();
        assert_eq!(profile.totals[StepPhase::Input as usize], Duration::ZERO);
        profile.settle().unwrap();
        assert!(profile.totals[StepPhase::Input as usize] >= Duration::from_millis(2));
    }
}
