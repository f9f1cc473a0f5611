//! From the reports of workers to events of the state machine.

use crate::helm::uploads::Tickets;
use plan::{ChunkResult, Held, Position, Totals};
use proto::{Malformed, v1};
use std::time::Duration;
use steering::{Event, Failure, Stretch, WorkerId};

/// What a worker says that it holds, with its digest.
fn attested(message: Option<v1::Held>) -> Result<Option<(Held, u64)>, Malformed> {
    let Some(message) = message else { return Ok(None) };
    let digest = message.digest.ok_or_else(|| Malformed::new("a state without its digest"))?;
    Ok(Some((message.try_into()?, digest)))
}

/// A time that a worker has measured.
fn seconds(seconds: f64) -> Duration {
    /// Longer than anything that is measured.
    const LONGEST: f64 = 1e6;
    Duration::from_secs_f64(if seconds.is_finite() { seconds.clamp(0.0, LONGEST) } else { 0.0 })
}

/// What a report of `worker` tells the state machine; `None` where it tells it nothing.
pub(super) fn event(
    worker: WorkerId,
    report: v1::report::Report,
    tickets: &Tickets,
) -> Result<Option<Event>, Malformed> {
    use v1::report::Report as Up;
    let stretch = |time: f64, images| Stretch { seconds: seconds(time).as_secs_f64(), images };
    let position = |position: Option<v1::Position>| {
        position.map(Position::from).ok_or_else(|| Malformed::new("a report without a position"))
    };
    let totals = |totals: Option<v1::Totals>| {
        totals.map(Totals::from).ok_or_else(|| Malformed::new("a report without its sums"))
    };
    Ok(Some(match report {
        Up::Hello(_) => return Err(Malformed::new("a second hello")),
        Up::Prepared(v1::Prepared { stretch_seconds, shard_seconds }) => {
            Event::Prepared { stretch: seconds(stretch_seconds), shard: seconds(shard_seconds) }
        }
        Up::StoreOpened(v1::StoreOpened { generation, port }) => {
            let port = port.try_into().map_err(|_| Malformed::new(format!("the port {port}")))?;
            Event::StoreOpened { generation, port }
        }
        Up::Ready(ready) => Event::Ready { generation: ready.generation, held: attested(ready.held)? },
        Up::Attested(v1::Attested { request, held }) => Event::Attested { request, held: attested(held)? },
        Up::NotUploaded(v1::NotUploaded { ticket, cause }) => {
            let Some(upload) = tickets.take(ticket, worker) else { return Ok(None) };
            Event::UploadFailed { upload, cause }
        }
        Up::Progress(progress) => {
            let (generation, position) = (progress.generation, position(progress.position)?);
            let (pulse, waiting) = (progress.pulse, progress.waiting);
            let (compute, stretch) =
                (seconds(progress.compute_seconds).as_secs_f64(), seconds(progress.stretch_seconds));
            Event::Progress { generation, position, pulse, waiting, compute, stretch }
        }
        Up::StateDigest(v1::StateDigest { generation, position: at, digest }) => {
            Event::Digest { generation, position: position(at)?, digest }
        }
        Up::EpochDone(done) => Event::EpochDone {
            generation: done.generation,
            epoch: done.epoch,
            totals: totals(done.totals)?,
            stretch: stretch(done.seconds, done.images),
        },
        Up::Halted(halted) => Event::Halted {
            generation: halted.generation,
            position: position(halted.position)?,
            stretch: stretch(halted.seconds, halted.images),
        },
        Up::Evaluated(evaluated) => Event::Evaluated {
            generation: evaluated.generation,
            epoch: evaluated.epoch,
            results: evaluated.chunks.into_iter().map(ChunkResult::try_from).collect::<Result<_, _>>()?,
        },
        Up::Failed(failed) => Event::Failed {
            generation: failed.generation,
            failure: Failure { blame: failed.blame().try_into()?, message: failed.message },
        },
        Up::Leaving(leaving) => Event::Leaving { reason: leaving.reason },
    }))
}
