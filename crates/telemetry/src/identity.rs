//! Which span is which. All spans of a run are one trace, whose id follows from the run's. The id of a generation's span
//! follows from run and number. So a worker knows the parent of its spans, and no message has to carry it.

use opentelemetry::{SpanId, TraceId};
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A span, in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

impl Identity {
    /// A new span of the run with the id `run`.
    #[must_use]
    pub fn of_run(run: &str) -> Self {
        Self { trace: trace_of(run), span: drawn() }
    }

    /// The span of a generation of the run with the id `run`: the same in every process.
    #[must_use]
    pub fn of_generation(run: &str, generation: u64) -> Self {
        Self { trace: trace_of(run), span: SpanId::from_bytes(hash(&format!("generation {generation} of {run}"))) }
    }

    /// A new span in the trace of `other`.
    #[must_use]
    pub fn within(other: Self) -> Self {
        Self { span: drawn(), ..other }
    }

    /// A new span in a trace of its own.
    #[must_use]
    pub fn alone() -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random());
        bytes[8..].copy_from_slice(&random());
        Self { trace: TraceId::from_bytes(bytes), span: drawn() }
    }

    /// The span in a `traceparent` header, as the W3C has it. `None`: the text is none.
    #[must_use]
    pub fn of_header(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let _flags = parts.next()?;
        let hexadecimal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let sizes = (version.len(), trace.len(), span.len());
        if sizes != (2, 32, 16) || version == "ff" || ![version, trace, span].into_iter().all(hexadecimal) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span })
    }
}

fn trace_of(run: &str) -> TraceId {
    TraceId::from_bytes(hash(&format!("run {run}")))
}

/// The first bytes of the SHA-256 of `text`.
fn hash<const N: usize>(text: &str) -> [u8; N] {
    let digest = Sha256::digest(text.as_bytes());
    std::array::from_fn(|place| digest[place])
}

fn drawn() -> SpanId {
    SpanId::from_bytes(random())
}

/// The keys of a new hasher are random.
fn random() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_knows_a_generations_span() {
        let known = Identity::of_generation("a", 1);
        assert_eq!(known, Identity::of_generation("a", 1));
        assert_eq!(known.trace, Identity::of_run("a").trace, "a run is one trace");
        for other in [Identity::of_generation("a", 2), Identity::of_generation("b", 1), Identity::of_run("a")] {
            assert_ne!(known, other);
        }
        // printf 'run a' | sha256sum, and printf 'generation 1 of a' | sha256sum.
        assert_eq!(known.trace.to_string(), "4ece8f017f44e89e8bb258755446ca46");
        assert_eq!(known.span.to_string(), "6a21db5e29024083");
    }

    #[test]
    fn a_client_can_say_which_span_a_request_is_of() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let found = Identity::of_header(text).unwrap();
        assert_eq!(found.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(found.span.to_string(), "b7ad6b7169203331");
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            assert_eq!(Identity::of_header(wrong), None, "{wrong}");
        }
    }
}
