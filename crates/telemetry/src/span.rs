//! A stretch of time with attributes.

use crate::Identity;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, Value,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::{Duration, SystemTime};

/// From which side a span is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of this process alone.
    Internal,
    /// Of a request that is answered.
    Server,
}

/// A span that has begun. [`Telemetry::end`](crate::Telemetry::end) ends it.
#[derive(Debug, Clone)]
pub struct Span {
    identity: Identity,
    parent: Option<Identity>,
    kind: SpanKind,
    name: &'static str,
    start: SystemTime,
    end: Option<SystemTime>,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// A span that begins now.
    #[must_use]
    pub fn new(name: &'static str, identity: Identity, parent: Option<Identity>) -> Self {
        Self {
            identity,
            parent,
            kind: SpanKind::Internal,
            name,
            start: SystemTime::now(),
            end: None,
            attributes: Vec::new(),
            status: Status::Unset,
        }
    }

    /// The same, of that kind.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = match kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
        };
        self
    }

    /// The same, which ends now and has taken `time`.
    #[must_use]
    pub fn took(mut self, time: Duration) -> Self {
        let end = SystemTime::now();
        self.start = end.checked_sub(time).unwrap_or(end);
        self.end = Some(end);
        self
    }

    /// The same with an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(name, value));
        self
    }

    /// The same with an attribute, where it has a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same, which has failed for that reason.
    #[must_use]
    pub fn failed(mut self, why: &str) -> Self {
        self.status = Status::error(why.to_owned());
        self
    }

    /// Its identity, for spans within it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// What is sent of it. It ends now unless it has ended.
    pub(crate) fn into_data(self, scope: InstrumentationScope) -> SpanData {
        let Identity { trace, span } = self.identity;
        SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| parent.span),
            parent_span_is_remote: false,
            span_kind: self.kind,
            name: self.name.into(),
            start_time: self.start,
            end_time: self.end.unwrap_or_else(SystemTime::now),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.status,
            instrumentation_scope: scope,
        }
    }
}
