//! From the flag and the variables of OpenTelemetry to what sends spans.

use crate::{
    Span,
    exporter::{Exporter, Health},
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor},
};
use program::{address, variable};
use std::{fmt, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// The variables of OpenTelemetry that stand for the flag `--otlp-endpoint`. The first that is set counts.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What is given instead of an endpoint where no traces are wanted.
pub const OFF: &str = "off";

/// How long spans wait to be sent together, where OTEL_BSP_SCHEDULE_DELAY says nothing: a process that is killed loses those.
const DELAY: Duration = Duration::from_secs(1);
/// How long the last spans are waited for.
const FAREWELL: Duration = Duration::from_secs(3);

/// The collector's address in `text`, or [`OFF`].
///
/// # Errors
/// What is wrong with it.
pub fn endpoint(text: &str) -> Result<String, String> {
    if text == OFF {
        return Ok(text.to_owned());
    }
    address::normalise(text).map_err(|why| format!("{why}, and spans are sent over gRPC without TLS"))
}

/// Where spans go. It is off by default, and then costs nothing.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Sender>>);

struct Sender {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    health: Health,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Telemetry").field("on", &self.0.is_some()).finish()
    }
}

impl Telemetry {
    /// Sends spans of `service` to the collector at `endpoint`, and none if that is [`OFF`]. `None` means that the variables of
    /// OpenTelemetry say where. They are for all programs of a machine: what makes no sense here is told, and stops nothing.
    /// The connection is kept by `runtime`. Batches have a thread of their own.
    #[must_use]
    pub fn start(service: &str, endpoint: Option<&str>, runtime: &Handle) -> Self {
        let Some(endpoint) = endpoint
            .map(str::to_owned)
            .or_else(|| named(|name| variable(name)?.into_string().ok()))
            .filter(|endpoint| endpoint != OFF)
        else {
            return Self::default();
        };
        if is_disabled() {
            return Self::default();
        }
        // The connection belongs to the runtime that is entered.
        let _entered = runtime.enter();
        let otlp = match SpanExporter::builder().with_tonic().with_endpoint(&endpoint).build() {
            Ok(otlp) => otlp,
            Err(error) => {
                tracing::warn!("no spans are sent: the variables of OpenTelemetry make no sense here: {error}");
                return Self::default();
            }
        };
        let health = Health::default();
        let sender = format!("{service}, process {}", std::process::id());
        let exporter = Exporter { otlp, endpoint, sender, health: health.clone() };
        let mut config = BatchConfigBuilder::default();
        if variable("OTEL_BSP_SCHEDULE_DELAY").is_none() {
            config = config.with_scheduled_delay(DELAY);
        }
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build();
        processor.set_resource(&resource(service));
        let scope = InstrumentationScope::builder("coxswain").with_version(env!("CARGO_PKG_VERSION")).build();
        Self(Some(Arc::new(Sender { processor, scope, health })))
    }

    /// Ends `span`, and never waits. If too many spans wait already, it is lost.
    pub fn end(&self, span: Span) {
        if let Some(sender) = &self.0 {
            sender.processor.on_end(span.into_data(sender.scope.clone()));
        }
    }

    /// Waits a little until the last spans are sent. Nobody waits for a collector that does not answer.
    pub fn finish(&self) {
        if let Some(sender) = &self.0 {
            let patience = if sender.health.is_good() { FAREWELL } else { Duration::ZERO };
            // Of what cannot be sent people were told, or it is too late to.
            let _ = sender.processor.shutdown_with_timeout(patience);
        }
    }
}

/// The collector that `variable`, the environment, names. One that cannot be reached from here is told, unless nothing is to be
/// sent anyway.
fn named(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (name, value) = VARIABLES.into_iter().find_map(|name| Some((name, variable(name)?)))?;
    match endpoint(&value) {
        Ok(endpoint) => Some(endpoint),
        Err(why) => {
            if !is_disabled() {
                tracing::warn!("no spans are sent: {name} is {:?}: {why}", address::hide_users(&value));
            }
            None
        }
    }
}

/// What every span says of this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES outweigh what is known here.
fn resource(service: &str) -> Resource {
    let known = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build();
    let told = Resource::builder().build();
    let is_told = |name: &str, value: &str| !(name == "service.name" && value.starts_with("unknown_service"));
    let told = told.iter().filter(|(name, value)| is_told(name.as_str(), &value.as_str()));
    let all = known.iter().chain(told).map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(all.collect::<Vec<_>>()).build()
}

/// Whether OpenTelemetry is switched off for this process, or asked for something that is not spoken here.
fn is_disabled() -> bool {
    let says = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
        return true;
    }
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let Some(protocol) = names.into_iter().find_map(variable).filter(|protocol| protocol != "grpc") else {
        return false;
    };
    tracing::warn!("no spans are sent: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol:?}, and only grpc is spoken here");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_one_that_can_be_reached() {
        assert_eq!(endpoint("collector:4317").as_deref(), Ok("http://collector:4317"));
        assert_eq!(endpoint("http://me:secret@collector:4317").as_deref(), Ok("http://collector:4317"), "it is shown");
        assert_eq!(endpoint("off").as_deref(), Ok(OFF));
        for wrong in ["https://collector:4317", "collector", "http://collector:0"] {
            assert!(endpoint(wrong).unwrap_err().contains("without TLS"), "{wrong}");
        }
    }

    #[test]
    fn variables_that_are_for_others_stop_nothing() {
        let set = |pairs: &'static [(&str, &str)]| {
            named(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
        };
        let both = &[(VARIABLES[1], "http://all:4317"), (VARIABLES[0], "http://traces:4317")];
        assert_eq!(set(both).as_deref(), Some("http://traces:4317"));
        assert_eq!(set(&both[..1]).as_deref(), Some("http://all:4317"));
        assert_eq!(set(&[]), None);
        assert_eq!(set(&[(VARIABLES[1], "https://otel:4317")]), None);
    }

    #[test]
    fn a_process_is_named_unless_somebody_names_it() {
        let resource = resource("coxswain-worker");
        let value = |name: &'static str| resource.get(&name.into()).map(|value| value.to_string());
        assert_eq!(value("service.name").as_deref(), Some("coxswain-worker"));
        assert_eq!(value("telemetry.sdk.language").as_deref(), Some("rust"));
    }
}
