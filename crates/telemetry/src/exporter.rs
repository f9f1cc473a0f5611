//! What sends spans. People are told when the collector takes none any more, and when it does again.

use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a collector that is well takes for a batch at most.
const WELL: Duration = Duration::from_secs(2);

/// How the collector does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Since when a batch is under way.
    busy: Option<Instant>,
    /// Whether the last one failed.
    failed: bool,
    /// Whether people were told.
    told: bool,
}

impl Health {
    /// Whether it is worth to wait for the collector.
    pub fn is_good(&self) -> bool {
        let state = self.lock();
        !state.failed && state.busy.is_none_or(|since| since.elapsed() < WELL)
    }

    fn begins(&self) {
        self.lock().busy = Some(Instant::now());
    }

    /// Returns whether people are to be told: of a failure, or that one is over.
    fn ends(&self, failed: bool) -> bool {
        let mut state = self.lock();
        (state.busy, state.failed) = (None, failed);
        std::mem::replace(&mut state.told, failed) != failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends spans to the collector at `endpoint`.
#[derive(Debug)]
pub(crate) struct Exporter {
    pub otlp: Otlp,
    pub endpoint: String,
    /// Whose spans: the service and its process.
    pub sender: String,
    pub health: Health,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.health.begins();
        let result = self.otlp.export(batch).await;
        if self.health.ends(result.is_err()) {
            let Self { endpoint, sender, .. } = self;
            match &result {
                Ok(()) => tracing::info!("the collector at {endpoint} takes spans of {sender} again"),
                Err(why) => tracing::warn!(
                    "the collector at {endpoint}, which --otlp-endpoint or a variable names, did not take {count} spans of \
                     {sender}: {}. They are lost, and the run goes on. Later spans are tried again",
                    cause(&why.to_string())
                ),
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// The root of a failure: the last of what a chain of libraries says, without the system's number.
fn cause(text: &str) -> &str {
    let known = text.split(" (os error ").next().unwrap_or_default();
    known.rsplit(": ").find(|words| !words.trim().is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_failure_is_told() {
        let chain = "Operation failed: export failed with gRPC code: Unavailable: transport error: tcp connect error: \
                     Connection refused (os error 111)";
        assert_eq!(cause(chain), "Connection refused");
        assert_eq!(cause("export failed with gRPC code: Unimplemented: "), "Unimplemented");
        assert_eq!(cause(""), "");
    }

    #[test]
    fn people_are_told_when_it_begins_and_when_it_ends() {
        let health = Health::default();
        let told: Vec<bool> = [false, true, true, false, false, true].map(|failed| health.ends(failed)).to_vec();
        assert_eq!(told, [false, true, false, true, false, true]);
    }

    #[test]
    fn nobody_waits_for_a_collector_that_failed() {
        let health = Health::default();
        assert!(health.is_good());
        health.begins();
        assert!(health.is_good(), "it has hardly begun");
        health.ends(true);
        assert!(!health.is_good());
        health.ends(false);
        assert!(health.is_good());
    }
}
