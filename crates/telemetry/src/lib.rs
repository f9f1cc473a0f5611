//! Traces for an OpenTelemetry collector, over OTLP and gRPC. Whoever ends a span never waits for the collector.
//!
//! # Layout
//!
//! - `identity`: which span is which. Ids follow from the run, so that processes need not tell each other.
//! - `span`: a stretch of time with attributes.
//! - `exporter`: what is sent, and what people are told if it cannot be.
//! - `start`: from the flag and the variables of OpenTelemetry to a [`Telemetry`].
//!
//! # Example
//!
//! ```
//! use telemetry::{Identity, Span, Telemetry};
//!
//! let telemetry = Telemetry::default();
//! let generation = Identity::of_generation("6f1c", 3);
//! let span = Span::new("train", Identity::within(generation), Some(generation)).with("epoch", 0_i64);
//! telemetry.end(span); // It is off, so nothing is sent.
//! ```

mod exporter;
mod identity;
mod span;
mod start;

pub use identity::Identity;
pub use span::{Kind, Span};
pub use start::{OFF, Telemetry, endpoint};
