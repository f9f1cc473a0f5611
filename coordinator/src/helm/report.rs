//! Between what goes over the wire and what the state machine speaks of.

use crate::helm::Tickets;
use plan::{ChunkResult, Position, Totals};
use proto::{Malformed, v1};
use std::time::Duration;
use steering::{Blame, Event, Failure, Held, Order, Stretch, WorkerId};

/// What a worker says that it holds.
pub(super) fn held(held: v1::Held) -> Result<Held, Malformed> {
    let missing = |what: &str| Malformed::new(format!("a state without {what}"));
    Ok(Held {
        position: held.position.ok_or_else(|| missing("its position"))?.into(),
        totals: held.totals.ok_or_else(|| missing("its totals"))?.into(),
        lineage: held.lineage,
    })
}

/// The same with its digest.
fn attested(message: Option<v1::Held>) -> Result<Option<(Held, u64)>, Malformed> {
    let Some(message) = message else { return Ok(None) };
    let digest = message.digest.ok_or_else(|| Malformed::new("a state without its digest"))?;
    Ok(Some((held(message)?, digest)))
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
            failure: Failure {
                blame: match failed.blame() {
                    v1::Blame::Own => Blame::Own,
                    v1::Blame::Suffered => Blame::Suffered,
                    v1::Blame::Diverged => Blame::Diverged,
                    v1::Blame::Withheld => Blame::Withheld,
                    v1::Blame::Unspecified => return Err(Malformed::new("a failure that is nobody's")),
                },
                message: failed.message,
            },
        },
        Up::Leaving(leaving) => Event::Leaving { reason: leaving.reason },
    }))
}

/// An order as it goes over the wire. `rank` is that of the worker it goes to, `ticket` is for the states that it sends, and
/// `backend` is the generation's.
pub(super) fn order(order: Order, rank: Option<u32>, ticket: u64, backend: v1::Backend) -> v1::Order {
    use v1::order::Order as Down;
    use v1::synchronise::Source;
    let down = match order {
        Order::Form { generation, rank, world_size, members } => {
            Down::Form(v1::Form { generation, rank, world_size, members })
        }
        Order::Connect { generation, host, port } => {
            Down::Connect(v1::Connect { generation, host, port: port.into(), backend: backend.into() })
        }
        Order::Synchronise { generation, source_rank, checkpoint, initial, digest } => {
            // Only the source has to have the checkpoint; the others get its state in the broadcast.
            let is_source = rank == Some(source_rank);
            let source = match checkpoint.filter(|_| is_source) {
                Some(name) => Source::Checkpoint(name),
                None if initial => Source::Initial(true),
                None => Source::Held(true),
            };
            Down::Synchronise(v1::Synchronise { generation, source_rank, source: Some(source), digest, ticket })
        }
        Order::Train { generation, from, rates, digest_every, save_every, upload: _ } => Down::Train(v1::Train {
            generation,
            epoch: from.epoch,
            first_step: from.step,
            rates,
            digest_every,
            save_every: save_every.unwrap_or_default(),
            ticket,
        }),
        Order::Halt { generation, epoch, reason } => Down::Halt(v1::Halt { generation, epoch, reason }),
        Order::Evaluate { generation, epoch, chunks } => Down::Evaluate(v1::Evaluate {
            generation,
            epoch,
            first_chunk: chunks.start,
            chunks: chunks.end - chunks.start,
        }),
        Order::Upload { upload: _ } => Down::Upload(v1::Upload { ticket }),
        Order::Attest { request, generation } => Down::Attest(v1::Attest { request, generation }),
        Order::SetAside { reason, pause } => {
            Down::SetAside(v1::SetAside { reason, pause_ms: pause.as_millis() as u64 })
        }
        Order::Abort { generation, reason } => Down::Abort(v1::Abort { generation, reason }),
        Order::Dismiss { reason } => Down::Dismiss(v1::Dismiss { reason }),
    };
    v1::Order { order: Some(down) }
}
