//! A run as Prometheus scrapes it, in the text format of OpenMetrics 1.0.
//!
//! Names follow the conventions of Prometheus: a prefix, base units, fractions as ratios, `_total` for what only grows. The crate
//! is pure: the run in, text out.
//!
//! # Layout
//!
//! - `run`: where the run is, its figures and speed. `workers`: who takes part. `events`: what has happened so far.
//!
//! # Example
//!
//! ```
//! use chronicle::Chronicle;
//! use proto::v1::Run;
//!
//! let text = metrics::text(&Run { epoch: 3, ..Run::default() }, &Chronicle::default());
//! assert!(text.contains("coxswain_epoch 3.0\n"));
//! ```

mod events;
mod run;
mod workers;

use chronicle::Chronicle;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use proto::v1::Run;
use std::{fmt::Debug, hash::Hash, sync::atomic::AtomicU64};

/// The type of what [`text`] returns, for the header `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge that may have a fraction.
type Float = Gauge<f64, AtomicU64>;

/// The run as it stands, and what it has been through.
#[must_use]
pub fn text(run: &Run, chronicle: &Chronicle) -> String {
    let mut registry = Registry::with_prefix("coxswain");
    run::register(&mut registry, run);
    workers::register(&mut registry, &run.workers);
    events::register(&mut registry, chronicle);
    let mut text = String::new();
    // Writing to a string never fails.
    let _ = encode(&mut text, &registry);
    text
}

/// Adds a figure that is there.
fn gauge(registry: &mut Registry, name: &str, help: &str, value: impl Into<Option<f64>>) {
    let Some(value) = value.into() else { return };
    let gauge = Float::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// Adds a figure for each set of labels.
fn family<L>(registry: &mut Registry, name: &str, help: &str, values: impl IntoIterator<Item = (L, f64)>)
where
    L: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static,
{
    let family = Family::<L, Float>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

#[cfg(test)]
mod tests;
