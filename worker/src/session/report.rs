//! What goes up to the coordinator.

use crate::Error;
use crate::session::Session;
use engine::{EngineError, EngineEvent, EngineProgress, Rehearsal};
use plan::Held;
use proto::v1::{self, Blame, report::Report as Up};

/// The report of a failure, in `generation` or, as 0, outside of any.
pub(super) fn failed(generation: u64, error: &EngineError) -> Up {
    tracing::warn!(generation, "{error}");
    let blame = Blame::from(error.blame());
    Up::Failed(v1::Failed { generation, message: error.to_string(), blame: blame.into() })
}

/// The report of a worker that ends, for a reason of its own.
pub(super) fn ended(error: &Error) -> Up {
    Up::Failed(v1::Failed { generation: 0, message: format!("it ends: {error}"), blame: Blame::Own.into() })
}

/// That the worker can be a member, and what its rehearsal has shown.
pub(super) fn prepared(rehearsal: Rehearsal) -> Up {
    let Rehearsal { stretch, shard } = rehearsal;
    Up::Prepared(v1::Prepared { stretch_seconds: stretch.as_secs_f64(), shard_seconds: shard.as_secs_f64() })
}

/// That the worker was asked to go.
pub(super) fn leaving() -> Up {
    Up::Leaving(v1::Leaving { reason: "asked to stop".to_owned() })
}

/// What goes up for an event of the engine.
pub(super) fn report(event: EngineEvent) -> Up {
    let described = |(held, digest): (Held, u64)| v1::Held { digest: Some(digest), ..held.into() };
    match event {
        EngineEvent::StoreOpened { generation, port } => {
            Up::StoreOpened(v1::StoreOpened { generation, port: port.into() })
        }
        EngineEvent::Ready { generation, held } => Up::Ready(v1::Ready { generation, held: held.map(described) }),
        EngineEvent::Digest { generation, position, digest } => {
            Up::StateDigest(v1::StateDigest { generation, position: Some(position.into()), digest })
        }
        EngineEvent::EpochDone { generation, outcome } => Up::EpochDone(v1::EpochDone {
            generation,
            epoch: outcome.position.epoch,
            totals: Some(outcome.totals.into()),
            seconds: outcome.seconds,
            images: outcome.images,
        }),
        EngineEvent::Halted { generation, outcome } => Up::Halted(v1::Halted {
            generation,
            position: Some(outcome.position.into()),
            seconds: outcome.seconds,
            images: outcome.images,
        }),
        EngineEvent::Evaluated { generation, epoch, result } => {
            Up::Evaluated(v1::Evaluated { generation, epoch, chunks: vec![result.into()] })
        }
        EngineEvent::Attested { request, held } => Up::Attested(v1::Attested { request, held: held.map(described) }),
        EngineEvent::NotUploaded { ticket, cause } => Up::NotUploaded(v1::NotUploaded { ticket, cause }),
        EngineEvent::Rehearsed(rehearsal) => prepared(rehearsal),
        EngineEvent::Failed { generation, error } => failed(generation, &error),
    }
}

impl Session {
    /// A sign of life.
    pub(super) fn progress(&self) -> Up {
        let Some(joined) = &self.joined else {
            // Who prepares waits for data, not for the engine.
            let (position, totals) = (Some(v1::Position::default()), Some(v1::Totals::default()));
            return Up::Progress(v1::Progress { position, totals, waiting: true, ..v1::Progress::default() });
        };
        let progress: EngineProgress = *joined.engine.progress.borrow();
        let (pulse, waiting) = joined.engine.control.pulse();
        Up::Progress(v1::Progress {
            generation: progress.generation,
            position: Some(progress.position.into()),
            totals: Some(progress.totals.into()),
            images_per_second: progress.images_per_second,
            pulse,
            waiting,
            compute_seconds: progress.compute_seconds,
            wait_seconds: progress.wait_seconds,
            stretch_seconds: joined.engine.control.stretch().as_secs_f64(),
        })
    }
}
