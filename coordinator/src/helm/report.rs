//! Between what goes over the wire and what the state machine speaks of.

use plan::{ChunkResult, Position, Totals};
use proto::{Malformed, v1};
use steering::{Event, Failure, Order, Stretch};

/// What a report tells the state machine; `None` where it tells it nothing.
pub(super) fn event(report: v1::report::Report) -> Result<Option<Event>, Malformed> {
    use v1::report::Report as Up;
    let stretch = |seconds, images| Stretch { seconds, images };
    let position = |position: Option<v1::Position>| {
        position.map(Position::from).ok_or_else(|| Malformed::new("a report without a position"))
    };
    let totals = |totals: Option<v1::Totals>| totals.map(Totals::from).unwrap_or_default();
    Ok(Some(match report {
        Up::Hello(_) => return Err(Malformed::new("a second hello")),
        Up::Prepared(v1::Prepared {}) => Event::Prepared,
        Up::StoreOpened(v1::StoreOpened { generation, port }) => {
            let port = port.try_into().map_err(|_| Malformed::new(format!("the port {port}")))?;
            Event::StoreOpened { generation, port }
        }
        Up::Ready(ready) => Event::Ready {
            generation: ready.generation,
            held: ready.held.map(Into::into),
            totals: totals(ready.totals),
        },
        Up::Progress(progress) => {
            let (generation, position) = (progress.generation, position(progress.position)?);
            let (pulse, waiting) = (progress.pulse, progress.waiting);
            Event::Progress { generation, position, pulse, waiting, compute: progress.compute_seconds }
        }
        Up::StateDigest(v1::StateDigest { generation, position: at, digest }) => {
            Event::Digest { generation, position: position(at)?, digest }
        }
        Up::EpochDone(done) => Event::EpochDone {
            generation: done.generation,
            totals: totals(done.totals),
            stretch: stretch(done.seconds, done.images),
        },
        Up::Halted(halted) => Event::Halted {
            generation: halted.generation,
            position: position(halted.position)?,
            totals: totals(halted.totals),
            stretch: stretch(halted.seconds, halted.images),
        },
        Up::Evaluated(evaluated) => Event::Evaluated {
            generation: evaluated.generation,
            results: evaluated.chunks.into_iter().map(ChunkResult::try_from).collect::<Result<_, _>>()?,
        },
        Up::Failed(failed) => Event::Failed {
            generation: failed.generation,
            failure: Failure { message: failed.message, fatal: failed.fatal },
        },
        Up::Leaving(leaving) => Event::Leaving { reason: leaving.reason },
    }))
}

/// An order as it goes over the wire. `rank` is that of the worker it goes to.
pub(super) fn order(order: Order, rank: Option<u32>) -> v1::Order {
    use v1::order::Order as Down;
    use v1::synchronise::Source;
    let down = match order {
        Order::Form { generation, rank, world_size, members } => {
            Down::Form(v1::Form { generation, rank, world_size, members })
        }
        Order::Connect { generation, host, port } => Down::Connect(v1::Connect { generation, host, port: port.into() }),
        Order::Synchronise { generation, source_rank, checkpoint, initial } => {
            // Only the source has to have the checkpoint; the others get its state in the broadcast.
            let is_source = rank == Some(source_rank);
            let source = match checkpoint.filter(|_| is_source) {
                Some(name) => Source::Checkpoint(name),
                None if initial => Source::Initial(true),
                None => Source::Held(true),
            };
            Down::Synchronise(v1::Synchronise { generation, source_rank, source: Some(source) })
        }
        Order::Train { generation, from, rates, digest_every, save_every } => Down::Train(v1::Train {
            generation,
            epoch: from.epoch,
            first_step: from.step,
            rates,
            digest_every,
            save_every: save_every.unwrap_or_default(),
        }),
        Order::Halt { generation, epoch, reason } => Down::Halt(v1::Halt { generation, epoch, reason }),
        Order::Evaluate { generation, epoch, chunks } => Down::Evaluate(v1::Evaluate {
            generation,
            epoch,
            first_chunk: chunks.start,
            chunks: chunks.end - chunks.start,
        }),
        Order::Upload { generation } => Down::Upload(v1::Upload { generation }),
        Order::Abort { generation, reason } => Down::Abort(v1::Abort { generation, reason }),
        Order::Dismiss { reason } => Down::Dismiss(v1::Dismiss { reason }),
    };
    v1::Order { order: Some(down) }
}
